/**
 * Reads the scripts that a program is told to run (`sh -c SCRIPT`), through shells and wrappers
 * inside each other, and answers: is anything in there decided only when it runs, and which
 * commands and redirects are in there otherwise.
 *
 * Source: the design of the firewall, section 1 (Shell). The parser decides when to ask; the
 * sandbox is what makes it safe. So whatever is not surely plain counts as dynamic: expansions of
 * every kind, globs, arithmetic, what the parser complains about, syntax that shells read
 * differently, commands that change how later words are read, variables that make programs run
 * others. Bounds: `scriptCharsMax`, `scriptDepthMax`, `scriptCommandsMax`.
 */
import {
  forEachChild,
  parse,
  type Command,
  type Redirect,
  type SyntaxNode,
  type Word,
} from "unbash";
import { scriptCharsMax, scriptCommandsMax, scriptDepthMax, scriptOpeningsMax } from "./limits.ts";
import { lastName } from "./paths.ts";
import { isOtherShell, isPoisonedVariable, isReadableShell } from "./programs.ts";

export interface ScriptRedirect {
  readonly path: string;
  readonly writes: boolean;
}

export interface Script {
  /** Why the script is decided only when it runs; undefined where every word is plain. */
  readonly dynamic: string | undefined;
  /** Argument vectors of the simple commands, wrappers and shells included. */
  readonly commands: readonly (readonly string[])[];
  readonly redirects: readonly ScriptRedirect[];
}

/** What holds nothing but plain words. Every other kind of node is dynamic. */
const plainNodes: ReadonlySet<string> = new Set([
  "Script",
  "Statement",
  "CompoundList",
  "Pipeline",
  "AndOr",
  "Negation",
  "Command",
  "Word",
  "Literal",
  "SingleQuoted",
  "DoubleQuoted",
  "Assignment",
  "Redirect",
  "FileDescriptor",
  "Redirected",
  "HereDoc",
  "HereDocDelimiter",
  "HereDocBody",
  "Subshell",
  "BraceGroup",
  "If",
  "Elif",
  "While",
  "For",
]);

const nodeNames: Readonly<Record<string, string>> = {
  SimpleExpansion: "a variable",
  ParameterExpansion: "a variable",
  CommandExpansion: "the output of a command",
  ProcessSubstitution: "the output of a command",
  ArithmeticExpansion: "arithmetic",
  ArithmeticCommand: "arithmetic",
  Glob: "a pattern of file names",
  ExtendedGlob: "a pattern of file names",
  BraceExpansion: "a brace expansion",
  HereString: "a here-string",
  Function: "a function",
};

/** Commands of the shell that change how later words are read, or read words from elsewhere. */
const dynamicCommands: ReadonlySet<string> = new Set(
  (
    "source . alias unalias trap hash enable read mapfile readarray getopts let declare typeset " +
    "local set shopt fc bind coproc"
  ).split(" "),
);

/** Programs that run a command of their arguments in ways that are not followed here. */
const opaqueLaunchers: ReadonlySet<string> = new Set(
  (
    "sudo doas su runuser pkexec parallel watch flock script strace ltrace gdb chroot unshare " +
    "nsenter setpriv systemd-run start-stop-daemon xargs"
  ).split(" "),
);

class Reader {
  dynamic: string | undefined;
  readonly commands: (readonly string[])[] = [];
  readonly redirects: ScriptRedirect[] = [];
  /** A `cd` was seen: relative redirects lead nobody knows where. */
  moved = false;

  doubt(why: string): void {
    this.dynamic ??= why;
  }

  command(argv: readonly string[], depth: number): void {
    if (this.commands.length >= scriptCommandsMax) {
      this.doubt("too many commands");
      return;
    }
    this.commands.push(argv);
    readVector(this, argv, argv[0] ?? "", depth);
  }

  redirect(path: string, writes: boolean): void {
    if (this.redirects.length >= scriptCommandsMax) this.doubt("too many redirects");
    else this.redirects.push({ path, writes });
  }
}

const shown = (text: string): string =>
  JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}...` : text);

const readWord = (reader: Reader, { text }: Word): void => {
  if (text.startsWith("~") || /[=:]~/.test(text)) reader.doubt(`the home in ${shown(text)}`);
  if (text.includes("\r")) reader.doubt("a carriage return");
};

const readRedirect = (reader: Reader, { operator, target }: Redirect): void => {
  const path = target?.value;
  if (path === undefined) reader.doubt("a redirect to nowhere");
  else if (operator === "<" || operator === "<>") reader.redirect(path, operator === "<>");
  else if (operator === ">" || operator === ">>" || operator === ">|") reader.redirect(path, true);
  else if ((operator === ">&" || operator === "<&") && /^[0-9]{1,3}-?$|^-$/.test(path)) return;
  else reader.doubt(`the redirect ${operator}`);
};

const readCommand = (reader: Reader, node: Command, depth: number): void => {
  for (const each of [...node.prefix, ...node.suffix]) {
    if (each.type !== "Assignment") continue;
    readAssignment(reader, each.text);
    // Only some shells know these; in others they are commands.
    if (each.index !== undefined || each.append === true)
      reader.doubt("an array or appended variable");
  }
  if (node.name === undefined) return;
  const argv = [node.name.value];
  for (const each of node.suffix) {
    if (each.type === "Word") argv.push(each.value);
    else if (each.type === "Assignment") argv.push(each.text);
  }
  reader.command(argv, depth);
};

const readAssignment = (reader: Reader, text: string): void => {
  const name = /^[A-Za-z_][A-Za-z0-9_]*/.exec(text)?.[0] ?? text;
  if (isPoisonedVariable(name)) reader.doubt(`the variable ${shown(name)}`);
};

const visit = (reader: Reader, node: SyntaxNode, depth: number): void => {
  if (!plainNodes.has(node.type))
    reader.doubt(`${nodeNames[node.type] ?? node.type} in the script`);
  if (node.type === "Script" && (node as { errors?: readonly unknown[] }).errors?.length) {
    reader.doubt("it cannot be parsed");
  }
  if (node.type === "Word") readWord(reader, node);
  if (node.type === "Redirect") readRedirect(reader, node);
  if (node.type === "HereDoc" && node.closing === undefined) {
    reader.doubt("a here-document that does not end");
  }
  if (node.type === "Command") readCommand(reader, node, depth);
  forEachChild(node, (child) => visit(reader, child, depth));
};

/** What opens something inside which the parser recurses; a bound on it bounds the stack. */
const openings = /[({`]|\bcoproc\b|\bfunction\b/g;

const readScript = (reader: Reader, text: string, depth: number): void => {
  const opened = text.length > scriptCharsMax ? 0 : (text.match(openings)?.length ?? 0);
  if (depth > scriptDepthMax || opened > scriptOpeningsMax) reader.doubt("nested too deeply");
  else if (text.length > scriptCharsMax) reader.doubt("a script too long to read");
  else visit(reader, parse(text), depth);
};

/** The argument after `-c` and the options; null where the options are not understood. */
const scriptOf = (args: readonly string[]): string | null | undefined => {
  let command = false;
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] as string;
    if (arg === "--" || arg === "-") return command ? (args[at + 1] ?? null) : undefined;
    if (/^\+[oO]$/.test(arg)) at++;
    else if (/^--(?:norc|noprofile|posix|restricted|login|verbose)$/.test(arg)) continue;
    else if (/^-[A-Za-z]+$/.test(arg)) {
      if (/[sirlD]/.test(arg)) return null;
      command ||= arg.includes("c");
      // -o and -O take a value, also at the end of a cluster as in -euo pipefail.
      at += /[oO]/.test(arg) ? 1 : 0;
    } else if (/^\+[A-Za-z]+$/.test(arg)) continue;
    else if (arg.startsWith("-")) return null;
    else return command ? arg : undefined;
  }
  return command ? null : undefined;
};

/** Options of a wrapper before the command it runs; those in `valued` take the next argument. */
interface Wrapper {
  readonly plain: RegExp;
  readonly valued: RegExp;
  /** Arguments between the options and the command. */
  readonly operands: number;
}

const wrapper = (plain: RegExp, valued: RegExp, operands = 0): Wrapper => ({
  plain,
  valued,
  operands,
});
const never = /^$/;

const wrappers: ReadonlyMap<string, Wrapper> = new Map([
  ["env", wrapper(/^(?:-|-i|-0|-v|--ignore-environment|--null)$/, never)],
  ["nice", wrapper(/^(?:-[0-9]+|--[0-9]+|-n-?[0-9]+|--adjustment=-?[0-9]+)$/, /^-n$/)],
  ["nohup", wrapper(never, never)],
  ["setsid", wrapper(/^-[cfw]+$|^--(?:ctty|fork|wait)$/, never)],
  [
    "timeout",
    wrapper(
      /^(?:-v|-f|-p|--(?:foreground|preserve-status|verbose|kill-after=.*|signal=.*)|-[ks].+)$/,
      /^-[ks]$/,
      1,
    ),
  ],
  ["stdbuf", wrapper(/^(?:-[ioe].+|--(?:input|output|error)=.*)$/, /^-[ioe]$/)],
  ["ionice", wrapper(/^(?:-t|-[cn][0-9]|--ignore)$/, /^-[cn]$/)],
  ["time", wrapper(/^-[pv]$/, never)],
  ["command", wrapper(/^-p$/, never)],
  ["builtin", wrapper(never, never)],
  ["exec", wrapper(/^-[cl]+$/, /^-a$/)],
  ["busybox", wrapper(never, never)],
  ["toybox", wrapper(never, never)],
]);

/** The command inside a wrapper; null where its options are not understood. */
const unwrapped = (
  reader: Reader,
  name: string,
  { plain, valued, operands }: Wrapper,
  args: readonly string[],
): readonly string[] | null => {
  let at = 0;
  for (; at < args.length; at++) {
    const arg = args[at] as string;
    if (arg === "--") {
      at++;
      break;
    }
    if (valued.test(arg)) at++;
    else if (name === "env" && /^[A-Za-z_][A-Za-z0-9_]*=/.test(arg)) readAssignment(reader, arg);
    else if (plain.test(arg)) continue;
    else if (arg.startsWith("-")) return null;
    else break;
  }
  for (; name === "env" && /^[A-Za-z_][A-Za-z0-9_]*=/.test(args[at] ?? ""); at++) {
    readAssignment(reader, args[at] as string);
  }
  return args.slice(at + operands);
};

const readSpecial = (
  reader: Reader,
  name: string,
  args: readonly string[],
  depth: number,
): void => {
  if (dynamicCommands.has(name)) reader.doubt(`the command ${shown(name)}`);
  else if (name === "eval") readScript(reader, args.join(" "), depth + 1);
  else if (name === "export" || name === "readonly" || name === "unset") {
    for (const arg of args) readAssignment(reader, arg);
  } else if (name === "cd" || name === "pushd" || name === "popd") reader.moved = true;
  else if (name === "printf" && args[0] === "-v") reader.doubt("printf -v");
};

/** Looks into one argument vector whose program is (also) called `program`. */
const readVector = (
  reader: Reader,
  argv: readonly string[],
  program: string,
  depth: number,
): void => {
  if (depth > scriptDepthMax) {
    reader.doubt("nested too deeply");
    return;
  }
  const args = argv.slice(1);
  const names = [lastName(argv[0] ?? ""), lastName(program)];
  if (names.some(isReadableShell)) {
    const script = scriptOf(args);
    if (script === null) reader.doubt("options of the shell that are not understood");
    else if (script !== undefined) readScript(reader, script, depth + 1);
    return;
  }
  if (names.some(isOtherShell)) {
    if (args.some((arg) => /^-[a-zA-Z]*[cC]|^--?[cC]ommand|^-[eE]/.test(arg))) {
      reader.doubt("a script in a language that is not read here");
    }
    return;
  }
  for (const name of new Set(names)) {
    const kind = wrappers.get(name);
    if (kind === undefined) continue;
    const inner = unwrapped(reader, name, kind, args);
    if (inner === null) reader.doubt(`options of ${name} that are not understood`);
    else if (inner.length > 0) reader.command(inner, depth + 1);
    return;
  }
  const opaque = names.find((name) => opaqueLaunchers.has(name));
  if (opaque !== undefined) {
    reader.doubt(`what ${opaque} runs`);
    const command = args.findIndex((arg) => !arg.startsWith("-"));
    if (command >= 0) reader.command(args.slice(command), depth + 1);
    return;
  }
  // Only inside a script are these the shell's own; as programs they are judged as programs.
  if (depth > 0) readSpecial(reader, names[0] as string, args, depth);
};

/**
 * What a program is told to run beyond itself; undefined for most programs, which are told nothing
 * of the kind. `program` is where the program really is.
 */
export const analyseArgv = (
  argv: readonly string[],
  program: string | undefined,
): Script | undefined => {
  const reader = new Reader();
  readVector(reader, argv, program ?? "", 0);
  const relative = reader.redirects.some(({ path }) => !path.startsWith("/"));
  if (reader.moved && relative) reader.doubt("a relative redirect after a change of folder");
  const { dynamic, commands, redirects } = reader;
  return dynamic === undefined && commands.length === 0 && redirects.length === 0
    ? undefined
    : { dynamic, commands, redirects };
};
