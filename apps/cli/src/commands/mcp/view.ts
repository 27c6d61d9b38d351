/** MCP servers and their tools in words and as `ioi.mcp/1`. */
import { toHex } from "@ioi/base";
import type { pb } from "@ioi/wire";
import { visible } from "../../io.ts";

export const serverJson = (server: pb.McpServer) => ({
  name: server.name,
  command: server.url === "" ? server.argv : null,
  url: server.url === "" ? null : server.url,
  folders: server.roots.map(({ path, write }) => ({ path, access: write ? "write" : "read" })),
  network: server.network.map(({ host, port }) => `${host}:${port}`),
  files: server.files.map(({ path, sha256 }) => ({ path, sha256: toHex(sha256) })),
  env: Object.keys(server.env).sort(),
  identity: toHex(server.identity),
  policy: server.policy === "" ? "yours" : "own",
  pinning: server.pinning,
  seen: server.seen,
  tools: server.tools.map(toolJson),
});

const toolJson = (tool: pb.McpTool) => ({
  name: tool.name,
  state: tool.state,
  hash: tool.hash.length === 0 ? null : toHex(tool.hash),
  waiting: tool.waitingHash.length === 0 ? null : toHex(tool.waitingHash),
  why: tool.why === "" ? null : tool.why,
});

export const commandText = (server: pb.McpServer): string =>
  server.url === ""
    ? server.argv
        .map((each) => (/^[\w@%+=:,./-]+$/.test(each) ? each : JSON.stringify(each)))
        .join(" ")
    : server.url;

const states = ["pinned", "changed", "new", "refused"] as const;

const countText = (server: pb.McpServer): string => {
  if (!server.seen) return "its tools were not seen yet";
  const counts = states.flatMap((state) => {
    const count = server.tools.filter((tool) => tool.state === state).length;
    return count === 0 ? [] : [`${count} ${state}`];
  });
  return counts.length === 0 ? "no tools" : `tools: ${counts.join(", ")}`;
};

export const describeLine = (server: pb.McpServer): string =>
  `${server.name}  ${visible(commandText(server))}  ${countText(server)}`;

export const folderLines = (server: pb.McpServer): readonly string[] => {
  if (server.url !== "") return ["  reached over HTTP"];
  const folders =
    server.roots.length === 0
      ? ["  sees no folder of yours"]
      : server.roots.map(
          ({ path, write }) => `  ${write ? "reads and writes" : "reads"} ${visible(path)}`,
        );
  const places = server.network.map(({ host, port }) => `${host}:${port}`).join(", ");
  return places === "" ? folders : [...folders, `  reaches ${visible(places)}, nothing else`];
};

interface Line {
  readonly mark: " " | "-" | "+";
  readonly text: string;
}

/** Lines of canonical JSON that is made readable; equal ends are left out of the middle. */
const changes = (before: string, after: string): readonly Line[] => {
  const lines = (json: string): readonly string[] =>
    json === "" ? [] : JSON.stringify(JSON.parse(json), undefined, 2).split("\n");
  const [old, now] = [lines(before), lines(after)];
  let head = 0;
  while (head < old.length && head < now.length && old[head] === now[head]) head++;
  let tail = 0;
  const room = Math.min(old.length, now.length) - head;
  while (tail < room && old.at(-1 - tail) === now.at(-1 - tail)) tail++;
  const context = old.slice(Math.max(0, head - 2), head);
  return [
    ...context.map((text): Line => ({ mark: " ", text })),
    ...old.slice(head, old.length - tail).map((text): Line => ({ mark: "-", text })),
    ...now.slice(head, now.length - tail).map((text): Line => ({ mark: "+", text })),
  ];
};

/** What a person is shown of a tool that waits. */
export const reviewLines = (tool: pb.McpTool): readonly string[] => {
  const head = `${tool.name}: ${tool.state}${tool.why === "" ? "" : `, ${tool.why}`}`;
  const lines = changes(tool.definition, tool.waiting);
  return [visible(head), ...lines.map(({ mark, text }) => `  ${mark} ${visible(text)}`)];
};
