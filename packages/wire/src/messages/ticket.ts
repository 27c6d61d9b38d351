/**
 * Execution tickets and the certificate of the key that signs them.
 *
 * A ticket is signed with Ed25519 under a key that lives one boot of the Guardian; an ML-DSA-65
 * certificate by the Guardian's identity names that key. Domains: `ioi/guardian/ticket/v1`,
 * `ioi/guardian/boot-key/v1`, `ioi/guardian/profile/v1`, `ioi/driver/prepared/v1`,
 * `ioi/driver/outcome/v1`.
 */
import {
  type Infer,
  array,
  bool,
  bytes,
  int,
  mapOf,
  oneOf,
  optional,
  record,
  text,
  u64,
  union,
} from "../schema.ts";
import { mcpServer } from "./mcp.ts";

/** Where a program may go: a canonical host, a port, the classes of addresses it may lead to. */
export const flowHost = record({
  host: text(253),
  port: int(1, 65_535),
  /** Of requests that egress reads; absent: all, and tunnels. */
  methods: optional(array(text(32), 16)),
  classes: array(text(32), 4),
  /**
   * Connections to it are opened, with a certificate that this program alone believes, and each request
   * is read: `leased` ones go under this ticket, of `judged` ones each is an action of its own.
   */
  intercept: optional(oneOf("leased", "judged")),
});
export type FlowHost = Infer<typeof flowHost>;

/** One test of content, or its contrary. */
export const contentTest = union({
  contains: { text: text(1024), negated: bool },
  /** An expression of RE2, found anywhere. */
  matches: { pattern: text(1024), negated: bool },
  kind: {
    kind: oneOf("EMAIL", "PHONE", "IBAN", "CARD", "SECRET", "SEED_PHRASE"),
    negated: bool,
  },
});
export type ContentTest = Infer<typeof contentTest>;

export const obligation = union({
  /** Copy what would be lost to the vault and verify the copy, then act. */
  snapshot: {},
  /**
   * Commit in the outcome to where values of the answer come from: these fields, which the person
   * trusts, and the addresses that stand in it.
   */
  origins: { trusted: array(text(128), 256) },
  /**
   * What a program may not see, and what it may see and not change: refusals of the policy, as paths.
   */
  sandbox: { hidden: array(text(4096), 256), readOnly: array(text(4096), 256) },
  /** Run in an overlay; what was written is applied after the program ended, with a snapshot. */
  stage: {},
  /**
   * Requests under one ticket, each decided by egress: so many, so many bytes each way, so long from
   * the first. Without hosts the action's own request may be continued where its answer broke off; with
   * them a program may reach these, and nothing else without an action of its own.
   */
  flow: {
    requests: int(1, 65_536),
    bytesUp: int(1, 4_294_967_296),
    bytesDown: int(1, 4_294_967_296),
    ms: int(1, 86_400_000),
    hosts: optional(array(flowHost, 64)),
  },
  /**
   * What opens the memory file, for this one action: the file's key in a sealed box that only the
   * instance which prepared the action can open, bound to the action.
   */
  memory: {
    key: bytes(1174),
    /** Of an action that gives memories away: the Guardian's signed checkpoint of the file's log. */
    checkpoint: optional(text(16_384)),
  },
  /** Whoever holds the bytes refuses them where every test of one of these lists holds. */
  content: {
    rule: text(128),
    reason: text(400),
    refuse: array(array(contentTest, 16), 64),
  },
});
export type Obligation = Infer<typeof obligation>;

export const ticket = record({
  version: int(1, 1),
  /** Strictly rising over the life of the Guardian's log. */
  counter: u64,
  actionId: bytes(32),
  target: text(64),
  session: text(64),
  agent: text(64),
  policyHash: bytes(32),
  grantsHash: bytes(32),
  profileHash: bytes(32),
  obligations: array(obligation, 16),
  instanceId: bytes(16),
  nonce: bytes(16),
  /** Counted by the driver's own clock from the moment it made the nonce. */
  ttlMs: int(1, 600_000),
});
export type Ticket = Infer<typeof ticket>;

export const bootKey = record({
  version: int(1, 1),
  bootId: bytes(16),
  /** Raw Ed25519 public key. */
  publicKey: bytes(32),
  notBeforeMs: int(),
});
export type BootKey = Infer<typeof bootKey>;

/** A canonical payload with its signature; the domain is not carried, the verifier knows it. */
export const signed = record({
  payload: bytes(undefined, 16_777_216),
  signature: bytes(undefined, 8192),
});
export type Signed = Infer<typeof signed>;

export const driverKind = oneOf("files", "exec", "net", "model", "agent", "mcp", "shell", "memory");
export type DriverKind = Infer<typeof driverKind>;

/** What a driver of one kind may reach in one session. Compiled from the policy by the Guardian. */
export const profile = record({
  version: int(1, 1),
  kind: driverKind,
  session: text(64),
  /** The session whose vault it works on: its own, or the one that it undoes. */
  vault: text(64),
  roots: array(record({ name: text(64), path: text(4096), access: oneOf("read", "write") }), 64),
  /** Never visible, even below a root: the product's own folders. */
  masks: array(text(4096), 64),
  /**
   * `egress`: an inherited descriptor to the egress process, nothing else. `bridge`: that, for what the
   * driver starts: a program's one port is served by egress.
   */
  network: oneOf("none", "egress", "bridge"),
  /** Of kind `mcp`: the servers that it may start or call, and nothing else. */
  servers: optional(array(mcpServer, 16)),
  limits: record({
    wallMs: int(),
    outputBytes: int(),
    memoryBytes: int(),
    processes: int(),
    fileBytes: int(),
  }),
  policyHash: bytes(32),
});
export type Profile = Infer<typeof profile>;

/** What a driver reports, signed with its instance key. */
export const outcome = record({
  version: int(1, 1),
  counter: u64,
  actionId: bytes(32),
  instanceId: bytes(16),
  status: oneOf("confirmed", "partial", "no-effect", "refused", "unknown"),
  /** SHA-256 of the result the driver returned. */
  resultHash: bytes(32),
  bytes: int(),
  code: optional(text(64)),
  reversible: bool,
  /** Numbers a person can check: exit code, files changed, bytes before and after. */
  evidence: mapOf(text(256), 32),
});
export type Outcome = Infer<typeof outcome>;
