/**
 * The state of a simulated application in parts: a page of accounts is one, the manifest lists the pages'
 * hashes and says whole who the validators are. Total on hostile bytes.
 */
import { assert, concatBytes, equalBytes, err, fromHex, ok, type Result, toHex } from "@ioi/base";
import {
  holdsHash,
  type SnapshotError,
  type SnapshotRule,
  type SnapshotTree,
  ValidatorSet,
} from "@ioi/consensus";
import type { TestProvider } from "@ioi/consensus/testing";
import { schema, validatorEntry } from "@ioi/wire";
import { accountsOfPage, pageBytes, pagesOfState, type State, stateRootOf } from "./ledger.ts";
import { Registry, registryHash } from "./registry.ts";

const manifestSchema = schema.record({
  pages: schema.array(schema.bytes(32), pagesOfState),
  validators: schema.array(validatorEntry, 256),
  evicted: schema.array(schema.bytes(32), 256),
});

export const manifestOf = (provider: TestProvider, { accounts, registry }: State): Uint8Array => {
  const pages = Array.from({ length: pagesOfState }, (_, page) =>
    provider.sha256(pageBytes(accounts, page)),
  );
  const evicted = registry.evicted.map((gid) => {
    const bytes = fromHex(gid);
    assert(bytes !== undefined, "a Guardian");
    return bytes;
  });
  return schema.encode(manifestSchema, { pages, validators: registry.entries, evicted });
};

type Without = Pick<ReadonlySet<SnapshotRule>, "has">;

interface Read {
  readonly pages: readonly Uint8Array[];
  readonly registry: Registry;
}

const unfit = (message: string): Result<never, SnapshotError> =>
  err({ code: "E_CONSENSUS_SNAPSHOT", message });

const read = (
  provider: TestProvider,
  root: Uint8Array,
  manifest: Uint8Array,
  without: Without = new Set(),
): Result<Read, SnapshotError> => {
  const decoded = schema.decode(manifestSchema, manifest);
  if (!decoded.ok) return unfit(`Y5: the manifest is malformed: ${decoded.error.message}`);
  const { pages, validators, evicted } = decoded.value;
  if (pages.length !== pagesOfState) return unfit("Y5: not all pages are listed");
  const set = ValidatorSet.from(provider, validators);
  if (!set.ok) return unfit(`Y5: ${set.error.message}`);
  const gone = evicted.map((gid) => toHex(gid));
  const leads = stateRootOf(provider, pages, registryHash(provider, set.value.hash, gone));
  if (!equalBytes(leads, root) && !without.has("Y5-root"))
    return unfit("Y5: the manifest leads to another root");
  return ok({ pages, registry: new Registry(provider, set.value, gone) });
};

export const statePartsOf = (provider: TestProvider, without?: Without): SnapshotTree => ({
  partsOf: (root, manifest) => {
    const found = read(provider, root, manifest, without);
    return found.ok ? ok(found.value.pages) : found;
  },
  holds: (_index, hash, bytes) => holdsHash((each) => provider.sha256(each), hash, bytes),
});

/** Of parts that were all held against the manifest. */
export const stateOf = (
  provider: TestProvider,
  height: bigint,
  root: Uint8Array,
  manifest: Uint8Array,
  parts: readonly Uint8Array[],
): State => {
  const found = read(provider, root, manifest);
  assert(found.ok && parts.length === pagesOfState, "a state whose parts were held against it");
  const bytes = concatBytes(...parts);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const accounts = Uint32Array.from({ length: pagesOfState * accountsOfPage }, (_, account) =>
    view.getUint32(4 * account),
  );
  return { height, root, accounts, registry: found.value.registry };
};
