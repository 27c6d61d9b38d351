/**
 * `ioi policy test|diff|learn|import|fmt`: work on the text of a policy, without a kernel. What
 * writes says so (`--write`), never widens anything by itself, and writes whole files.
 */
import fs from "node:fs";
import { homedir } from "node:os";
import { resolve } from "node:path";
import { replayJournal, type SessionInput } from "@ioi/agent";
import { exitCodes } from "@ioi/base";
import {
  diffPolicies,
  type DiffExample,
  type DiffSetting,
  formatPolicy,
  importPolicy,
  learn as learnRules,
  type PolicyDiff,
  type PolicyError,
  type RecordedStep,
  type Root,
  type SessionContext,
  testPolicy,
  typedUrls,
} from "@ioi/firewall";
import { nodeCrypto } from "@ioi/host/crypto";
import { parseUrl } from "@ioi/host/url";
import { scanWal } from "@ioi/storage";
import { action as actionSchema, schema } from "@ioi/wire";
import type { CommandContext, Handler } from "../context.ts";
import type { Output } from "../io.ts";
import { readBounded } from "../kernel/folder.ts";
import { receiptFileBytesMax } from "../limits.ts";
import { projectRoot } from "../program.ts";
import { failWith, usage } from "../report.ts";
import { compiled, policyText, printErrors } from "./policy.ts";
import { journalFile } from "./replay.ts";

const readText = (context: CommandContext, given: string): string =>
  Buffer.from(readBounded(resolve(context.io.cwd, given))).toString("utf8");

const refuse = (found: readonly PolicyError[], file: string): Error =>
  failWith(found[0] ?? { code: "E_POLICY_TOML", message: `${file} does not load` });

/** Beside the file, then renamed onto it: a reader sees the old text or the new. */
const writeWhole = (file: string, text: string): void => {
  const { mode } = fs.statSync(file);
  const beside = `${file}.tmp`;
  fs.writeFileSync(beside, text, { mode, flush: true });
  fs.renameSync(beside, file);
};

interface TestOptions {
  readonly policy?: string;
}

export const test: Handler<TestOptions> = async (context, { args, options }) => {
  const [file = ""] = args;
  const policy = compiled(policyText(context, options.policy));
  const results = testPolicy(policy, file, readText(context, file), parseUrl);
  const { output } = context;
  if (!results.ok) {
    output.value({ schema: "ioi.policy-test/1", ok: false, file, errors: results.error });
    printErrors(output, results.error);
    return exitCodes.wrong;
  }
  const failed = results.value.filter(({ ok }) => !ok);
  const total = results.value.length;
  const good = total > 0 && failed.length === 0;
  output.value({
    schema: "ioi.policy-test/1",
    ok: good,
    file,
    errors: [],
    total,
    passed: total - failed.length,
    failed: failed.length,
    results: results.value,
  });
  for (const { name, expected, actual, reason, line } of failed) {
    output.line(`${file}:${line}: "${name}" is ${actual}, not ${expected}. ${reason}`);
  }
  output.line(`${file}: ${total - failed.length} of ${total} tests hold`);
  return good ? exitCodes.done : exitCodes.wrong;
};

const shownExample = ({ action: _, context: __, ...shown }: DiffExample): object => shown;

const diffValue = (diff: PolicyDiff): object => ({
  ...diff,
  widened: diff.widened.map(shownExample),
  narrowed: diff.narrowed.map(shownExample),
});

const argumentText = (value: unknown): string =>
  typeof value === "string" ? value : JSON.stringify(value);

const printExample = (output: Output, word: string, example: DiffExample): void => {
  const { target, before, after, args, rulesBefore, rulesAfter } = example;
  const shown = Object.entries(args).map(([name, value]) => `${name}=${argumentText(value)}`);
  output.line(`${word} ${target}: ${before} -> ${after}, as for ${shown.join(" ")}`);
  const list = (rules: readonly string[]): string =>
    rules.length === 0 ? "no rule" : rules.join(", ");
  output.line(`  before: ${list(rulesBefore)}; after: ${list(rulesAfter)}`);
};

const printDiff = (output: Output, diff: PolicyDiff): void => {
  for (const example of diff.widened) printExample(output, "WIDER", example);
  for (const target of diff.undecided) {
    output.line(`WIDER? ${target}: not worked out; counts as wider`);
  }
  for (const example of diff.narrowed) printExample(output, "narrower", example);
  const setting = ({ name, before, after, change }: DiffSetting): void =>
    output.line(`${change === "widened" ? "WIDER" : "narrower"} ${name}: ${before} -> ${after}`);
  for (const each of diff.settings) setting(each);
  const changed = diff.widened.length + diff.narrowed.length + diff.settings.length;
  if (changed + diff.undecided.length === 0) output.line("Every action is judged as before.");
};

export const diff: Handler<object> = async (context, { args }) => {
  const [one = "", two] = args;
  const before = compiled(policyText(context, two === undefined ? undefined : one));
  const after = compiled(policyText(context, two ?? one));
  const found = diffPolicies(before, after);
  const { output } = context;
  output.value({ schema: "ioi.policy-diff/1", ...diffValue(found) });
  printDiff(output, found);
  return found.notWider ? exitCodes.done : exitCodes.wrong;
};

interface WriteOptions {
  readonly write?: boolean;
  readonly check?: boolean;
}

export const fmt: Handler<WriteOptions> = async (context, { args, options }) => {
  const source = policyText(context, args[0]);
  const made = formatPolicy(source.file, source.text);
  if (!made.ok) throw refuse([made.error], source.file);
  const changed = made.value !== source.text;
  const { output } = context;
  const { file } = source;
  output.value({ schema: "ioi.policy-fmt/1", file, changed, text: made.value });
  if (options.check === true) {
    output.line(changed ? `${file} is not in shape` : `${file} is in shape`);
    return changed ? exitCodes.wrong : exitCodes.done;
  }
  if (options.write === true) {
    if (changed) writeWhole(resolve(context.io.cwd, file), made.value);
    output.line(changed ? `${file}: written` : `${file}: as it was`);
  } else for (const line of made.value.trimEnd().split("\n")) output.line(line);
  return exitCodes.done;
};

interface ImportOptions extends WriteOptions {
  readonly policy?: string;
}

/** A policy file that is there to be written. */
const ownFile = (context: CommandContext, file: string): string => {
  const path = resolve(context.io.cwd, file);
  if (fs.existsSync(path)) return path;
  throw failWith({ code: "E_CLI_FILE", message: `${file} is not there to be written` });
};

export const importRules: Handler<ImportOptions> = async (context, { args, options }) => {
  const [file = ""] = args;
  const source = policyText(context, options.policy);
  const before = compiled(source);
  const made = importPolicy(source.text, file, readText(context, file));
  if (!made.ok) throw refuse([made.error], file);
  if (made.value.rules === 0) throw usage(`${file} holds no rule`);
  const after = compiled({ file: `${source.file} with ${file}`, text: made.value.text });
  const found = diffPolicies(before, after);
  const written = options.write === true;
  const { output } = context;
  if (written) writeWhole(ownFile(context, source.file), made.value.text);
  const { rules, renamed } = made.value;
  output.value({
    schema: "ioi.policy-import/1",
    file: source.file,
    rules,
    renamed,
    written,
    diff: diffValue(found),
  });
  printDiff(output, found);
  for (const { from, to } of renamed) output.line(`rule "${from}" is called "${to}" here`);
  output.line(
    written
      ? `${source.file}: ${rules} rules added`
      : `${rules} rules; nothing is written without --write`,
  );
  return exitCodes.done;
};

/** What a session knew when it ended; folders and words come from its journal. */
class Recorded {
  readonly steps: RecordedStep[] = [];
  readonly #actions = new Map<number, Uint8Array>();
  readonly #words: string[] = [];
  #roots: readonly Root[] = [];
  readonly #context: CommandContext;

  constructor(context: CommandContext) {
    this.#context = context;
  }

  proposed(call: number, action: Uint8Array): void {
    this.#actions.set(call, action);
  }

  input(input: SessionInput): void {
    if (input.type === "start") {
      this.#words.push(input.goal.text);
      this.#roots = [{ name: "scope", path: input.workspace, access: "write" }];
    }
    if (input.type === "message") this.#words.push(input.text);
    if (input.type === "opened" && input.roots !== undefined) {
      this.#roots = input.roots.map(({ name, path, write }) => ({
        name,
        path,
        access: write ? "write" : "read",
      }));
    }
    if (input.type === "verdict" && input.verdict.type === "allow") this.#allowed(input.call);
  }

  #allowed(call: number): void {
    const bytes = this.#actions.get(call);
    const action = bytes === undefined ? undefined : schema.decode(actionSchema, bytes);
    if (action?.ok === true) this.steps.push({ action: action.value, session: this.#session() });
  }

  #session(): SessionContext {
    return {
      session: "learn",
      agent: "learn",
      roots: this.#roots.filter(({ path }) => path !== ""),
      words: [...this.#words],
      urls: typedUrls(this.#words, parseUrl),
      headless: false,
      productFolders: [projectRoot, this.#context.dataFolder],
      home: fs.realpathSync(homedir()),
    };
  }
}

const recordedSteps = (context: CommandContext, given: string): readonly RecordedStep[] => {
  const file = journalFile(context, given);
  const records: Uint8Array[] = [];
  const scan = scanWal(readBounded(file, receiptFileBytesMax), ({ payload }) => {
    records.push(payload.slice());
  });
  if (scan.firstBad !== undefined && scan.firstBad.kind !== "tail") {
    const { index, reason } = scan.firstBad;
    throw failWith({ code: "E_JOURNAL_CORRUPT", message: `${file}: record ${index}: ${reason}` });
  }
  const recorded = new Recorded(context);
  const replayed = replayJournal(
    records,
    (bytes) => nodeCrypto.sha256(bytes),
    ({ input, effects }) => {
      recorded.input(input);
      for (const effect of effects) {
        if (effect.type === "propose") recorded.proposed(effect.call, effect.action);
      }
    },
  );
  if (!replayed.ok) throw failWith(replayed.error);
  return recorded.steps;
};

export const learn: Handler<ImportOptions> = async (context, { args, options }) => {
  const source = policyText(context, options.policy);
  const before = compiled(source);
  const steps = args.flatMap((given) => recordedSteps(context, given));
  const learned = learnRules(source, steps, nodeCrypto);
  if (!learned.ok) throw refuse(learned.error, source.file);
  const { toml, rules, already, replayed, left } = learned.value;
  const text = rules === 0 ? source.text : `${source.text.trimEnd()}\n\n${toml}`;
  const found = diffPolicies(before, compiled({ file: source.file, text }));
  const written = options.write === true && rules > 0;
  if (written) writeWhole(ownFile(context, source.file), text);
  const { output } = context;
  output.value({
    schema: "ioi.policy-learn/1",
    file: source.file,
    ...learned.value,
    written,
    diff: diffValue(found),
  });
  for (const line of toml.trimEnd().split("\n")) output.line(line);
  for (const { target, why } of left) output.line(`# not learned: ${target}: ${why}`);
  output.line(
    `# ${steps.length} steps: ${already} went through already, ${replayed} do with these ${rules} rules`,
  );
  return exitCodes.done;
};
