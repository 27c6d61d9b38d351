/**
 * Official clients and servers of MCP in a folder of their own: the program's folder is closed to
 * every server, so the peers cannot lie in it. Installed by their lockfile; where that cannot be (no
 * network, nothing in the store), the place says so.
 */
import { execFile, spawn } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { OperationError } from "@ioi/base";
import { projectRoot, type Scratch } from "../kernel.ts";
import type { Peer, PeerClass } from "./peer.ts";

const run = promisify(execFile);
const peers = path.join(projectRoot, "tests/peers/mcp");
const pnpm = path.join(projectRoot, ".runtime/bin/pnpm");
const cliMain = path.join(projectRoot, "apps/cli/src/main.ts");

export interface McpPlace {
  readonly folder: string;
  /** A runtime that a server's sandbox can see. */
  readonly node: string;
  readonly client: { readonly v1: Peer; readonly v2: Peer };
}

interface Loaded {
  readonly Client: PeerClass["Client"];
  readonly StdioClientTransport: PeerClass["Transport"];
  readonly StreamableHTTPClientTransport?: PeerClass["Remote"];
}

const load = async (folder: string, files: readonly string[]): Promise<Loaded> => {
  const modules = await Promise.all(
    files.map(async (file) => {
      const url = pathToFileURL(path.join(folder, "node_modules/@modelcontextprotocol", file)).href;
      return (await import(url)) as Partial<Loaded>;
    }),
  );
  return Object.assign({}, ...modules) as Loaded;
};

const versionOf = (folder: string, name: string): string => {
  const file = path.join(folder, "node_modules/@modelcontextprotocol", name, "package.json");
  return (JSON.parse(fs.readFileSync(file, "utf8")) as { readonly version: string }).version;
};

/** Installs the peers; a sentence where that is not possible. */
export const openPlace = async (scratch: Scratch): Promise<McpPlace | string> => {
  const folder = scratch.folder("mcp");
  for (const name of ["package.json", "pnpm-lock.yaml"]) {
    fs.copyFileSync(path.join(peers, name), path.join(folder, name));
  }
  // Their packages are beside their copies; here they are only text.
  for (const name of ["modern-server", "official-client"]) {
    fs.copyFileSync(path.join(peers, `${name}.txt`), path.join(folder, `${name}.mjs`));
  }
  const args = ["install", "--ignore-workspace", "--frozen-lockfile", "--ignore-scripts"];
  const how = ["--node-linker=hoisted", "--prefer-offline", "--reporter=silent"];
  try {
    await run(pnpm, [...args, ...how], { cwd: folder, timeout: 60_000 });
  } catch {
    return "the official packages of MCP cannot be installed here (tests/peers/mcp)";
  }
  const node = path.join(scratch.folder("bin"), "node");
  fs.copyFileSync(process.execPath, node, fs.constants.COPYFILE_FICLONE);
  fs.chmodSync(node, 0o755);
  const v1 = await load(folder, [
    "sdk/dist/esm/client/index.js",
    "sdk/dist/esm/client/stdio.js",
    "sdk/dist/esm/client/streamableHttp.js",
  ]);
  const v2 = await load(folder, ["client/dist/index.mjs", "client/dist/stdio.mjs"]);
  return {
    folder,
    node,
    client: {
      v1: {
        version: versionOf(folder, "sdk"),
        Client: v1.Client,
        Transport: v1.StdioClientTransport,
        Remote: v1.StreamableHTTPClientTransport,
      },
      v2: {
        version: versionOf(folder, "client"),
        Client: v2.Client,
        Transport: v2.StdioClientTransport,
      },
    },
  };
};

export interface Command {
  readonly command: string;
  readonly args: readonly string[];
}

/** Where an HTTP client goes, and what it shows there. */
export interface Reached {
  readonly url: string;
  readonly token?: string;
}

/** A server that runs by itself and is reached over Streamable HTTP. */
export interface Remote extends AsyncDisposable {
  readonly url: string;
}

const freePort = async (): Promise<number> => {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
};

/** `server-everything` over HTTP. */
export const startRemote = async (place: McpPlace): Promise<Remote> => {
  const { command, args } = serverOf(place, "everything", ["streamableHttp"]);
  const port = await freePort();
  const child = spawn(command, args, {
    env: { ...process.env, PORT: String(port) },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  await new Promise<void>((resolve, reject) => {
    let text = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (piece: Buffer) => {
        text += piece.toString("utf8");
        if (text.includes("listening on port")) resolve();
      });
    }
    void exited.then(() => reject(new OperationError("E_TEST", `the server ended: ${text}`)));
  });
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await exited;
    },
  };
};

export const serverOf = (place: McpPlace, name: string, args: readonly string[] = []): Command => {
  const file =
    name === "modern"
      ? path.join(place.folder, "modern-server.mjs")
      : path.join(place.folder, `node_modules/@modelcontextprotocol/server-${name}/dist/index.js`);
  return { command: place.node, args: [file, ...args] };
};

const serverArgs = (server: Command | Pick<Remote, "url"> | undefined): readonly string[] => {
  if (server === undefined) return [];
  return "url" in server ? ["--url", server.url] : ["--", server.command, ...server.args];
};

/** The same server behind the gate; without one, whoever starts the gate says which. */
export const behindGate = (
  server: Command | Pick<Remote, "url"> | undefined,
  data: string,
  name: string,
  more: readonly string[] = ["--policy", "transparent"],
): Command => ({
  command: process.execPath,
  args: [
    "--disable-warning=ExperimentalWarning",
    cliMain,
    ..."gate mcp --quiet --name".split(" "),
    name,
    "--data",
    data,
    ...more,
    ...serverArgs(server),
  ],
});

/** The same server behind a gate that listens. */
export const startListening = async (
  server: Command | Pick<Remote, "url">,
  data: string,
  name: string,
): Promise<Reached & AsyncDisposable> => {
  const more = ["--policy", "transparent", "--listen", "0", "--json"];
  const { command, args } = behindGate(server, data, name, more);
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const said = await new Promise<string>((resolve, reject) => {
    let [text, errors] = ["", ""];
    child.stderr.on("data", (piece: Buffer) => (errors += piece.toString("utf8")));
    child.stdout.on("data", (piece: Buffer) => {
      text += piece.toString("utf8");
      if (text.includes("\n")) resolve(text);
    });
    void exited.then(() => reject(new OperationError("E_TEST", `the gate ended: ${errors}`)));
  });
  const { url, token } = JSON.parse(said) as Required<Reached>;
  return {
    url,
    token,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGTERM");
      await exited;
    },
  };
};
