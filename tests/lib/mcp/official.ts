/**
 * The official conformance package: its scenarios for clients, played by the official client directly
 * and through the gate, and those for servers, against the official everything server directly and
 * through a gate that listens. Every check that it makes is compared, with what it says of it.
 *
 * The package shows no token, and its clients leave without a word; what it sends to a gate goes through
 * a relay here that adds the one and says the other, and is otherwise passed on as it came.
 */
import { execFile } from "node:child_process";
import fs from "node:fs";
import http from "node:http";
import type net from "node:net";
import { once } from "node:events";
import path from "node:path";
import { httpSay } from "./http-client.ts";
import type { Command, McpPlace, Reached } from "./place.ts";

export interface OfficialCheck {
  /** Of the scenario and the check. */
  readonly id: string;
  readonly passed: boolean;
  readonly value: string;
}

interface Check {
  readonly id: string;
  readonly status: string;
  readonly errorMessage?: string;
}

/** Those that need no authorization server, which a gate does not speak to. */
export const clientScenarios = [
  "initialize",
  "tools_call",
  "elicitation-sep1034-client-defaults",
  "sse-retry",
] as const;

/** What a listener does by itself, whatever stands behind it. */
export const ownScenario = "dns-rebinding-protection";

const scenarioMsMax = 120_000;

/** Checks that failed are in its files; a run that left none has failed itself. */
const runPackage = async (
  place: McpPlace,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string> => {
  const main = path.join(
    place.folder,
    "node_modules/@modelcontextprotocol/conformance/dist/index.js",
  );
  const options = { timeout: scenarioMsMax, maxBuffer: 64 * 1024 * 1024 };
  return await new Promise((resolve) => {
    const all = [main, ...args];
    execFile(place.node, all, { ...options, env: { ...process.env, ...env } }, (_, out, errors) =>
      resolve(out + errors),
    );
  });
};

/** What says when, on which port or in which session a run was is no part of it. */
const plain = (text: string): string =>
  text
    .replaceAll(/(127\.0\.0\.1|localhost):\d+/g, "$1:PORT")
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME")
    .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}/g, "ID");

const readChecks = (folder: string, said: string): readonly OfficialCheck[] => {
  const found = fs.existsSync(folder) ? fs.readdirSync(folder).sort() : [];
  const checks = found.flatMap((name): readonly OfficialCheck[] => {
    const scenario = name.replace(/^server-/, "").replace(/-\d{4}-\d\d-\d\dT.*$/, "");
    const text = fs.readFileSync(path.join(folder, name, "checks.json"), "utf8");
    return (JSON.parse(text) as readonly Check[]).flatMap(({ id, status, errorMessage }) => {
      // Notes of what went over the wire, in the order of time.
      if (status === "INFO") return [];
      const value = plain(JSON.stringify({ status, errorMessage }));
      return [{ id: `${scenario}/${id}`, passed: status === "SUCCESS", value }];
    });
  });
  if (checks.length === 0) throw new Error(`the conformance package checked nothing: ${said}`);
  return checks;
};

/** One scenario for clients; `gate`: what the client starts instead of going there itself. */
export const playClientScenario = async (
  place: McpPlace,
  folder: string,
  scenario: string,
  gate?: Command,
): Promise<readonly OfficialCheck[]> => {
  const client = path.join(place.folder, "official-client.mjs");
  const args = ["client", "--command", `${place.node} ${client}`, "--scenario", scenario];
  const env = gate === undefined ? {} : { IOI_GATE: JSON.stringify(gate) };
  return readChecks(folder, await runPackage(place, [...args, "-o", folder], env));
};

/** All scenarios for servers, or one. */
export const playServerScenarios = async (
  place: McpPlace,
  folder: string,
  url: string,
  scenario?: string,
): Promise<readonly OfficialCheck[]> => {
  const one = scenario === undefined ? [] : ["--scenario", scenario];
  return readChecks(
    folder,
    await runPackage(place, ["server", "--url", url, ...one, "-o", folder]),
  );
};

/** Clients that one scenario has at once; older ones have left. */
const clientsKept = 4;

/** An address that needs no token. `alter`: what becomes of the text of answers. */
export const startOpened = async (
  { url, token = "" }: Reached,
  alter: (text: string) => string = (text) => text,
): Promise<Reached & AsyncDisposable> => {
  const to = new URL(url);
  const authorization = `Bearer ${token}`;
  const sessions: string[] = [];
  const leave = async (): Promise<void> => {
    const [session = ""] = sessions.splice(0, 1);
    const headers = { authorization, "mcp-session-id": session };
    await httpSay(Number(to.port), { method: "DELETE", path: to.pathname, headers });
  };
  const serve: http.RequestListener = (request, response) => {
    const { port } = server.address() as net.AddressInfo;
    // Who asks for this address asks for that one; other names stay as they are.
    const headers = Object.entries(request.headers).flatMap(([name, value]) =>
      (Array.isArray(value) ? value : [value ?? ""]).map(
        (each) => [name, each.replace(`:${port}`, `:${to.port}`)] as const,
      ),
    );
    const all = [...headers, ["authorization", authorization] as const];
    const { method } = request;
    const passed = http.request(
      { host: to.hostname, port: to.port, path: request.url, method, headers: all.flat() },
      (answer) => {
        const { "content-length": _, ...kept } = answer.headers;
        const session = String(kept["mcp-session-id"] ?? "");
        if (session !== "" && !sessions.includes(session)) sessions.push(session);
        response.writeHead(answer.statusCode ?? 502, kept);
        response.flushHeaders();
        answer.setEncoding("utf8").on("data", (piece: string) => response.write(alter(piece)));
        answer.once("end", () => response.end());
        answer.once("error", () => response.destroy());
      },
    );
    passed.once("error", () => response.destroy());
    response.once("close", () => passed.destroy());
    request.pipe(passed);
  };
  const server = http.createServer((request, response) => {
    const comes = request.headers["mcp-session-id"] === undefined;
    const room = comes && sessions.length >= clientsKept ? leave() : Promise.resolve();
    void room.then(() => serve(request, response));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  return {
    url: `http://127.0.0.1:${port}${to.pathname}`,
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
    },
  };
};
