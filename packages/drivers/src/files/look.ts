/**
 * The targets that only look: stat, list, read. Content leaves only in `act`, from the descriptor
 * that `prepare` opened.
 */
import fs from "node:fs";
import type { CanonicalValue } from "@ioi/wire";
import { type ActReport, refused } from "../core/driver.ts";
import { breathe, identityOf, sameIdentity } from "../fs/entries.ts";
import { kindOf, recheck, reject, type Roots, type Spot } from "../fs/roots.ts";
import { openPathIfAny, readNames, reopen, statFd } from "../fs/syscalls.ts";
import { listEntriesMax, listScanMax, pdfBytesMax, readBytesDefault } from "../limits.ts";
import type { PdfReader } from "../pdf/pdf.ts";
import { readAsText } from "../pdf/read-text.ts";

const milliseconds = (ns: bigint): number => Number(ns / 1_000_000n);

export const looked = (
  result: { readonly [name: string]: CanonicalValue },
  bytes = 0,
): ActReport => ({
  status: "confirmed",
  result,
  bytes,
  reversible: true,
  evidence: { bytes: String(bytes) },
});

/** What stands there still is what was prepared, or the refusal. */
const present = (roots: Roots, spot: Spot) => {
  const checked = recheck(roots, spot);
  if (!checked.ok) return checked;
  if (spot.object === undefined || spot.stat === undefined) {
    return reject("E_FS_NOT_FOUND", `${spot.place.path} does not exist`);
  }
  return { ok: true as const, value: { object: spot.object, stat: spot.stat } };
};

export const statTarget = (roots: Roots, spot: Spot): ActReport => {
  const found = present(roots, spot);
  if (!found.ok) return refused(found.error);
  const stat = statFd(found.value.object);
  return looked({
    kind: kindOf(stat),
    size: Number(stat.size),
    mode: Number(stat.mode & 0o7777n),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    nlink: Number(stat.nlink),
    atimeMs: milliseconds(stat.atimeNs),
    mtimeMs: milliseconds(stat.mtimeNs),
    ctimeMs: milliseconds(stat.ctimeNs),
  });
};

const replacement = new TextDecoder();

export const listTarget = async (
  roots: Roots,
  spot: Spot,
  signal: AbortSignal,
): Promise<ActReport> => {
  const found = present(roots, spot);
  if (!found.ok) return refused(found.error);
  const folder = found.value.object;
  const { path } = spot.place;
  if (!found.value.stat.isDirectory()) {
    return refused(reject("E_FS_NOT_A_DIRECTORY", `${path} is not a folder`).error);
  }
  const names: { readonly name: string; readonly exact: boolean }[] = [];
  let more = false;
  for (const { name, raw } of readNames(folder)) {
    if (names.length >= listScanMax) {
      more = true;
      break;
    }
    if (name !== undefined && roots.isMasked(`${path === "/" ? "" : path}/${name}`)) continue;
    names.push({ name: name ?? replacement.decode(raw), exact: name !== undefined });
    if (names.length % 4096 === 0) await breathe(signal);
  }
  names.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  const entries: CanonicalValue[] = [];
  for (const { name, exact } of names.slice(0, listEntriesMax)) {
    using child = exact ? openPathIfAny(folder, name) : undefined;
    if (child === undefined) {
      if (!exact) entries.push({ name, kind: "other", size: 0, mode: 0, mtimeMs: 0 });
      continue;
    }
    const stat = statFd(child);
    entries.push({
      name,
      kind: kindOf(stat),
      size: Number(stat.size),
      mode: Number(stat.mode & 0o7777n),
      mtimeMs: milliseconds(stat.mtimeNs),
    });
    if (entries.length % 256 === 0) await breathe(signal);
  }
  return looked({ entries, more: more || names.length > listEntriesMax });
};

interface ReadPiece {
  readonly offset?: number;
  readonly length?: number;
  readonly as?: "text";
}

/** Up to `length` bytes from `offset` on. */
const readAt = (descriptor: number, offset: number, length: number): Uint8Array => {
  const content = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const got = fs.readSync(descriptor, content, done, length - done, offset + done);
    if (got === 0) break;
    done += got;
  }
  return content.subarray(0, done);
};

export const readTarget = async (
  roots: Roots,
  spot: Spot,
  args: ReadPiece,
  pdf: PdfReader,
  signal: AbortSignal,
): Promise<ActReport> => {
  const found = present(roots, spot);
  if (!found.ok) return refused(found.error);
  const { object, stat } = found.value;
  const { path } = spot.place;
  const kind = kindOf(stat);
  if (kind === "directory") {
    return refused(reject("E_FS_IS_A_DIRECTORY", `${path} is a folder`).error);
  }
  if (kind !== "file") return refused(reject("E_FS_SPECIAL", `${path} is not a file`).error);
  using opened = reopen(object, "file");
  const now = statFd(object);
  if (!sameIdentity(identityOf(stat), identityOf(now), false)) {
    return refused(reject("E_FS_CHANGED", `${path} is not what was prepared`).error);
  }
  const size = Number(now.size);
  if (args.as === "text") {
    if (size > pdfBytesMax) {
      const why = `${path} has ${size} bytes; as text at most ${pdfBytesMax} are read`;
      return refused(reject("E_FS_TOO_LARGE", why).error);
    }
    return await readAsText(path, readAt(opened.number, 0, size), args, pdf, signal);
  }
  const offset = args.offset ?? 0;
  const length = Math.min(args.length ?? readBytesDefault, Math.max(0, size - offset));
  const content = readAt(opened.number, offset, length);
  const truncated = offset + content.length < size;
  return looked({ content, size, offset, truncated }, content.length);
};
