/** The sandbox profiles of a session's drivers, compiled from the policy and signed. */
import { domainHash, domains, signPayload } from "@ioi/crypto";
import type { CompiledPolicy } from "@ioi/firewall";
import { type Profile, profile as profileSchema, schema, signed } from "@ioi/wire";
import type { GuardianCore } from "./core.ts";
import type { SessionRecord } from "./ledger.ts";
import {
  commandMemoryBytes,
  commandOutputBytes,
  commandProcesses,
  commandWallMs,
  driverFileBytes,
} from "./limits.ts";

/** Kinds that every session has; each is started at its first use. */
export const driverKinds = ["files", "exec", "net", "model", "shell", "memory"] as const;
export type SessionDriverKind = (typeof driverKinds)[number];

/** Makes requests through egress, and sees no folder. */
const makesRequests = (kind: SessionDriverKind): boolean => kind === "net" || kind === "model";
/** Its programs may have a way out. */
const startsPrograms = (kind: SessionDriverKind): boolean => kind === "exec" || kind === "shell";

export const compileProfile = (
  core: GuardianCore,
  policy: CompiledPolicy,
  session: SessionRecord,
  kind: SessionDriverKind,
): Profile => ({
  version: 1,
  kind,
  session: session.id,
  vault: session.vault,
  // The folder of the memory file is the product's: the launcher knows where it stands.
  roots:
    makesRequests(kind) || kind === "memory"
      ? []
      : core.roots(policy, session).map(({ name, path, access }) => ({ name, path, access })),
  masks: [...core.config.productFolders],
  network: makesRequests(kind) ? "egress" : startsPrograms(kind) ? "bridge" : "none",
  limits: {
    wallMs: commandWallMs,
    outputBytes: commandOutputBytes,
    memoryBytes: commandMemoryBytes,
    processes: commandProcesses,
    fileBytes: driverFileBytes,
  },
  policyHash: policy.hash,
});

/** Of the driver that starts and calls MCP servers: theirs to see, and nothing of the session's. */
export const mcpProfile = (
  core: GuardianCore,
  policy: CompiledPolicy,
  session: SessionRecord,
): Profile | undefined => {
  const { mcpServer } = session;
  const servers = core.mcpServers
    .map(({ server }) => server)
    .filter(({ name }) => mcpServer === undefined || name === mcpServer);
  if (servers.length === 0) return undefined;
  const overHttp = servers.some(({ url }) => url !== "");
  const withNetwork = servers.some(({ network = [] }) => network.length > 0);
  const folders = new Map<string, "read" | "write">();
  for (const { path, access } of servers.flatMap(({ roots }) => roots)) {
    if (folders.get(path) !== "write") folders.set(path, access);
  }
  return {
    version: 1,
    kind: "mcp",
    session: session.id,
    vault: session.vault,
    roots: [...folders].map(([path, access], at) => ({ name: `mcp${at + 1}`, path, access })),
    masks: [...core.config.productFolders],
    network: withNetwork ? "bridge" : overHttp ? "egress" : "none",
    servers,
    limits: {
      wallMs: commandWallMs,
      outputBytes: commandOutputBytes,
      memoryBytes: commandMemoryBytes,
      processes: commandProcesses,
      fileBytes: driverFileBytes,
    },
    policyHash: policy.hash,
  };
};

/** Of the program that is the session's agent: its own folder for reading, and nothing else. */
export const agentProfile = (
  policy: CompiledPolicy,
  session: SessionRecord,
  folder: string,
): Profile => ({
  version: 1,
  kind: "agent",
  session: session.id,
  vault: session.vault,
  roots: [{ name: "agent", path: folder, access: "read" }],
  masks: [],
  network: "none",
  limits: {
    wallMs: commandWallMs,
    outputBytes: commandOutputBytes,
    memoryBytes: commandMemoryBytes,
    processes: commandProcesses,
    fileBytes: driverFileBytes,
  },
  policyHash: policy.hash,
});

/** Canonical `signed` profile, and its hash as tickets name it. */
export const signProfile = (
  core: GuardianCore,
  profile: Profile,
): { readonly signed: Uint8Array; readonly hash: Uint8Array } => {
  const { provider } = core.ports;
  const payload = schema.encode(profileSchema, profile);
  const value = signPayload(provider, core.keys.ticketKey, domains.profile, payload);
  return {
    signed: schema.encode(signed, value),
    hash: domainHash(provider, domains.profile, payload),
  };
};
