/**
 * Where clients of MCP keep their servers, by their own documentation, and in which form. Text is
 * edited in place: comments, order and white space of what is not ours stay.
 */
import { homedir } from "node:os";
import { join } from "node:path";

export interface ClientFile {
  readonly client: string;
  readonly title: string;
  readonly path: string;
  /** Where the servers stand. */
  readonly key: "mcpServers" | "servers" | "context_servers";
}

interface Place {
  readonly home: string;
  readonly cwd: string;
  readonly platform: NodeJS.Platform;
  readonly configHome: string;
}

const application = ({ home, platform, configHome }: Place, name: string): string =>
  platform === "darwin" ? join(home, "Library/Application Support", name) : join(configHome, name);

type Row = readonly [client: string, title: string, key: ClientFile["key"], path: string];

const rows = (place: Place): readonly Row[] => {
  const { home, cwd, configHome } = place;
  return [
    [
      "claude-desktop",
      "Claude Desktop",
      "mcpServers",
      join(application(place, "Claude"), "claude_desktop_config.json"),
    ],
    ["claude-code", "Claude Code, this project", "mcpServers", join(cwd, ".mcp.json")],
    ["claude-code", "Claude Code, you", "mcpServers", join(home, ".claude.json")],
    ["cursor", "Cursor, you", "mcpServers", join(home, ".cursor/mcp.json")],
    ["cursor", "Cursor, this project", "mcpServers", join(cwd, ".cursor/mcp.json")],
    ["vscode", "VS Code, you", "servers", join(application(place, "Code"), "User/mcp.json")],
    ["vscode", "VS Code, this project", "servers", join(cwd, ".vscode/mcp.json")],
    ["windsurf", "Windsurf", "mcpServers", join(home, ".codeium/windsurf/mcp_config.json")],
    ["zed", "Zed", "context_servers", join(configHome, "zed/settings.json")],
    ["gemini", "Gemini CLI", "mcpServers", join(home, ".gemini/settings.json")],
    ["lmstudio", "LM Studio", "mcpServers", join(home, ".lmstudio/mcp.json")],
  ];
};

export const clientFiles = (
  env: Readonly<Record<string, string | undefined>>,
  cwd: string,
): readonly ClientFile[] => {
  const home = env["HOME"] ?? homedir();
  const configHome = env["XDG_CONFIG_HOME"] ?? join(home, ".config");
  return rows({ home, cwd, platform: process.platform, configHome }).map(
    ([client, title, key, path]) => ({ client, title, key, path }),
  );
};

export const clientNames = (): readonly string[] => [
  ...new Set(clientFiles({}, "/").map(({ client }) => client)),
];
