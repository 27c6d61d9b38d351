/**
 * `ioi backup` and `ioi restore`: a whole data folder in one signed file, and back.
 *
 * Invariants: a backup is made of a folder whose lock we hold, so that no kernel changes it
 * meanwhile; keys leave the folder unsealed only where the person says so; a restore is checked
 * whole beside its place before it takes it, and never takes back what a Guardian signed.
 */
import { closeSync, existsSync, openSync, readSync, renameSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { equalBytes, exitCodes, fromHex, toHex } from "@ioi/base";
import { domainBytes, domains } from "@ioi/crypto";
import {
  formerHeadersPath,
  keptHeadersPath,
  openGuardianKeys,
  receiptsPath,
  sessionTakenBack,
} from "@ioi/guardian";
import { type BackupManifest, readBackup, writeBackup } from "@ioi/host/backup";
import { nodeCrypto } from "@ioi/host/crypto";
import { dataFormat, openDataFolder, openFiles, systemClock } from "@ioi/host/ports";
import type { CommandContext, Handler } from "../context.ts";
import { folderPaths, readBounded, requireFolder } from "../kernel/folder.ts";
import { failWith, usage } from "../report.ts";
import { passphraseFrom } from "../typed.ts";
import { keyOf, verifyFolder } from "./receipts.ts";

interface PassphraseOptions {
  readonly passphraseFile?: string;
}

const formatOf = (path: string): number => {
  const { format } = JSON.parse(Buffer.from(readBounded(path, 4096)).toString("utf8")) as {
    readonly format?: unknown;
  };
  return typeof format === "number" ? format : dataFormat;
};

const anchorText = "software (no rollback protection)";

const show = (context: CommandContext, manifest: BackupManifest): void => {
  const { entries, bytes, receipts, identity } = manifest;
  const { output } = context;
  output.line(`  ${entries} entries, ${Math.ceil(bytes / 1024)} KiB`);
  output.line(`  ${receipts.size} receipts, root ${toHex(receipts.root)}`);
  output.line(`  signed by the Guardian ${toHex(nodeCrypto.sha256(identity)).slice(0, 32)}`);
};

const valueOf = ({ entries, bytes, receipts, identity, format, createdMs }: BackupManifest) => ({
  entries,
  bytes,
  format,
  createdMs,
  receipts: { size: receipts.size, root: toHex(receipts.root) },
  /** SHA-256 of the Guardian's key. */
  signedBy: toHex(nodeCrypto.sha256(identity)),
  anchor: anchorText,
});

interface BackupOptions extends PassphraseOptions {
  readonly plain?: boolean;
}

export const backup: Handler<BackupOptions> = async (context, { args, options }) => {
  const passphrase = passphraseFrom(context, options.passphraseFile);
  if ((passphrase === undefined) !== (options.plain === true)) {
    throw usage(
      "a backup holds the folder's keys: seal it with --passphrase-file F, or say --plain",
      "./ioi backup FILE --passphrase-file F",
    );
  }
  const paths = requireFolder(context.dataFolder);
  const file = resolve(context.io.cwd, args[0] ?? "");
  if (existsSync(file)) throw usage(`${file} is there already; a backup replaces nothing`);
  // Held to the end: a kernel that runs, or starts, is told so.
  await using _held = await openDataFolder(context.dataFolder);
  const key = keyOf(context, undefined, paths.identityKey);
  const report = await verifyFolder(context, paths, key);
  if (!report.ok) {
    const message = `receipt ${report.firstBad?.index}: ${report.firstBad?.reason}`;
    throw failWith({ code: "E_CLI_RECEIPTS_WRONG", message });
  }
  const guardian = openFiles(join(context.dataFolder, "guardian"));
  const keys = await openGuardianKeys(guardian, nodeCrypto, systemClock.wall(), false);
  const manifest = await writeBackup(nodeCrypto, {
    folder: context.dataFolder,
    file,
    passphrase,
    about: {
      createdMs: systemClock.wall(),
      format: formatOf(paths.format),
      identity: keys.identity.publicKey,
      receipts: { size: report.size, root: fromHex(report.root ?? "") ?? new Uint8Array(32) },
    },
    sign: (bytes) => nodeCrypto.sign(keys.identity, domainBytes(domains.backup, bytes)),
    signal: context.signal,
  });
  const { output } = context;
  const sealed = passphrase !== undefined;
  output.value({ schema: "ioi.backup/1", file, sealed, ...valueOf(manifest) });
  output.line(`backed up ${context.dataFolder} to ${file}`);
  show(context, manifest);
  output.line(
    sealed
      ? "  sealed under the passphrase: without it nobody opens it, nor do you"
      : "  NOT sealed: whoever reads the file has the keys, the secrets and the approval key",
  );
  return exitCodes.done;
};

/**
 * What must never go back and is only added to, with the names it may have in the backup: the order of
 * tickets, and the headers of the former chain, which get another name when its successor begins.
 */
const growingLogs: readonly (readonly [string, ...string[]])[] = [
  [receiptsPath],
  [formerHeadersPath, keptHeadersPath],
];
const pieceBytes = 1_048_576;

/** Whether `longer` begins with every byte of `shorter`; a file that is not there is empty. */
const beginsWith = (longer: string, shorter: string): boolean => {
  if (!existsSync(shorter)) return true;
  if (!existsSync(longer)) return false;
  const [a, b] = [openSync(shorter, "r"), openSync(longer, "r")];
  try {
    const [mine, theirs] = [new Uint8Array(pieceBytes), new Uint8Array(pieceBytes)];
    for (let at = 0; ;) {
      const read = readSync(a, mine, 0, pieceBytes, at);
      if (read === 0) return true;
      let have = 0;
      while (have < read) {
        const more = readSync(b, theirs, have, read - have, at + have);
        if (more === 0) return false;
        have += more;
      }
      if (!equalBytes(mine.subarray(0, read), theirs.subarray(0, read))) return false;
      at += read;
    }
  } finally {
    closeSync(a);
    closeSync(b);
  }
};

/** The receipts and the chain's votes of the present folder are all in the staged one. */
const checkForward = async (present: string, staged: string): Promise<void> => {
  const rollback = (message: string) => failWith({ code: "E_RESTORE_ROLLBACK", message });
  const identity = "identity/guardian.pub";
  if (
    existsSync(join(present, identity)) &&
    !beginsWith(join(staged, identity), join(present, identity))
  ) {
    throw rollback("the folder is another Guardian's");
  }
  const [here, there] = [join(present, "guardian"), join(staged, "guardian")];
  for (const names of growingLogs) {
    const log = join(here, names[0]);
    if (names.some((name) => beginsWith(join(there, name), log))) continue;
    throw rollback(`${log} goes on after the backup, or differs from it`);
  }
  const complaint = await sessionTakenBack(openFiles(here), openFiles(there));
  if (complaint !== undefined) throw rollback(`${present}: ${complaint}`);
};

const isEmpty = async (folder: string): Promise<boolean> =>
  !existsSync(folder) || (await readdir(folder)).length === 0;

/** A name beside the folder that nothing has. */
const besideName = (folder: string): string => {
  for (let n = 1; ; n++) {
    const name = join(dirname(folder), `${basename(folder)}.before-restore-${n}`);
    if (!existsSync(name)) return name;
  }
};

interface RestoreOptions extends PassphraseOptions {
  readonly key?: string;
  readonly onto?: boolean;
}

/** Checks the archive beside the folder; then the staged folder takes its place. */
const takePlace = async (folder: string, staged: string, onto: boolean): Promise<string | null> => {
  if (!onto) {
    renameSync(staged, folder);
    return null;
  }
  await using _held = await openDataFolder(folder);
  await checkForward(folder, staged);
  const previous = besideName(folder);
  renameSync(folder, previous);
  renameSync(staged, folder);
  return previous;
};

export const restore: Handler<RestoreOptions> = async (context, { args, options }) => {
  const { output } = context;
  const folder = context.dataFolder;
  const file = resolve(context.io.cwd, args[0] ?? "");
  if (!existsSync(file)) throw failWith({ code: "E_CLI_FILE", message: `${file} is not there` });
  const empty = await isEmpty(folder);
  if (!empty && options.onto !== true) {
    throw failWith({ code: "E_RESTORE_TARGET", message: `${folder} is not empty` });
  }
  if (!empty) requireFolder(folder);
  await mkdir(dirname(folder), { recursive: true });
  const staged = await mkdtemp(join(dirname(folder), ".ioi-restore-"));
  try {
    const manifest = await readBackup(nodeCrypto, {
      file,
      folder: staged,
      passphrase: passphraseFrom(context, options.passphraseFile),
      identity: options.key === undefined ? undefined : keyOf(context, options.key, ""),
      signal: context.signal,
    });
    if (manifest.format > dataFormat) {
      const message = `the backup's folder has format ${manifest.format}; this version knows up to ${dataFormat}`;
      throw failWith({ code: "E_DATA_NEWER", message });
    }
    const key = keyOf(context, undefined, folderPaths(staged).identityKey);
    const report = await verifyFolder(context, folderPaths(staged), key);
    if (!report.ok || !equalBytes(key, manifest.identity)) {
      const message = `the backup's receipts are wrong: ${report.firstBad?.reason ?? "another key"}`;
      throw failWith({ code: "E_BACKUP_CORRUPT", message });
    }
    const previous = await takePlace(folder, staged, !empty);
    output.value({ schema: "ioi.restore/1", folder, previous, ...valueOf(manifest) });
    output.line(`restored ${folder}`);
    show(context, manifest);
    if (previous !== null) output.line(`  what was there before is in ${previous}`);
    output.line(
      previous === null
        ? "  anchor: software. Whether receipts were signed after this backup cannot be told from it: " +
            "if the folder was used since, use the newest copy, or tickets and slots repeat."
        : "  every receipt and chain slot that was there is in it",
    );
    return exitCodes.done;
  } finally {
    await rm(staged, { recursive: true, force: true });
  }
};
