/**
 * Requests that an action makes without being one: asking a model posts, opening a page gets, a tool
 * of a server elsewhere is posted to. What refuses and asks about requests is judged for them too;
 * what allows requests allows none of them.
 *
 * A tunnel carries requests that nobody reads. Rules on the host of a request hold for it; whatever
 * else they say of the request is unknown there, which refuses. Rules on content say nothing of
 * tunnels: whoever wants none refuses `net::connect` itself.
 */
import { modelRequestUrl } from "../model-url.ts";
import type { Subject } from "../subject.ts";
import type { DecisionContext } from "../types.ts";
import type { ArgumentValue } from "../values.ts";
import { connectTool, openingTools, streamTool } from "./server-calls.ts";
import { type CanonicalUrl, parseCanonicalUrl } from "./url.ts";

export interface ImpliedRequest {
  readonly target: "net::get" | "net::post";
  readonly values: ReadonlyMap<string, ArgumentValue>;
  /** Its bytes are seen, so that rules on content can be kept. */
  readonly seen: boolean;
}

/** A placeholder that stands for any text: nothing is known of it. */
const anyText: ArgumentValue = { type: "text", text: "<TEXT_1>" };

const post = (url: CanonicalUrl, content: ArgumentValue | undefined): ImpliedRequest => ({
  target: "net::post",
  values: new Map<string, ArgumentValue>([
    ["url", { type: "url", url }],
    ["method", { type: "text", text: "POST" }],
    ...(content?.type === "content" ? [["content", content] as const] : []),
  ]),
  seen: true,
});

const ofModel = ({ values }: Subject): readonly ImpliedRequest[] => {
  const base = values.get("url");
  const protocol = values.get("protocol");
  if (base?.type !== "text" || protocol?.type !== "text") return [];
  const url = parseCanonicalUrl(modelRequestUrl(protocol.text, base.text) ?? "");
  return url.ok ? [post(url.value, values.get("prompt") ?? values.get("input"))] : [];
};

const get = (url: CanonicalUrl): ImpliedRequest => ({
  target: "net::get",
  values: new Map<string, ArgumentValue>([
    ["url", { type: "url", url }],
    ["method", { type: "text", text: "GET" }],
  ]),
  seen: true,
});

const ofTunnel = ({ values }: Subject): readonly ImpliedRequest[] => {
  const host = values.get("host");
  const port = values.get("port");
  if (host?.type !== "host" || port?.type !== "integer") return [];
  const url = { ...host.url, port: port.value };
  const inside = new Map<string, ArgumentValue>([
    ["url", { type: "url", url, hostOnly: true }],
    ["method", anyText],
  ]);
  return [
    { target: "net::get", values: inside, seen: false },
    { target: "net::post", values: inside, seen: false },
  ];
};

/** The messages that the opening of a connection may hold: what refuses or asks about one holds for it. */
export const impliedCalls = ({ target, values }: Subject): readonly Subject["values"][] => {
  const tool = values.get("tool");
  const opens = target.name === "mcp::call" && tool?.type === "text" && tool.text === connectTool;
  if (!opens) return [];
  return [...openingTools].map((text) => new Map([...values, ["tool", { type: "text", text }]]));
};

/** Where a page is opened or saved from. */
const opensPage: ReadonlySet<string> = new Set(["browser::open", "browser::download"]);

export const impliedRequests = (
  subject: Subject,
  posted: DecisionContext["posted"],
): readonly ImpliedRequest[] => {
  const { target, values } = subject;
  if (target.group === "model") return ofModel(subject);
  if (target.name === "net::connect") return ofTunnel(subject);
  if (opensPage.has(target.name)) {
    const url = values.get("url");
    return url?.type === "url" ? [get(url.url)] : [];
  }
  if (posted === undefined) return [];
  const url = parseCanonicalUrl(posted);
  if (!url.ok) return [];
  const tool = values.get("tool");
  const listens = tool?.type === "text" && tool.text === streamTool;
  return [listens ? get(url.value) : post(url.value, undefined)];
};
