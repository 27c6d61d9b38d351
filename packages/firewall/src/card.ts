/**
 * The card: what a person reads before answering an ask. Made from the canonical action alone, never
 * from a model's prose; its hash is what the person's device signs. Characters that cannot be seen
 * are shown by number, so a card has exactly the lines that this module gives it.
 */
import { toHex } from "@ioi/base";
import type { Action, AskSource, CanonicalValue, Facts } from "@ioi/wire";
import { protectedPaths } from "./builtin.ts";
import {
  cardArgumentsMax,
  cardValueCharsMax,
  patternMinutesMax,
  patternUsesMax,
} from "./limits.ts";
import { patternLines } from "./grant-pattern.ts";
import { offeredPattern, sessionScopeOffered } from "./grants.ts";
import { jsonOfCanonical } from "./kinds/data.ts";
import { readHost } from "./kinds/names.ts";
import { nameClass, parseCanonicalUrl } from "./net/url.ts";
import { canRunAnything } from "./programs.ts";
import { type Place, placeOf, rootTable, type RootTable, showPath } from "./roots.ts";
import { analyseArgv } from "./shell.ts";
import { readSubject } from "./subject.ts";
import { type ArgumentSpec, targets } from "./targets.ts";
import { toolTarget } from "./tool-roles/conditions.ts";
import { toolLines } from "./tool-roles/text.ts";
import type { Decision, DecisionContext, SessionContext } from "./types.ts";
import { letterWarnings, visible } from "./visible.ts";

const bounded = (text: string, already = false): string => {
  const shown = already ? text : visible(text);
  return shown.length <= cardValueCharsMax
    ? shown
    : `${shown.slice(0, cardValueCharsMax)}... (${text.length} characters in all)`;
};

const line = (label: string, text: string): string => `${label.padEnd(9)} ${text}`;

const pathLines = (
  label: string,
  text: string,
  facts: Facts | undefined,
  table: RootTable,
): readonly string[] => {
  const place: Place = placeOf(text, facts?.caseInsensitive === true, table);
  const short = showPath(place, table);
  const lines = [line(label, bounded(short === text ? text : `${short}  (${text})`))];
  if (facts === undefined) return [...lines, line("", "not looked up")];
  if (facts.realPath.normalize("NFC") !== text) {
    lines.push(line("", bounded(`really ${facts.realPath}`)));
  }
  const size = facts.size === undefined ? "" : `, ${facts.size} bytes`;
  const links = (facts.nlink ?? 1) > 1 && facts.kind === "file" ? `, ${facts.nlink} names` : "";
  lines.push(
    line(
      "",
      facts.exists ? `is there: ${facts.kind ?? "unknown"}${size}${links}` : "not there yet",
    ),
  );
  if (facts.dotNames === true) lines.push(line("", "holds names that begin with a dot"));
  if (facts.before !== undefined) {
    lines.push(line("", `its content goes: sha256 ${toHex(facts.before).slice(0, 16)}`));
  }
  // Neither copy nor move replaces anything.
  if (label === "to" && facts.exists) lines.push(line("", "is not replaced: this will be refused"));
  return lines;
};

/** Text and numbers as they are; nothing else stands alone on a card. */
const plainText = (value: CanonicalValue): string =>
  typeof value === "string" || typeof value === "number" || typeof value === "bigint"
    ? `${value}`
    : value instanceof Uint8Array
      ? toHex(value)
      : "?";

const quoted = (text: string): string =>
  /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? bounded(text) : `"${bounded(text)}"`;

const insideLine = (table: RootTable, network: string): string => {
  const roots = table.roots.slice(0, -1).map(({ name, path }) => `${name}:/ (${visible(path)})`);
  return line("sandbox", `can run anything inside: ${roots.join(", ")}; ${network}`);
};

const networkOf = (args: Action["args"]): string =>
  args["network"] === undefined ? "no network" : "a network";

/** What it means to open a terminal, and to close it. */
const shellLines = ({ args }: Action, table: RootTable): readonly string[] => {
  switch (args["do"]) {
    case "open":
      return [
        insideLine(table, networkOf(args)),
        line("typing", "is recorded and not asked about again"),
        line("writes", "are held back until it is closed, then applied; can be undone"),
      ];
    case "close":
      return [line("writes", "are applied; can be undone")];
    default:
      return [];
  }
};

const argvLines = (
  argv: readonly string[],
  program: Facts | undefined,
  table: RootTable,
  network: string,
): readonly string[] => {
  const lines = argv
    .slice(0, cardArgumentsMax)
    .map((text, at) => line(at === 0 ? "program" : `  ${at}`, quoted(text)));
  if (argv.length > cardArgumentsMax) {
    lines.push(line("", `and ${argv.length - cardArgumentsMax} more arguments`));
  }
  if (program === undefined) lines.push(line("", "the program was not looked up"));
  else {
    const hash = program.sha256 === undefined ? "unknown" : toHex(program.sha256).slice(0, 16);
    lines.push(line("is", `${bounded(program.realPath)}  sha256 ${hash}`));
  }
  const names = [argv[0] ?? "", program?.realPath ?? ""];
  const script = analyseArgv(argv, program?.realPath);
  const inside = script?.commands.map((command) => command[0] ?? "") ?? [];
  if ([...names, ...inside].some(canRunAnything)) lines.push(insideLine(table, network));
  else lines.push(line("sandbox", `${network}; writes are held back until it ends`));
  if (script?.dynamic !== undefined) {
    lines.push(line("decides", `only while it runs: ${visible(script.dynamic)}`));
  }
  return lines;
};

const isRecord = (value: CanonicalValue): value is { readonly [key: string]: CanonicalValue } =>
  typeof value === "object" &&
  value !== null &&
  !Array.isArray(value) &&
  !(value instanceof Uint8Array);

const contentLines = (value: CanonicalValue): readonly string[] => {
  if (!isRecord(value)) return [];
  const { sha256, length, head } = value;
  if (!(sha256 instanceof Uint8Array) || typeof head !== "string") return [];
  const lines = [
    line("content", `${plainText(length ?? null)} bytes, sha256 ${toHex(sha256).slice(0, 16)}`),
  ];
  if (head !== "") lines.push(line("begins", `"${bounded(head)}"`));
  return lines;
};

const urlLines = (label: string, text: string): readonly string[] => {
  const lines = [line(label, bounded(text))];
  const url = parseCanonicalUrl(text);
  if (!url.ok) return lines;
  // The host alone, so that no long path hides it.
  lines.push(line("host", bounded(`${url.value.host}, port ${url.value.port}`)));
  if (url.value.scheme === "http") lines.push(line("", "not encrypted"));
  const kind = nameClass(url.value);
  return kind === "public" ? lines : [...lines, line("", `a ${kind} address`)];
};

const argumentLines = (spec: ArgumentSpec, action: Action, table: RootTable): readonly string[] => {
  const value = action.args[spec.name];
  if (value === undefined) return [];
  if (spec.type === "path" && typeof value === "string") {
    return pathLines(spec.name, value, action.facts[spec.name], table);
  }
  if (spec.type === "paths" && Array.isArray(value)) {
    return (value as readonly CanonicalValue[])
      .slice(0, cardArgumentsMax)
      .flatMap((path, at) =>
        pathLines(
          `${spec.name} ${at + 1}`,
          plainText(path),
          action.facts[`${spec.name}.${at}`],
          table,
        ),
      );
  }
  if (spec.type === "argv" && Array.isArray(value)) {
    return argvLines(
      (value as readonly CanonicalValue[]).map(plainText),
      action.facts["program"],
      table,
      networkOf(action.args),
    );
  }
  if (spec.type === "content") return contentLines(value);
  if (spec.type === "url" && typeof value === "string") return urlLines(spec.name, value);
  if (spec.type === "headers" && isRecord(value)) {
    return Object.entries(value).map(([name, text]) =>
      line("header", bounded(`${name}: ${plainText(text)}`)),
    );
  }
  if (spec.type === "host" && typeof value === "string") {
    const host = readHost(value);
    const kind = host.ok ? nameClass(host.value) : "public";
    const more = kind === "public" ? "" : `, a ${kind} address`;
    return [line(spec.name, bounded(`${value}${more}`))];
  }
  if (spec.type === "emails" && Array.isArray(value)) {
    return (value as readonly CanonicalValue[]).map((each) =>
      line(spec.name, bounded(plainText(each))),
    );
  }
  if (value instanceof Uint8Array) {
    return [line(spec.name, `sha256 ${toHex(value).slice(0, 16)}`)];
  }
  if (spec.type === "json" || spec.type === "element" || spec.type === "point") {
    return [line(spec.name, bounded(JSON.stringify(jsonOfCanonical(value) ?? null)))];
  }
  return [line(spec.name, bounded(plainText(value)))];
};

/** A call of a tool, value by value, each with where it comes from. */
const callLines = (
  value: CanonicalValue,
  session: SessionContext,
  asks: readonly AskSource[],
): readonly string[] => {
  const json = jsonOfCanonical(value);
  if (json === undefined) return [];
  return toolLines(json, session, asks).map(([label, text]) => line(label, bounded(text, true)));
};

const askLine = (ask: AskSource): string =>
  ask.kind === "default" ? "no rule allows it" : `${ask.kind} ${visible(ask.id)}`;

/** Every text of an action that a person reads, for warnings about its letters. */
const textsOf = (value: CanonicalValue): readonly string[] => {
  if (typeof value === "string") return [value];
  if (isRecord(value)) return Object.values(value).flatMap(textsOf);
  return Array.isArray(value) ? (value as readonly CanonicalValue[]).flatMap(textsOf) : [];
};

const undoLine = (decision: Decision): string =>
  decision.reversible
    ? decision.obligations.every(({ type }) => type === "flow")
      ? "nothing is lost"
      : "kept for undo before it happens"
    : "cannot be undone by itself, or is protected";

/**
 * Where a program with a network may go; what it may not go to unasked asks, unless it is one that
 * outlives its act (`lasts`).
 */
const networkLines = ({ obligations }: Decision, lasts: boolean): readonly string[] => {
  const all = obligations.flatMap((each) => (each.type === "flow" ? (each.hosts ?? []) : []));
  const places = all.filter(({ intercept }) => intercept !== "judged");
  const opened = all.filter(({ intercept }) => intercept !== undefined);
  if (!obligations.some((each) => each.type === "flow" && each.hosts !== undefined)) return [];
  const named = places
    .slice(0, cardArgumentsMax)
    .map(({ host, port, methods, intercept }) =>
      [
        `${host}:${port}`,
        ...(methods === undefined ? [] : [`(${methods.join(", ")})`]),
        ...(intercept === undefined ? [] : ["(read)"]),
      ].join(" "),
    );
  const more = places.length - named.length;
  const list = named.length === 0 ? "nowhere" : named.join(", ");
  const also = more > 0 ? ` and ${more} more` : "";
  const other = lasts ? "refused" : "asked about";
  const reads = opened.map(({ host, port }) => `${host}:${port}`).join(", ");
  return [
    line("reaches", bounded(`${list}${also} without asking; any other host is ${other}`)),
    ...(opened.length === 0
      ? []
      : [line("opens", bounded(`its encrypted connections to ${reads}: each request is read`))]),
  ];
};

/** The canonical text of the card; equal for equal action, decision and session. */
export const card = (action: Action, decision: Decision, context: DecisionContext): string => {
  const table = rootTable(context.session);
  const spec = targets.get(action.target);
  const lines = [`${visible(action.target)}: ${spec?.what ?? "unknown"}`];
  for (const argument of spec?.arguments ?? []) {
    const value = action.args[argument.name];
    const isCall = action.target === toolTarget && argument.type === "json" && value !== undefined;
    lines.push(
      ...(isCall
        ? callLines(value, context.session, decision.asks)
        : argumentLines(argument, action, table)),
    );
  }
  const isShell = action.target === "sys::shell";
  if (isShell) lines.push(...shellLines(action, table));
  const subject = readSubject(action, table);
  for (const { key, why } of subject.ok ? protectedPaths(subject.value) : []) {
    lines.push(line("protected", `${key}: ${why}`));
  }
  const warnings = Object.values(action.args).flatMap(textsOf).flatMap(letterWarnings);
  for (const warning of [...new Set(warnings)].slice(0, 5)) lines.push(line("letters", warning));
  lines.push(...networkLines(decision, context.starts !== undefined || isShell));
  for (const ask of decision.asks) lines.push(line("asks", askLine(ask)));
  lines.push(line("why", bounded(decision.reason, true)));
  lines.push(line("undo", undoLine(decision)));
  const pattern = subject.ok ? offeredPattern(decision.asks, action, subject.value) : undefined;
  const whole = sessionScopeOffered(decision.asks, action);
  const alike = pattern === undefined ? "" : "alike, or ";
  lines.push(line("answers", whole ? `once, ${alike || "or "}this session` : "once"));
  if (pattern !== undefined) {
    const bounds = `at most ${patternUsesMax} like it in ${patternMinutesMax} minutes`;
    lines.push(line("alike", `${bounds}; same but for`));
    for (const each of patternLines(pattern, table)) lines.push(line("", bounded(each, true)));
  }
  lines.push(
    line("session", `${visible(context.session.session)}, agent ${visible(context.session.agent)}`),
  );
  return `${lines.map((each) => each.trimEnd()).join("\n")}\n`;
};

const oneLineMax = 160;

/** What goes into a terminal is its whole point. */
const typed = ({ target, args }: Action): readonly string[] => {
  const input = args["input"];
  if (target !== "sys::shell" || input === undefined || !isRecord(input)) return [];
  const { head } = input;
  return typeof head === "string" ? [quoted(head.replace(/\n$/, ""))] : [];
};

/** One line for a list: the target and where. */
export const display = (action: Action, session?: SessionContext): string => {
  const spec = targets.get(action.target);
  const table = session === undefined ? undefined : rootTable(session);
  const parts = (spec?.arguments ?? [])
    .filter(
      ({ type, fromSession, optional }) =>
        type !== "content" &&
        type !== "headers" &&
        // What is there only sometimes says why it is another action.
        (fromSession !== true || optional === true),
    )
    .flatMap((argument) => {
      const value = action.args[argument.name];
      if (value === undefined) return [];
      const texts = textsOf(value).map((text) =>
        table !== undefined && text.startsWith("/") && argument.type !== "argv"
          ? showPath(placeOf(text, false, table), table)
          : text,
      );
      const joined = texts.length === 0 ? plainText(value) : texts.map(quoted).join(" ");
      return [argument.name === "to" || argument.name === "address" ? `-> ${joined}` : joined];
    });
  const text = [visible(action.target), ...parts, ...typed(action)].join(" ");
  return text.length > oneLineMax ? `${text.slice(0, oneLineMax)}...` : text;
};
