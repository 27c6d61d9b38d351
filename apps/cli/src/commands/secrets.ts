/**
 * `ioi secrets`: values that agents may use and nobody may read again. A value comes from standard
 * input or is typed unseen at the terminal; never from an argument, which others can see.
 */
import { exitCodes } from "@ioi/base";
import { canonicalUrl } from "@ioi/firewall/net";
import { parseUrl } from "@ioi/host/url";
import type { CommandContext, Handler } from "../context.ts";
import { visible } from "../io.ts";
import { openKernel } from "../kernel/connection.ts";
import { callDeadlineMs, secretInputBytesMax } from "../limits.ts";
import { failWith, usage } from "../report.ts";
import { isoTime } from "../times.ts";
import { typedUnseen } from "../typed.ts";

interface Binding {
  readonly scheme: string;
  readonly host: string;
  readonly port: number;
  readonly method: string;
  readonly pathPrefix: string;
  readonly header: string;
  readonly template: string;
}

interface SetOptions {
  readonly url: string;
  readonly method?: string;
  readonly header?: string;
  readonly template?: string;
}

/** How the well-known services take their key, where it is not `Authorization: Bearer`. */
const usual: Readonly<Record<string, { readonly header: string; readonly template: string }>> = {
  "api.anthropic.com": { header: "x-api-key", template: "{}" },
  "generativelanguage.googleapis.com": { header: "x-goog-api-key", template: "{}" },
};

const bindingOf = (options: SetOptions): Binding => {
  const url = canonicalUrl(options.url, parseUrl);
  if (!url.ok) throw usage(`--url: ${url.error}`);
  if (url.value.query !== "") throw usage("--url: where a secret goes has no query");
  const { scheme, host, port, path } = url.value;
  const header = options.header ?? usual[host]?.header ?? "authorization";
  const bearer = header.toLowerCase() === "authorization" ? "Bearer {}" : "{}";
  return {
    scheme,
    host,
    port,
    method: (options.method ?? "").toUpperCase(),
    pathPrefix: path,
    header: header.toLowerCase(),
    template: options.template ?? usual[host]?.template ?? bearer,
  };
};

const newlines = /\r?\n$/;

const valueOf = async (context: CommandContext, name: string): Promise<string> => {
  const { io, signal } = context;
  if (io.interactive) return await typedUnseen(context, `value of ${name}`);
  return (await io.readInput(secretInputBytesMax, signal)).replace(newlines, "");
};

const shownBinding = ({ scheme, host, port, method, pathPrefix, header }: Binding): string => {
  const name = host.includes(":") ? `[${host}]` : host;
  const own = port === (scheme === "https" ? 443 : 80);
  const address = `${scheme}://${name}${own ? "" : `:${port}`}${pathPrefix}`;
  return `${method === "" ? "" : `${method} `}${address} as ${header}`;
};

export const set: Handler<SetOptions> = async (context, { args, options }) => {
  const [name = ""] = args;
  const binding = bindingOf(options);
  const value = await valueOf(context, name);
  await using kernel = await openKernel(context, { start: true });
  const secrets = await kernel.secrets();
  await secrets.setSecret({ name, value, binding }, { deadlineMs: callDeadlineMs });
  const { output } = context;
  output.value({ schema: "ioi.secret/1", name, binding });
  output.line(`secret ${name} goes to ${visible(shownBinding(binding))}, and nowhere else`);
  return exitCodes.done;
};

const when = (ms: bigint): string | null => (ms === 0n ? null : isoTime(ms));

export const list: Handler<object> = async (context) => {
  await using kernel = await openKernel(context, { start: true });
  const reply = await (await kernel.secrets()).listSecrets({}, { deadlineMs: callDeadlineMs });
  const rows = reply.secrets.map(({ name, binding, createdMs, usedMs, offered }) => ({
    name,
    scheme: binding?.scheme ?? "",
    host: binding?.host ?? "",
    port: binding?.port ?? 0,
    method: binding?.method ?? "",
    pathPrefix: binding?.pathPrefix ?? "",
    header: binding?.header ?? "",
    template: binding?.template ?? "",
    created: when(createdMs),
    used: when(usedMs),
    fromEnvironment: offered,
  }));
  const { output } = context;
  output.value({ schema: "ioi.secrets/1", secrets: rows });
  if (rows.length === 0) output.line("no secrets; ./ioi secrets set NAME --url URL enters one");
  for (const row of rows) {
    output.line(`${row.name}  ${visible(shownBinding(row))}`);
    const from = row.fromEnvironment ? "from the environment, not kept" : `entered ${row.created}`;
    output.line(`  ${from}, ${row.used === null ? "never used" : `last used ${row.used}`}`);
  }
  return exitCodes.done;
};

export const remove: Handler<object> = async (context, { args }) => {
  const [name = ""] = args;
  await using kernel = await openKernel(context, { start: true });
  const secrets = await kernel.secrets();
  const { removed } = await secrets.removeSecret({ name }, { deadlineMs: callDeadlineMs });
  if (!removed) throw failWith({ code: "E_SECRET_UNKNOWN", message: `no secret ${name}` });
  const { output } = context;
  output.value({ schema: "ioi.secret/1", name, removed });
  output.line(`removed ${name}`);
  return exitCodes.done;
};
