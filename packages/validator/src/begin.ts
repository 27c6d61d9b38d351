/**
 * Where the chain's files are to begin: nothing is there, they are of format 1, they were lost and the person
 * wants a new beginning, or a crash came on the way. What does not fit the Guardian's memory is refused
 * and nothing is written.
 *
 * A chain of format 1 goes on: its newest header is what the first epoch stands on, its state is carried
 * over, its files stay as they are.
 */
import { equalBytes, type Files, OperationError, type Random } from "@ioi/base";
import { zeroHash } from "@ioi/consensus";
import type { CryptoProvider } from "@ioi/crypto";
import { type AuthenticatedTree, jellyfish, MemoryStore } from "@ioi/state";
import { type ChainParams, consensusStart, schema } from "@ioi/wire";
import { corrupt } from "./corrupt.ts";
import { headerId, verifySeal } from "./former/block.ts";
import { type FormerSigned, readFormer } from "./former/read.ts";
import type { SigningState } from "./recover.ts";
import { allOf } from "./state.ts";
import { type Base, chainResetMark, type Folder, lookAround, makeFile } from "./store.ts";

/** The Guardian's session, as far as a beginning goes. */
export interface Beginning {
  /** Undefined before the first epoch. */
  readonly signing: SigningState | undefined;
  /** The last header of format 1, while no epoch was begun. */
  readonly former: FormerSigned | undefined;
}

interface Place {
  readonly files: Files;
  readonly random: Random;
  readonly provider: CryptoProvider;
  readonly params: ChainParams;
  /** An epoch on top of what the Guardian signed last. */
  readonly begin: () => Promise<SigningState>;
}

type State = Base["state"];

const behind = (message: string): OperationError => new OperationError("E_CHAIN_BEHIND", message);
const ahead = (message: string): OperationError => new OperationError("E_CHAIN_AHEAD", message);

const freshTree = (provider: CryptoProvider): AuthenticatedTree =>
  jellyfish.open(new MemoryStore(), provider);

/** What the chain of format 1 ends with, by its own files; the id is of the newest signed header. */
const formerState = async (
  place: Place,
  path: string,
  isSigned: (id: Uint8Array, encoded: Uint8Array) => boolean,
): Promise<{ readonly id: Uint8Array; readonly state: State }> => {
  let tree = freshTree(place.provider);
  const read = await readFormer(place, path, tree);
  if (read.unsigned !== undefined && isSigned(read.unsigned.id, read.unsigned.encoded)) {
    return { id: read.unsigned.id, state: allOf(tree) };
  }
  if (read.unsigned !== undefined) {
    tree = freshTree(place.provider);
    await readFormer(place, path, tree, false);
  }
  return { id: read.head?.id ?? zeroHash, state: allOf(tree) };
};

/** Of files that fit what the Guardian signed last. */
const fromSigned = async (place: Place, path: string, former: FormerSigned): Promise<State> => {
  const { provider, params } = place;
  const signed = headerId(provider, former.header);
  const { id, state } = await formerState(
    place,
    path,
    (unsigned, encoded) =>
      equalBytes(unsigned, signed) && verifySeal(provider, params.identity, encoded, former),
  );
  if (!equalBytes(id, signed)) throw behind("the Guardian signed another header of format 1 last");
  return state;
};

/** The Guardian began an epoch on the former chain, and the files were not made before a crash. */
const resumed = async (place: Place, path: string, signing: SigningState): Promise<State> => {
  const { digest } = signing.start.anchor;
  const { id, state } = await formerState(place, path, (unsigned) => equalBytes(unsigned, digest));
  if (!equalBytes(id, digest)) throw behind("the Guardian's epoch stands on another header");
  return state;
};

const hasSignedNothing = ({ start, last }: SigningState): boolean =>
  last === undefined && start.epoch.number === 0n;

/** The epoch, and the state that it begins with; none: that of a new chain. */
const plan = async (
  place: Place,
  { signing, former }: Beginning,
  { former: path, isReset }: Folder,
): Promise<{ readonly signing: SigningState; readonly state: State }> => {
  if (isReset) return { signing: await place.begin(), state: [] };
  if (signing !== undefined) {
    if (!hasSignedNothing(signing)) throw behind("the Guardian votes for blocks that are not here");
    if (path !== undefined) return { signing, state: await resumed(place, path, signing) };
    const isGenesis = equalBytes(signing.start.anchor.digest, place.params.chain);
    if (!isGenesis) throw behind("the Guardian's epoch stands on blocks that are not here");
    return { signing, state: [] };
  }
  if (path !== undefined) {
    if (former === undefined) throw ahead("the Guardian signed none of the blocks of format 1");
    const state = await fromSigned(place, path, former);
    return { signing: await place.begin(), state };
  }
  if (former !== undefined)
    throw behind("the Guardian signed blocks of format 1 that are not here");
  return { signing: await place.begin(), state: [] };
};

/** Heights of the files, lowest first; at least one is there, and no mark any more. */
export const beginFiles = async (
  place: Place,
  beginning: () => Promise<Beginning>,
): Promise<readonly bigint[]> => {
  const { files, random, provider } = place;
  const folder = await lookAround(files);
  let { heights } = folder;
  if (heights.length === 0) {
    const { signing, state } = await plan(place, await beginning(), folder);
    const { start, signature } = signing;
    if (!equalBytes(start.chain, place.params.chain)) throw corrupt("it is of another chain");
    const height = start.anchor.height + 1n;
    const base = { start: schema.encode(consensusStart, start), signature, state: [...state] };
    await makeFile({ files, random, hashing: provider }, height, base, []);
    heights = [height];
  }
  if (folder.isReset) {
    await files.remove(chainResetMark);
    await files.syncDirectory("");
  }
  return heights;
};
