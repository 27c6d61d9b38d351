/**
 * The content that a write or a removal ends. `prepare` hashes it, so that the person and the policy
 * decide about this content and no other; `act` refuses when something else stands there.
 *
 * Bounds: above `beforeBytesMax` the content is not read; size, times and inode stand for it then.
 */
import fs from "node:fs";
import { equalBytes, ok, type Result } from "@ioi/base";
import type { Facts } from "@ioi/wire";
import type { Preview } from "../core/driver.ts";
import { type Captured, hashFile, type Identity, identityOf, sameIdentity } from "../fs/entries.ts";
import { type DriverRejection, factsOf, reject, type Spot } from "../fs/roots.ts";
import { errnoOf, reopen, statFd } from "../fs/syscalls.ts";
import { beforeBytesMax, previewSourceBytesMax } from "../limits.ts";
import { loadCompare, previewText, type Side } from "./preview.ts";

export interface Before {
  /** Undefined: no file, too large, or not to be read. */
  readonly sha256: Uint8Array | undefined;
  /** Of the file; undefined where there is none. */
  readonly identity: Identity | undefined;
}

export const lookBefore = async (
  { object, stat }: Spot,
  signal: AbortSignal,
): Promise<Result<Before, DriverRejection>> => {
  if (object === undefined || stat?.isFile() !== true) {
    return ok({ sha256: undefined, identity: undefined });
  }
  const identity = identityOf(statFd(object));
  if (identity.size > BigInt(beforeBytesMax)) return ok({ sha256: undefined, identity });
  try {
    const sha256 = await hashFile(object, signal);
    return sha256.ok ? ok({ sha256: sha256.value, identity }) : sha256;
  } catch (error) {
    // A file that may not be read: who permits it does so without its content.
    if (errnoOf(error) !== "EACCES") throw error;
    return ok({ sha256: undefined, identity });
  }
};

/** The facts of a place, with the content that would go. */
export const factsWith = (spot: Spot, { sha256 }: Before): Facts =>
  sha256 === undefined ? factsOf(spot) : { ...factsOf(spot), before: sha256 };

/** The refusal where a file is not any more what was looked at. */
export const changedSince = (
  path: string,
  before: Before,
  now: Captured,
): { readonly ok: false; readonly error: DriverRejection } | undefined => {
  const { sha256, identity } = before;
  const same =
    sha256 !== undefined
      ? now.entry.sha256 !== undefined && equalBytes(sha256, now.entry.sha256)
      : identity === undefined || sameIdentity(identity, now.identity, true);
  return same ? undefined : reject("E_FS_CHANGED", `${path} was changed since it was looked at`);
};

const readBefore = (
  spot: Spot,
  before: Before,
  sha256: (bytes: Uint8Array) => Uint8Array,
): Result<Side | undefined, DriverRejection> => {
  const { object, place } = spot;
  if (object === undefined || before.identity === undefined) return ok(undefined);
  const { size } = before.identity;
  if (size > BigInt(previewSourceBytesMax)) return ok({ bytes: Number(size) });
  if (before.sha256 === undefined) {
    return reject("E_FS_DENIED", `the system refuses access to ${place.path}`);
  }
  using opened = reopen(object, "file");
  const bytes = new Uint8Array(Number(size));
  const got = fs.readSync(opened.number, bytes, 0, bytes.length, 0);
  return got === bytes.length && equalBytes(sha256(bytes), before.sha256)
    ? ok(bytes)
    : reject("E_FS_CHANGED", `${place.path} was changed since it was looked at`);
};

/** What `spot` would hold instead; `after` undefined: nothing. */
export const previewOf = async (
  spot: Spot,
  before: Before,
  after: { readonly bytes: Uint8Array; readonly sha256: Uint8Array } | undefined,
  sha256: (bytes: Uint8Array) => Uint8Array,
): Promise<Result<Preview, DriverRejection>> => {
  if (spot.object !== undefined && before.identity === undefined) {
    return reject("E_PREVIEW_NONE", `${spot.place.path} is no file`);
  }
  const compare = await loadCompare();
  const side = readBefore(spot, before, sha256);
  if (!side.ok) return side;
  return ok({
    ...(before.sha256 === undefined ? {} : { before: before.sha256 }),
    ...(after === undefined ? {} : { after: after.sha256 }),
    text: previewText(side.value, after?.bytes, compare),
  });
};
