/** Plays behaviours with an official client against one way to reach a server. */
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { assert } from "@ioi/base";
import type { Behaviour, Seen } from "./behaviours.ts";
import type { Peer } from "./peer.ts";
import type { Command, McpPlace, Reached } from "./place.ts";

export interface Play {
  readonly place: McpPlace;
  readonly era: "2025-11-25" | "2026-07-28";
  readonly server: Command | Reached;
  readonly folder: string;
  readonly onErrors?: (text: string) => void;
}

interface Schemas {
  readonly [name: string]: unknown;
}

const schemasOf = async ({ folder }: McpPlace): Promise<Schemas> => {
  const file = path.join(folder, "node_modules/@modelcontextprotocol/sdk/dist/esm/types.js");
  return (await import(pathToFileURL(file).href)) as Schemas;
};

const answers: Readonly<Record<string, readonly [schema: string, answer: object]>> = {
  "sampling/createMessage": [
    "CreateMessageRequestSchema",
    {
      model: "m",
      role: "assistant",
      stopReason: "endTurn",
      content: { type: "text", text: "sampled text" },
    },
  ],
  "elicitation/create": [
    "ElicitRequestSchema",
    { action: "accept", content: { name: "Ada", check: true } },
  ],
  "roots/list": ["ListRootsRequestSchema", { roots: [{ uri: "file:///roots/one", name: "one" }] }],
};

export interface Connected extends AsyncDisposable {
  readonly seen: Seen;
}

const transportOf = (peer: Peer, server: Play["server"], onErrors: Play["onErrors"]): object => {
  if ("url" in server) {
    assert(peer.Remote !== undefined, "this client has no transport over HTTP here");
    const { token } = server;
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    return new peer.Remote(new URL(server.url), { requestInit: { headers } });
  }
  const transport = new peer.Transport({
    command: server.command,
    args: [...server.args],
    env: { PATH: process.env["PATH"] ?? "", HOME: process.env["HOME"] ?? "/" },
    stderr: "pipe",
  });
  transport.stderr?.on("data", (text: Buffer) => onErrors?.(text.toString("utf8")));
  return transport;
};

/** A client with every capability that a server may ask for. */
export const connectPeer = async (play: Play): Promise<Connected> => {
  const { place, era, server, folder } = play;
  const modern = era === "2026-07-28";
  const peer: Peer = modern ? place.client.v2 : place.client.v1;
  const client = new peer.Client(
    { name: "conformance", version: "1.0.0" },
    {
      capabilities: { sampling: {}, elicitation: {}, roots: { listChanged: true } },
      ...(modern ? { versionNegotiation: { mode: { pin: era } } } : {}),
    },
  );
  const heard: string[] = [];
  const asked: string[] = [];
  const waiting: (() => void)[] = [];
  client.fallbackNotificationHandler = async ({ method }) => {
    heard.push(method);
    for (const wake of waiting.splice(0)) wake();
  };
  const schemas = modern ? {} : await schemasOf(place);
  for (const [method, [schema, answer]] of Object.entries(answers)) {
    client.setRequestHandler(modern ? method : schemas[schema], async () => {
      asked.push(method);
      return answer;
    });
  }
  await client.connect(transportOf(peer, server, play.onErrors));
  const hear = async (method: string, count: number): Promise<void> => {
    while (heard.filter((each) => each === method).length < count) {
      await new Promise<void>((resolve) => waiting.push(resolve));
    }
  };
  fs.mkdirSync(folder, { recursive: true });
  return {
    seen: { client, heard, hear, asked, folder },
    [Symbol.asyncDispose]: () => client.close(),
  };
};

/** Times, and the folder of one of the two runs, are no part of a behaviour. */
const plain = (value: unknown, folder: string): string =>
  JSON.stringify(value ?? null, (_key, each: unknown) =>
    typeof each === "string"
      ? each
          .replaceAll(/[A-Za-z0-9+/]{60,}={0,2}/g, (text) => `${text.length} characters`)
          .replaceAll(folder, "FOLDER")
          .replaceAll(/\d{1,2}:\d{2}:\d{2}(?:\.\d{3}Z| [AP]M)?/g, "TIME")
      : each,
  );

export interface Played {
  readonly id: string;
  readonly value: string;
  readonly passed: boolean;
}

export const playAll = async (
  play: Play,
  behaviours: readonly Behaviour[],
): Promise<readonly Played[]> => {
  await using connected = await connectPeer(play);
  const played: Played[] = [];
  for (const { id, run, passes = () => true } of behaviours) {
    const value = await run(connected.seen);
    played.push({ id, value: plain(value, play.folder), passed: passes(value) });
  }
  return played;
};
