/**
 * A disk whose syncs report success and do nothing: the control of every crash test. What such a
 * disk loses is what a test of durability must find lost.
 */
import type { FileHandle, Files } from "@ioi/base";

const careless = (handle: FileHandle): FileHandle => ({
  read: (offset, length) => handle.read(offset, length),
  write: (offset, bytes) => handle.write(offset, bytes),
  writeDurable: (offset, bytes) => handle.write(offset, bytes),
  sync: () => Promise.resolve(),
  truncate: (length) => handle.truncate(length),
  size: () => handle.size(),
  close: () => handle.close(),
  [Symbol.asyncDispose]: () => handle.close(),
});

export const carelessFiles = (files: Files): Files => ({
  open: async (at, mode) => careless(await files.open(at, mode)),
  readFile: (at, bytesMax) => files.readFile(at, bytesMax),
  replaceFile: (at, bytes, mode) => files.replaceFile(at, bytes, mode),
  stat: (at) => files.stat(at),
  list: (at) => files.list(at),
  makeDirectory: (at, mode) => files.makeDirectory(at, mode),
  rename: (from, to) => files.rename(from, to),
  remove: (at) => files.remove(at),
  syncDirectory: (at) => files.syncDirectory(at),
  lock: (at) => files.lock(at),
});
