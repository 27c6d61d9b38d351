/**
 * A server of the Model Context Protocol as a person confirmed it: how it is reached, what it may
 * see, who it is. The Guardian keeps it, and hands it to the driver inside a signed profile.
 *
 * `identity` = SHA-256 over `ioi/mcp/server/v1` and the canonical encoding of the rest without the
 * name, so that a name for another program is another server.
 */
import { type Infer, array, bytes, int, mapOf, oneOf, optional, record, text } from "../schema.ts";

/** A file that the server is: its bytes as they were when the person confirmed it. */
export const mcpFile = record({ path: text(4096), sha256: bytes(32) });

/** A place that a server may reach: a canonical host and its port. */
export const mcpPlace = record({ host: text(253), port: int(1, 65_535) });

export const mcpServer = record({
  name: text(64),
  /** Absolute program and its arguments; empty for a server that is reached over HTTP. */
  argv: array(text(8192), 256),
  /** Empty for a program. */
  url: text(2048),
  /** Where the program starts. */
  cwd: text(4096),
  env: mapOf(text(32_768), 64),
  /** The program itself, and the script that it runs where it is an interpreter. */
  files: array(mcpFile, 4),
  roots: array(record({ path: text(4096), access: oneOf("read", "write") }), 16),
  /** What its program may reach, and nothing else; absent: it has no network. */
  network: optional(array(mcpPlace, 16)),
  /** Name of the secret that authenticates over HTTP. */
  secret: optional(text(64)),
  identity: bytes(32),
});
export type McpServer = Infer<typeof mcpServer>;
