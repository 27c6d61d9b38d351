/** `ioi policy check|explain|lint`: the production decision over one action, without a kernel. */
import fs from "node:fs";
import { homedir } from "node:os";
import { resolve } from "node:path";
import { type ExitCode, exitCodes, toHex } from "@ioi/base";
import {
  canonicalise,
  check as checkAction,
  type CompiledPolicy,
  compilePolicy,
  type DecisionContext,
  defaultPolicy,
  explain as explainAction,
  lint as lintPolicy,
  type PolicyCheck,
  type PolicyError,
  type PolicyExplanation,
  type RawValue,
  type Root,
  targets,
  typedUrls,
} from "@ioi/firewall";
import { nodeCrypto } from "@ioi/host/crypto";
import { parseUrl } from "@ioi/host/url";
import { type Action, parseJson } from "@ioi/wire";
import type { CommandContext, Handler } from "../context.ts";
import type { Output } from "../io.ts";
import { folderPaths, readBounded } from "../kernel/folder.ts";
import { projectRoot } from "../program.ts";
import { failWith, formatError, usage } from "../report.ts";
import { actionOf, suppliedApart } from "./policy-facts.ts";

interface ActionOptions {
  readonly policy?: string;
  readonly workspace?: string;
  readonly arg?: readonly string[];
  readonly action?: string;
  readonly words?: readonly string[];
  readonly headless?: boolean;
}

export interface PolicyText {
  readonly file: string;
  readonly text: string;
}

/** `--policy` or the argument, else the data folder's, else the one that is shipped. */
export const policyText = (context: CommandContext, given: string | undefined): PolicyText => {
  if (given !== undefined) {
    const path = resolve(context.io.cwd, given);
    return { file: given, text: Buffer.from(readBounded(path)).toString("utf8") };
  }
  const { policy } = folderPaths(context.dataFolder);
  return fs.existsSync(policy)
    ? { file: policy, text: Buffer.from(readBounded(policy)).toString("utf8") }
    : { file: "shipped policy.toml", text: defaultPolicy };
};

export const compiled = (source: PolicyText): CompiledPolicy => {
  const result = compilePolicy([{ tier: "user", ...source }], nodeCrypto);
  if (result.ok) return result.value;
  const [first] = result.error;
  throw failWith(first ?? { code: "E_POLICY_TOML", message: `${source.file} does not load` });
};

const rootsOf = (policy: CompiledPolicy, scope: string | undefined, home: string): Root[] => {
  const named = policy.workspaces.map((root) => ({
    ...root,
    path: root.path === "~" || root.path.startsWith("~/") ? home + root.path.slice(1) : root.path,
  }));
  return scope === undefined ? named : [...named, { name: "scope", path: scope, access: "write" }];
};

const realFolder = (context: CommandContext, given: string | undefined): string | undefined => {
  if (given === undefined) return undefined;
  const path = resolve(context.io.cwd, given);
  if (fs.statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw failWith({ code: "E_CLI_FILE", message: `${path} is not a folder` });
  }
  return fs.realpathSync(path);
};

/** `--arg name=value`; what the target takes as a list or a number is JSON. */
const argumentOf = (target: string, text: string): readonly [string, RawValue] => {
  const at = text.indexOf("=");
  if (at <= 0) throw usage(`--arg takes NAME=VALUE, not "${text}"`);
  const [name, value] = [text.slice(0, at), text.slice(at + 1)];
  const type = targets.get(target)?.arguments.find((each) => each.name === name)?.type;
  const asItIs = ["path", "text", "content", "url"];
  if (type === undefined || asItIs.includes(type)) {
    return [name, value];
  }
  const parsed = parseJson(value);
  if (parsed.ok) return [name, parsed.value];
  throw usage(`--arg ${name} takes JSON, as in --arg '${name}=["git","status"]'`);
};

interface Wanted {
  readonly target: string;
  readonly args: RawValue;
}

const jsonText = (context: CommandContext, given: string): string => {
  if (given === "-") return fs.readFileSync(0, "utf8");
  if (!given.startsWith("@")) return given;
  return Buffer.from(readBounded(resolve(context.io.cwd, given.slice(1)))).toString("utf8");
};

const wantedAction = (
  context: CommandContext,
  target: string | undefined,
  options: ActionOptions,
): Wanted => {
  if (options.action !== undefined) {
    const parsed = parseJson(jsonText(context, options.action));
    if (!parsed.ok) {
      throw failWith({ code: "E_ARGUMENTS_JSON", message: `--action: ${parsed.error.message}` });
    }
    const record = typeof parsed.value === "object" && parsed.value !== null ? parsed.value : {};
    const { target: named, args } = record as { target?: unknown; args?: unknown };
    if (typeof named !== "string") throw usage('--action is {"target": ..., "args": {...}}');
    return { target: named, args: (args ?? {}) as RawValue };
  }
  if (target === undefined) throw usage("name a target, as in fs::read, or give --action");
  return {
    target,
    args: Object.fromEntries((options.arg ?? []).map((each) => argumentOf(target, each))),
  };
};

interface Question {
  readonly policy: CompiledPolicy;
  readonly action: Action;
  readonly decision: DecisionContext;
}

const questionOf = (
  context: CommandContext,
  target: string | undefined,
  options: ActionOptions,
): Question => {
  const policy = compiled(policyText(context, options.policy));
  const home = fs.realpathSync(homedir());
  const roots = rootsOf(policy, realFolder(context, options.workspace), home);
  const wanted = wantedAction(context, target, options);
  const { args, supplied } = suppliedApart(wanted.target, wanted.args);
  const made = canonicalise(wanted.target, args, {
    roots,
    home,
    supplied,
    hashing: nodeCrypto,
    parseUrl,
  });
  if (!made.ok) throw failWith(made.error);
  const spec = targets.get(made.value.target);
  if (spec === undefined) throw usage(`there is no target ${wanted.target}`);
  return {
    policy,
    action: actionOf(spec, made.value),
    decision: {
      session: {
        session: "check",
        agent: "planner",
        roots,
        words: options.words ?? [],
        urls: typedUrls(options.words ?? [], parseUrl),
        headless: options.headless === true,
        productFolders: [projectRoot, context.dataFolder],
        home,
      },
      exceededBudgets: [],
      grants: [],
    },
  };
};

const verdictExit: Readonly<Record<PolicyCheck["verdict"], ExitCode>> = {
  allow: exitCodes.done,
  ask: exitCodes.waiting,
  deny: exitCodes.denied,
};

const verdictWord = (output: Output, verdict: PolicyCheck["verdict"]): string => {
  const words = {
    allow: ["green", "allow"],
    ask: ["yellow", "ASK"],
    deny: ["red", "DENY"],
  } as const;
  const [style, word] = words[verdict];
  return output.paint(style, word);
};

const printCheck = (output: Output, checked: PolicyCheck): void => {
  output.line(`${verdictWord(output, checked.verdict)} ${checked.target}: ${checked.reason}`);
  if (checked.instead !== "") output.line(`  allowed instead: ${checked.instead}`);
  for (const { kind, id } of checked.asks) output.line(`  asks: ${kind} ${id}`);
  if (checked.obligations.length > 0) output.line(`  with: ${checked.obligations.join(", ")}`);
  for (const rule of checked.evaluated) {
    const { file, line, column } = rule.at;
    const shadow = rule.shadow === true ? " in the shadow" : "";
    const fired = `${rule.fired ? "fires" : "does not fire"}${shadow}`;
    output.line(`  ${rule.effect} "${rule.id}" ${fired}  ${file}:${line}:${column}`);
    for (const { argument, truth } of rule.conditions) {
      output.line(`    where.${argument} is ${truth}`);
    }
  }
};

export const check: Handler<ActionOptions> = async (context, { args, options }) => {
  const { policy, action, decision } = questionOf(context, args[0], options);
  const checked = checkAction(policy, action, decision);
  context.output.value(checked);
  printCheck(context.output, checked);
  return verdictExit[checked.verdict];
};

const printChange = (output: Output, change: PolicyExplanation["change"]): void => {
  switch (change.type) {
    case "none":
      output.line(`change: none. ${change.because}`);
      return;
    case "remove-rules":
      output.line(`change: without ${change.ids.join(", ")} it would be ${change.verdict}`);
      return;
    case "add-rule":
      output.line(`change: with this rule it would be ${change.verdict}`);
      for (const line of change.toml.trimEnd().split("\n")) output.line(`  ${line}`);
  }
};

export const explain: Handler<ActionOptions> = async (context, { args, options }) => {
  const { policy, action, decision } = questionOf(context, args[0], options);
  const explained = explainAction(policy, action, decision);
  const { output } = context;
  output.value(explained);
  for (const sentence of explained.why) output.line(sentence);
  printChange(output, explained.change);
  return exitCodes.done;
};

export const printErrors = (output: Output, found: readonly PolicyError[]): void => {
  for (const { code, message, at, next } of found) {
    output.line(formatError({ code, message, at, next: next ?? "", cause: [] }));
  }
};

/** Says something about a rule that is fine as it is. */
const isNote = (code: string): boolean => code === "no-driver" || code === "uncompiled";

export const lint: Handler<object> = async (context, { args }) => {
  const source = policyText(context, args[0]);
  const { output } = context;
  const result = compilePolicy([{ tier: "user", ...source }], nodeCrypto);
  if (!result.ok) {
    const found = result.error;
    const { file } = source;
    output.value({ schema: "ioi.policy-lint/1", ok: false, file, errors: found, findings: [] });
    printErrors(output, found);
    output.line(`${file}: ${found.length} errors; it does not load, and nothing would be allowed`);
    return exitCodes.wrong;
  }
  const findings = lintPolicy(result.value);
  const doubtful = findings.filter(({ code }) => !isNote(code));
  output.value({
    schema: "ioi.policy-lint/1",
    ok: doubtful.length === 0,
    file: source.file,
    hash: toHex(result.value.hash),
    rules: result.value.rules.length,
    errors: [],
    findings,
  });
  for (const { code, rule, message, at } of findings) {
    const word = isNote(code) ? "note" : "warning";
    output.line(`${word}[${code}]: ${at.file}:${at.line}:${at.column}: rule "${rule}" ${message}`);
  }
  const hash = toHex(result.value.hash).slice(0, 16);
  output.line(
    `${source.file}: loads, ${result.value.rules.length} rules, ${doubtful.length} warnings, hash ${hash}`,
  );
  return doubtful.length === 0 ? exitCodes.done : exitCodes.wrong;
};
