/**
 * `headers.log` of format 1 of the chain: headers that the identity signed itself. Only the last one counts:
 * the first epoch of the chain as it is now stands on it. Then the file is kept under another name, so
 * that a former version of this program signs nothing more.
 */
import { type Files, OperationError, type Random } from "@ioi/base";
import { type CryptoProvider, domainHash, domains } from "@ioi/crypto";
import { openWal } from "@ioi/storage";
import { type ChainHeader, chainHeader, schema } from "@ioi/wire";
import { headerBytesMax } from "./limits.ts";

export const formerHeadersPath = "headers.log";
export const keptHeadersPath = "headers.log.format-1";

const signedRecord = 1;
const signedHeader = schema.record({
  counter: schema.u64,
  header: schema.bytes(undefined, headerBytesMax),
  signature: schema.bytes(undefined, 8192),
});

export interface FormerHeader {
  readonly counter: bigint;
  readonly encoded: Uint8Array;
  readonly signature: Uint8Array;
  readonly header: ChainHeader;
  readonly hash: Uint8Array;
}

interface Place {
  readonly files: Files;
  readonly random: Random;
}

export const readFormerHeader = async ({
  files,
  random,
  provider,
}: Place & { readonly provider: CryptoProvider }): Promise<FormerHeader | undefined> => {
  if ((await files.stat(formerHeadersPath)) === undefined) return undefined;
  const repairHint = "restore guardian/ from its newest backup";
  const wal = await openWal({ files, random, path: formerHeadersPath, repairHint });
  try {
    if (wal.records === 0) return undefined;
    for await (const { type, payload } of wal.read(wal.records - 1)) {
      const record = schema.decode(signedHeader, payload);
      const header = schema.decode(chainHeader, record.ok ? record.value.header : payload);
      if (type !== signedRecord || !record.ok || !header.ok) break;
      const { counter, header: encoded, signature } = record.value;
      const hash = domainHash(provider, domains.chainHeader, encoded);
      return { counter, encoded, signature, header: header.value, hash };
    }
  } finally {
    await wal.close();
  }
  throw new OperationError(
    "E_WAL_CORRUPT",
    `${formerHeadersPath}: its newest record is no header`,
    {
      next: repairHint,
    },
  );
};

/** It has its successor; a second call finds nothing. */
export const retireFormerHeaders = async ({ files }: Place): Promise<void> => {
  if ((await files.stat(formerHeadersPath)) === undefined) return;
  await files.rename(formerHeadersPath, keptHeadersPath);
  await files.syncDirectory("");
};
