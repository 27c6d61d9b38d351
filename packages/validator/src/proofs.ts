/** What a chain proves of its blocks: that one is committed, and what that commit survives. */
import { err, ok, type Rejection, type Result } from "@ioi/base";
import { type Grade, gradeOf, type Judge, strengthOf, weaker } from "@ioi/consensus";
import {
  blockProof,
  type CommitCert,
  type ConsensusStart,
  type QuorumCert,
  schema,
} from "@ioi/wire";
import type { Head } from "./solo.ts";
import type { Store } from "./store.ts";

export type ReadError = Rejection<"E_CHAIN_NO_BLOCK" | "E_STATE_VERSION">;

export const none = (message: string): Result<never, ReadError> =>
  err({ code: "E_CHAIN_NO_BLOCK", message });

export const gradeOfCommit = (
  { set }: Judge,
  { blockQc, childQc }: CommitCert,
): Grade | undefined => {
  const of = ({ votes }: QuorumCert) =>
    strengthOf(
      set,
      votes.map(({ voter }) => voter),
    );
  return gradeOf(set, weaker(of(blockQc), of(childQc)));
};

const commitOf = async (
  store: Store,
  head: Head,
  height: bigint,
): Promise<Result<CommitCert, ReadError>> => {
  const newest = head.block.header.height;
  if (height > newest) return none(`no block ${height}`);
  if (height === newest) return ok(head.cert);
  const [block, child] = [await store.read(height), await store.read(height + 1n)];
  const above = await store.read(height + 2n);
  if (block === undefined || child === undefined) return none(`no block ${height}`);
  if (child.header.view !== block.header.view + 1n) {
    return none(`block ${height} was committed with a later one: prove block ${height + 1n}`);
  }
  const childQc = child.header.height === newest ? head.cert.blockQc : above?.justify;
  if (childQc === undefined) return none(`no block ${height + 2n}`);
  return ok({ block: block.header, child: child.header, blockQc: child.justify, childQc });
};

/** Canonical `blockProof`, for who trusts the start. */
export const proveCommit = async (
  store: Store,
  start: ConsensusStart,
  head: Head | undefined,
  height: bigint,
): Promise<Result<Uint8Array, ReadError>> => {
  const commit =
    head === undefined ? none(`no block ${height}`) : await commitOf(store, head, height);
  if (!commit.ok) return commit;
  const proof = { version: 1, start, epochs: [], commit: commit.value };
  return ok(schema.encode(blockProof, proof));
};
