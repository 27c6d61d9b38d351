/**
 * Where a model is reached: the base of its API as a person enters it, and the one address that an
 * action of `model::infer` may ask.
 *
 * Invariants: one spelling for one base, so that the Guardian, the driver and egress compare texts;
 * plain HTTP only to this machine or to an address of a private network.
 */
import { err, ok, type Result } from "@ioi/base";
import { modelUrlCharsMax } from "./limits.ts";

export const modelProtocols = ["openai", "anthropic"] as const;
export type ModelProtocol = (typeof modelProtocols)[number];

const suffixes: Readonly<Record<ModelProtocol, string>> = {
  openai: "/chat/completions",
  anthropic: "/messages",
};

export const isModelProtocol = (text: string): text is ModelProtocol =>
  modelProtocols.some((each) => each === text);

/** What `model::infer` asks with POST; undefined for a protocol that is none. */
export const modelRequestUrl = (protocol: string, base: string): string | undefined =>
  isModelProtocol(protocol) ? base + suffixes[protocol] : undefined;

/** What `model::embed` asks with POST; undefined for a protocol that has no embeddings. */
export const modelEmbedUrl = (protocol: string, base: string): string | undefined =>
  protocol === "openai" ? `${base}/embeddings` : undefined;

/** What lists a server's models, in both protocols. */
export const modelListUrl = (base: string): string => `${base}/models`;

export interface ModelUrl {
  readonly url: string;
  readonly scheme: "http" | "https";
  readonly host: string;
  readonly port: number;
  /** Where its address lies; a name is looked up by egress only. */
  readonly place: "loopback" | "private" | "named" | "public";
}

const shape =
  /^(https?):\/\/(\[[0-9a-f:]+\]|[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::(\d{1,5}))?((?:\/[\w.~-]+)*)\/?$/i;

/** The four numbers of an IPv4 address in its one proper spelling. */
const quad = (host: string): readonly number[] | undefined => {
  const parts = host.split(".");
  if (parts.length !== 4) return undefined;
  const numbers = parts.map((part) => (/^(0|[1-9]\d{0,2})$/.test(part) ? Number(part) : 256));
  return numbers.every((number) => number <= 255) ? numbers : undefined;
};

const placeOf = (host: string): ModelUrl["place"] | undefined => {
  if (host === "localhost" || host === "[::1]") return "loopback";
  if (host.startsWith("[")) return undefined;
  const [a, b] = quad(host) ?? [];
  if (a === undefined || b === undefined) {
    // A last label that does not begin with a letter is an address in another spelling.
    const labels = host.split(".");
    return labels.every((label) => label !== "") && /^[a-z]/.test(labels.at(-1) ?? "")
      ? "named"
      : undefined;
  }
  if (a === 127) return "loopback";
  if (a === 0 || (a === 169 && b === 254) || a >= 224) return undefined;
  const isPrivate = a === 10 || (a === 172 && b >= 16 && b <= 31) || (a === 192 && b === 168);
  return isPrivate ? "private" : "public";
};

/** The base of a model's API in its one spelling, or why it is none. */
export const readModelUrl = (text: string): Result<ModelUrl, string> => {
  const parts = text.length > modelUrlCharsMax ? null : shape.exec(text);
  if (parts === null) {
    return err("it must be http(s)://HOST[:PORT][/PATH], without user, query or fragment");
  }
  const scheme = (parts[1] as string).toLowerCase() as "http" | "https";
  const host = (parts[2] as string).toLowerCase();
  const path = parts[4] ?? "";
  const standard = scheme === "http" ? 80 : 443;
  const port = parts[3] === undefined ? standard : Number(parts[3]);
  const place = placeOf(host);
  if (place === undefined) return err(`${host} is no name or address that a model can have`);
  if (port === 0 || port > 65_535) return err(`${port} is no port`);
  if (path.split("/").some((segment) => segment === "." || segment === "..")) {
    return err("its path goes up");
  }
  if (scheme === "http" && place !== "loopback" && place !== "private") {
    return err("plain http goes only to this machine or a private network; use https");
  }
  const at = port === standard ? host : `${host}:${port}`;
  return ok({ url: `${scheme}://${at}${path}`, scheme, host, port, place });
};
