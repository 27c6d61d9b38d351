/**
 * Domain separation: what is hashed or signed begins with the name of its purpose, so that bytes
 * made for one purpose never pass for another.
 *
 * Input of every hash and signature of the product: utf8(domain) || 0x00 || payload. A domain holds
 * no NUL, so the first NUL ends it and two domains never give the same bytes.
 */
import { assert, utf8Encode } from "@ioi/base";
import { domainsMax } from "./limits.ts";
import type { CryptoProvider } from "./provider.ts";

export type Domain = `ioi/${string}/v${number}`;

/** Every domain of the product. A changed encoding gets a new version, never a new meaning. */
export const domains = {
  /** Hash: the identity of an action. */
  action: "ioi/firewall/action/v1",
  /** Hash: the compiled policy. */
  policy: "ioi/firewall/policy/v1",
  /** Hash: the live grants of a session. */
  grants: "ioi/firewall/grants/v1",
  /** Signature by the boot key: a ticket. */
  ticket: "ioi/guardian/ticket/v1",
  /** Signature by the identity: the boot key's certificate. */
  bootKey: "ioi/guardian/boot-key/v1",
  /** Signature by the boot key: a sandbox profile. Also its hash. */
  profile: "ioi/guardian/profile/v1",
  /** Signature by the identity: a checkpoint of the receipt log. */
  checkpoint: "ioi/guardian/checkpoint/v1",
  /** Signature by the identity: the start of an epoch of the local chain. */
  chainStart: "ioi/guardian/start/v1",
  /** Key derivation: the key of a session that votes for the local chain. */
  chainSession: "ioi/guardian/chain-session/v1",
  /** Hash: a header of format 1 of the chain. */
  chainHeader: "ioi/chain/header/v1",
  /** Signature by the identity: a header of format 1 of the chain, with its counter. */
  headerStatement: "ioi/guardian/header/v1",
  /** Signature by a Guardian's session: an envelope of consensus. Also its hash, the trace. */
  envelope: "ioi/consensus/envelope/v1",
  /** Hash: the public key of a session. */
  session: "ioi/consensus/session/v1",
  /** Hash: a block of consensus, by its header. */
  block: "ioi/consensus/block/v1",
  /** Hash: a quorum certificate. */
  quorumCert: "ioi/consensus/quorum-cert/v1",
  /** Hash: what a follower of a chain begins with. */
  consensusStart: "ioi/consensus/start/v1",
  /** Hash: a proof of divergence. */
  divergence: "ioi/consensus/divergence/v1",
  /** Signature by a host: what its validator voted against a commit. */
  guardAnswer: "ioi/consensus/guard-answer/v1",
  /** Hash: the draw of a tenure's leader. */
  leader: "ioi/consensus/leader/v1",
  /** Hash: salted content of a receipt. */
  content: "ioi/guardian/content/v1",
  /** Key derivation: the data key of a session. */
  sessionKey: "ioi/guardian/session-key/v1",
  /** Key derivation: the key of the secrets' file. */
  secrets: "ioi/guardian/secrets/v1",
  /** Signature by the instance key: what `prepare` found. */
  prepared: "ioi/driver/prepared/v1",
  /** Signature by the instance key: what a prepared action would change. Also hashes its text. */
  preview: "ioi/driver/preview/v1",
  /** Signature by the instance key: what `act` did. */
  outcome: "ioi/driver/outcome/v1",
  /** Hash: what a driver returned. */
  result: "ioi/driver/result/v1",
  /** Signature by the person's device: the answer to an ask. */
  decision: "ioi/device/decision/v1",
  /** Signature by the person's device: the scope of a task. */
  scope: "ioi/device/scope/v1",
  /** Signature by the person's device: another device may answer, or may no more. */
  pair: "ioi/device/pair/v1",
  /** Signature by the person's device: another text of the policy. */
  policyChange: "ioi/device/policy/v1",
  /** Hash: the text of a policy, letter by letter. */
  policyText: "ioi/guardian/policy-text/v1",
  /** Hash: who an MCP server is. */
  mcpServer: "ioi/mcp/server/v1",
  /** Hash: the definition of an MCP tool. */
  mcpTool: "ioi/mcp/tool/v1",
  /** Hash: the identity of a device. */
  deviceKey: "ioi/device/key/v1",
  /** Hash: the text of the card that the person saw. */
  card: "ioi/device/card/v1",
  /** Hash: salted proposal, numbered by the Orchestrator. */
  proposal: "ioi/workload/proposal/v1",
  /** Signature by the identity: the manifest of a backup. Also derives its keys. */
  backup: "ioi/guardian/backup/v1",
  /** Hash chain over the requests of a flow. */
  flowLog: "ioi/egress/flow-log/v1",
  /** Key derivation: the key of the memory file of a data folder. */
  memoryKey: "ioi/guardian/memory-key/v1",
  /** Hash: the superblock of a memory file. */
  scsSuperblock: "ioi/scs/superblock/v1",
  /** Hash: the records between two commits of a memory file. */
  scsSpan: "ioi/scs/span/v1",
  /** Hash, and authentication under the seal key: a commit of a memory file. */
  scsCommit: "ioi/scs/commit/v1",
  /** Hash: salted content of a memory. */
  scsContent: "ioi/scs/content/v1",
  /** Key derivation, hash and associated data: the wrapped key of a memory. */
  scsKey: "ioi/scs/key/v1",
  /** Associated data: the content of a memory. */
  scsFrame: "ioi/scs/frame/v1",
  /** Associated data: a part of a segment of a memory file. */
  scsSegment: "ioi/scs/segment/v1",
  /** Hash: the word index of a memory file, as it lies sealed in its segments. */
  scsLexical: "ioi/scs/lexical/v1",
  /** Key derivation: the key that authenticates commits. */
  scsSeal: "ioi/scs/seal/v1",
  /** Associated data: the master key in a slot of the superblock. */
  scsSlot: "ioi/scs/slot/v1",
  /** Hash: the word index of a memory file, encoded. */
  scsWords: "ioi/scs/words/v1",
  /** Hash: the id of an agent that memories are shared with. Associated data: of what is shared. */
  scsShare: "ioi/scs/share/v1",
  /** Key derivation and associated data of a sealed box. */
  sealedBox: "ioi/crypto/sealed-box/v1",
  /** Key derivation and associated data of the key store. */
  keyStore: "ioi/crypto/key-store/v1",
} as const satisfies Readonly<Record<string, Domain>>;

/** Of every domain that was used: there are a few dozen. */
const names = new Map<Domain, Uint8Array>();

const nameOf = (domain: Domain): Uint8Array => {
  const known = names.get(domain);
  if (known !== undefined) return known;
  const name = utf8Encode(domain);
  assert(!name.includes(0), "a domain holds NUL");
  if (names.size < domainsMax) names.set(domain, name);
  return name;
};

/** utf8(domain) || 0x00 || payload. */
export const domainBytes = (domain: Domain, payload: Uint8Array): Uint8Array => {
  const name = nameOf(domain);
  const bytes = new Uint8Array(name.length + 1 + payload.length);
  bytes.set(name);
  bytes.set(payload, name.length + 1);
  return bytes;
};

/** SHA-256 under a domain. */
export const domainHash = (
  provider: Pick<CryptoProvider, "sha256">,
  domain: Domain,
  payload: Uint8Array,
): Uint8Array => provider.sha256(domainBytes(domain, payload));

/** The identity of an action: 32 bytes over its canonical encoding. */
export const actionId = (
  provider: Pick<CryptoProvider, "sha256">,
  encodedAction: Uint8Array,
): Uint8Array => domainHash(provider, domains.action, encodedAction);
