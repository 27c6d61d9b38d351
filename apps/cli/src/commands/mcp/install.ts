/**
 * `ioi gate install|uninstall`: the configuration of known clients, with a copy of what it was beside.
 * What is written is shown first as a difference; `--dry-run` shows it and writes nothing.
 *
 * Invariants: a file is written only while it says what was shown; the copy is of the file as it was
 * before the gate, and goes with it.
 */
import fs from "node:fs";
import { join } from "node:path";
import { exitCodes } from "@ioi/base";
import { createPatch } from "diff";
import type { CommandContext, Handler } from "../../context.ts";
import { visible } from "../../io.ts";
import { smallFileBytesMax } from "../../limits.ts";
import { projectRoot } from "../../program.ts";
import { failWith, usage } from "../../report.ts";
import { type ClientFile, clientFiles, clientNames } from "./clients.ts";
import { saysTheSame, unwrap, wrap, type Wrapped } from "./wrap.ts";

export interface InstallOptions {
  readonly dryRun?: boolean;
}

interface Change {
  readonly file: ClientFile;
  readonly before: string;
  readonly after: Wrapped;
}

const backupOf = (path: string): string => `${path}.before-ioi`;

const filesOf = (context: CommandContext, given: readonly string[]): readonly ClientFile[] => {
  const [client] = given;
  const { env, cwd } = context.io;
  const names = clientNames();
  if (client !== undefined && !names.includes(client)) {
    throw usage(`no client "${client}" is known; there is ${names.join(", ")}`);
  }
  const all = clientFiles(env, cwd).filter(
    (each) => client === undefined || each.client === client,
  );
  const there = all.filter(({ path }) => fs.existsSync(path));
  if (there.length > 0) return there;
  const paths = all.map(({ path }) => path).join(", ");
  throw failWith({ code: "E_CLI_GATE_CLIENT", message: `no configuration is there: ${paths}` });
};

/** What the system says about a file, in our words. */
const onFile = <T>(path: string, does: "read" | "written", work: () => T): T => {
  try {
    return work();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (!(error instanceof Error) || code === undefined || !/^E[A-Z0-9]+$/.test(code)) throw error;
    const message = `${path} cannot be ${does} (${code}); nothing of it was changed`;
    throw failWith({ code: "E_CLI_FILE", message }, error);
  }
};

const readText = (path: string): string =>
  onFile(path, "read", () => {
    if (fs.statSync(path).size > smallFileBytesMax) {
      throw failWith({ code: "E_CLI_FILE", message: `${path} is too large` });
    }
    const bytes = fs.readFileSync(path);
    const text = bytes.toString("utf8");
    if (Buffer.from(text, "utf8").equals(bytes)) return text;
    throw failWith({ code: "E_CLI_FILE", message: `${path} is not UTF-8` });
  });

/** In place of the old file at once, with its mode; a link keeps leading to it. */
const writeText = (path: string, before: string, text: string): void =>
  onFile(path, "written", () => {
    const real = fs.realpathSync(path);
    const fresh = `${real}.ioi-new`;
    fs.writeFileSync(fresh, text, { mode: fs.statSync(real).mode & 0o777, flush: true });
    if (fs.readFileSync(real, "utf8") !== before) {
      fs.rmSync(fresh);
      const message = `${path} was changed meanwhile, and stays as it is now`;
      throw failWith({ code: "E_CLI_FILE", message });
    }
    fs.renameSync(fresh, real);
  });

/** One that is older than a file without any gate is of another time. */
const keepCopy = ({ file, before }: Change): void => {
  const gates = unwrap(before, file.key);
  const backup = backupOf(file.path);
  if (gates.ok && gates.value.changed.length > 0 && fs.existsSync(backup)) return;
  onFile(backup, "written", () => fs.writeFileSync(backup, before, { mode: 0o600 }));
};

const show = ({ output }: CommandContext, { file, before, after }: Change): void => {
  output.line(`${file.title}: ${file.path}`);
  for (const { name, why } of after.left) output.line(`  ${visible(name)} stays: ${why}`);
  if (after.text === before) {
    output.line("  nothing changes");
    return;
  }
  const patch = createPatch(file.path, before, after.text, "", "", { context: 2 });
  for (const line of patch.split("\n").slice(2)) if (line !== "") output.line(visible(line));
};

const report = (
  context: CommandContext,
  kind: string,
  changes: readonly Change[],
  dry: boolean,
) => {
  context.output.value({
    schema: `ioi.gate-${kind}/1`,
    dryRun: dry,
    files: changes.map(({ file, before, after }) => ({
      client: file.client,
      path: file.path,
      changed: after.changed,
      left: after.left,
      written: !dry && after.text !== before,
    })),
  });
};

const failedRead = (file: ClientFile, why: string): Error =>
  failWith({ code: "E_CLI_GATE_CLIENT", message: `${file.path}: ${why}` });

export const install: Handler<InstallOptions> = async (context, { args, options }) => {
  const dry = options.dryRun === true;
  const program = join(projectRoot, "ioi");
  const changes = filesOf(context, args).map((file): Change => {
    const before = readText(file.path);
    const after = wrap(before, { key: file.key, program, data: context.dataFolder });
    if (!after.ok) throw failedRead(file, after.error);
    return { file, before, after: after.value };
  });
  for (const change of changes) {
    show(context, change);
    const { file, before, after } = change;
    if (dry || after.text === before) continue;
    keepCopy(change);
    writeText(file.path, before, after.text);
  }
  report(context, "install", changes, dry);
  if (!dry) context.output.progress("restart the clients; ./ioi gate uninstall takes it back");
  return exitCodes.done;
};

/** The very bytes of before where nothing else has changed, else the servers alone. */
const restored = (context: CommandContext, file: ClientFile, before: string): Wrapped => {
  const without = unwrap(before, file.key);
  if (!without.ok) throw failedRead(file, without.error);
  const backup = backupOf(file.path);
  if (!fs.existsSync(backup)) return without.value;
  const original = readText(backup);
  if (saysTheSame(original, without.value.text)) return { ...without.value, text: original };
  context.output.progress(`${file.path} was changed since: its servers alone are taken back`);
  return without.value;
};

export const uninstall: Handler<InstallOptions> = async (context, { args, options }) => {
  const dry = options.dryRun === true;
  const changes = filesOf(context, args).map((file): Change => {
    const before = readText(file.path);
    return { file, before, after: restored(context, file, before) };
  });
  for (const change of changes) {
    show(context, change);
    const { file, before, after } = change;
    if (dry) continue;
    if (after.text !== before) writeText(file.path, before, after.text);
    fs.rmSync(backupOf(file.path), { force: true });
  }
  report(context, "uninstall", changes, dry);
  return exitCodes.done;
};
