/**
 * A tool server of the Model Context Protocol over standard input and output, made of data: its tools and
 * what it answers stand in `script.json` of the folder that it is given. It keeps nothing.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

interface Script {
  readonly tools: readonly unknown[];
  readonly answers: readonly {
    readonly tool: string;
    readonly args: unknown;
    readonly result: unknown;
  }[];
}

interface Params {
  readonly protocolVersion?: string;
  readonly name?: string;
  readonly arguments?: unknown;
}

const script = (): Script =>
  JSON.parse(readFileSync(join(process.argv[2] ?? "", "script.json"), "utf8")) as Script;

/** With sorted keys, so that one set of arguments is one text. */
const textOf = (value: unknown): string =>
  JSON.stringify(value, (_key, each: unknown) =>
    typeof each === "object" && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  );

const call = ({ name, arguments: args }: Params): object => {
  const given = textOf(args);
  const found = script().answers.find((each) => each.tool === name && textOf(each.args) === given);
  const text = JSON.stringify(found === undefined ? { message: "nothing" } : found.result);
  return { content: [{ type: "text", text }] };
};

const answers: Readonly<Record<string, (params: Params) => object>> = {
  initialize: ({ protocolVersion }) => ({
    protocolVersion,
    capabilities: { tools: {} },
    serverInfo: { name: "scripted", version: "1.0.0" },
  }),
  "tools/list": () => ({ tools: script().tools }),
  "tools/call": call,
  ping: () => ({}),
};

for await (const line of createInterface({ input: process.stdin })) {
  const {
    id,
    method = "",
    params = {},
  } = JSON.parse(line) as {
    readonly id?: number;
    readonly method?: string;
    readonly params?: Params;
  };
  if (id === undefined) continue;
  const answer = answers[method];
  const reply =
    answer === undefined
      ? { jsonrpc: "2.0", id, error: { code: -32601, message: "no such method" } }
      : { jsonrpc: "2.0", id, result: answer(params) };
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}
