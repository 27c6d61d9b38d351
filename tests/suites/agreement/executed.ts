/**
 * Operations before the real enforcers: a program in the real sandbox of the exec driver that does
 * them all, and the real files driver with the tickets that the decision allows.
 */
import fs from "node:fs";
import { OperationError, type SeededRandom } from "@ioi/base";
import type { Obligation } from "@ioi/wire";
import {
  type Args,
  contentRef,
  DriverProcess,
  type Preparation,
} from "../../lib/driver-process.ts";
import type { Operation } from "./generate.ts";
import { admits, inProfile, type Judge, judged } from "./judge.ts";
import { factsAt, fill, type Place } from "./place.ts";

export interface Tally {
  executed: number;
  /** Refused, but asked about before the program begins. */
  asked: number;
  denied: number;
  admittedDespiteDeny: number;
  /** Allowed, and an enforcer would not do it. */
  refusedDespiteAllow: number;
  /** Beyond every folder of the session. */
  beyond: number;
  admittedBeyond: number;
  readonly wrong: string[];
}

export const emptyTally = (): Tally => ({
  executed: 0,
  asked: 0,
  denied: 0,
  admittedDespiteDeny: 0,
  refusedDespiteAllow: 0,
  beyond: 0,
  admittedBeyond: 0,
  wrong: [],
});

const wrongShownMax = 20;

export const note = (tally: Tally, text: string): void => {
  if (tally.wrong.length < wrongShownMax) tally.wrong.push(text);
};

const quote = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;

/** One shell line for an operation; what it reads stands behind its number. */
const lineOf = ({ target, path: file, to = "" }: Operation, at: number): string => {
  const [a, b] = [quote(file), quote(to)];
  switch (target) {
    case "fs::read":
      return `echo "@${at}"; cat ${a} 2>/dev/null`;
    case "fs::write":
      return `printf 'new ${at}\\n' > ${a}`;
    case "fs::delete":
      return `rm -f ${a}`;
    case "fs::mkdir":
      return `mkdir ${a}`;
    case "fs::move":
      return `mv ${a} ${b}`;
    case "fs::copy":
      return `cp ${a} ${b}`;
  }
};

interface Seen {
  readonly output: string;
  /** The content of a file before the program, undefined where there was none. */
  readonly before: ReadonlyMap<string, string>;
}

const contentOf = (file: string): string | undefined => {
  const stat = fs.statSync(file, { throwIfNoEntry: false });
  if (stat === undefined) return undefined;
  return stat.isDirectory() ? "<folder>" : fs.readFileSync(file, "utf8");
};

/** Whether the world shows that it was done. */
const happened = (
  { target, path: file, to = "" }: Operation,
  at: number,
  { output, before }: Seen,
): boolean => {
  const was = before.get(file);
  switch (target) {
    case "fs::read": {
      const part = output.split(`@${at}\n`)[1]?.split(/^@\d+$/m)[0] ?? "";
      return was !== undefined && part.includes(was.trim());
    }
    case "fs::write":
      return contentOf(file) === `new ${at}\n`;
    case "fs::delete":
      return was !== undefined && contentOf(file) === undefined;
    case "fs::mkdir":
      return contentOf(file) === "<folder>";
    case "fs::move":
      return was !== undefined && contentOf(to) === was && contentOf(file) === undefined;
    case "fs::copy":
      return was !== undefined && contentOf(to) === was;
  }
};

/** Operations that do not touch what another one touches: each is judged by itself. */
export const apart = (operations: readonly Operation[]): readonly Operation[] => {
  const touched = new Set<string>();
  return operations.filter(({ path: file, to }) => {
    const paths = [file, ...(to === undefined ? [] : [to])];
    if (paths.some((each) => touched.has(each))) return false;
    for (const each of paths) touched.add(each);
    return true;
  });
};

export class Enforcers implements AsyncDisposable {
  readonly #place: Place;
  readonly #files: DriverProcess;
  readonly #exec: DriverProcess;
  #counter = 0n;

  private constructor(place: Place, files: DriverProcess, exec: DriverProcess) {
    this.#place = place;
    this.#files = files;
    this.#exec = exec;
  }

  static open(
    place: Place,
    authority: ConstructorParameters<typeof DriverProcess>[0]["authority"],
  ): Enforcers {
    fill(place);
    const { base, notes } = place;
    const more = [{ name: "notes", path: notes, access: "read" as const }];
    const [files, exec] = (["files", "exec"] as const).map(
      (kind) =>
        new DriverProcess({
          kind,
          base,
          authority,
          more,
          vault: kind === "files" ? "s-0123456789ab" : "s-ba9876543210",
        }),
    ) as [DriverProcess, DriverProcess];
    return new Enforcers(place, files, exec);
  }

  /** All of them by one program, under these obligations. */
  async program(operations: readonly Operation[], sandbox: readonly Obligation[]): Promise<Seen> {
    const { scope } = this.#place;
    const steps = operations.map((each, at) => lineOf(each, at));
    const script = `${steps.join("\n")}\necho "@end"`;
    const before = new Map<string, string>();
    for (const { path: file } of operations) {
      const content = contentOf(file);
      if (content !== undefined) before.set(file, content);
    }
    const prepared = await this.#exec.prepare("sys::exec", {
      argv: ["sh", "-c", script],
      cwd: scope,
    });
    const obligations: readonly Obligation[] = [{ type: "stage" }, ...sandbox];
    const ticket = this.#exec.ticket(prepared, ++this.#counter, { obligations });
    const { nonce } = prepared.prepared;
    const none = new Uint8Array(0);
    const end = await this.#exec.act(nonce, this.#exec.signed(ticket), none);
    const stdout = end.result["stdout"];
    const output = stdout instanceof Uint8Array ? Buffer.from(stdout).toString("utf8") : "";
    if (!output.includes("@end")) {
      throw new OperationError("E_TEST", `the program did not end: ${end.code} ${end.message}`);
    }
    return { output, before };
  }

  /** By the files driver, with its ticket where the decision gives one; says what came of it. */
  async file(
    operation: Operation,
    permit: (preparation: Preparation) => readonly Obligation[] | undefined,
  ): Promise<{ readonly status: string; readonly code: string }> {
    const { target, path: file, to } = operation;
    const content = Buffer.from("new\n");
    const args: Args = {
      path: file,
      ...(to === undefined ? {} : { to }),
      ...(target === "fs::write" ? { content: contentRef(content), create: "any" } : {}),
    };
    const prepared = await this.#files.prepare(target, args);
    const obligations = permit(prepared);
    if (obligations === undefined) return { status: "no ticket", code: "" };
    const ticket = this.#files.ticket(prepared, ++this.#counter, { obligations });
    const given = target === "fs::write" ? content : new Uint8Array(0);
    return await this.#files.act(prepared.prepared.nonce, this.#files.signed(ticket), given);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#files[Symbol.asyncDispose]();
    await this.#exec[Symbol.asyncDispose]();
  }
}

/** Every operation of the list by a program in the sandbox that the policy makes. */
export const runProgram = async (
  enforcers: Enforcers,
  judge: Judge,
  operations: readonly Operation[],
  tally: Tally,
): Promise<void> => {
  const { hidden, readOnly } = judge.sandbox.profile;
  const verdicts = operations.map((each) => judged(judge, each, factsAt));
  const mine: readonly Obligation[] =
    hidden.length + readOnly.length === 0
      ? []
      : [{ type: "sandbox", hidden: [...hidden], readOnly: [...readOnly] }];
  const seen = await enforcers.program(operations, mine);
  for (const [at, operation] of operations.entries()) {
    const { decision, denials, asked } = verdicts[at] as (typeof verdicts)[number];
    const done = happened(operation, at, seen);
    tally.executed++;
    const told = `${JSON.stringify(operation)} ${denials.join(",")}`;
    if (!inProfile(judge, operation)) {
      tally.beyond++;
      if (done) {
        tally.admittedBeyond++;
        note(tally, `beyond the folders: ${told}`);
      }
    } else if (denials.length > 0) {
      tally.denied++;
      if (asked) tally.asked++;
      else if (done) {
        tally.admittedDespiteDeny++;
        note(tally, `a program did what is refused: ${told}`);
      }
    } else if (decision.verdict === "allow" && admits(judge, operation) && !done) {
      tally.refusedDespiteAllow++;
      note(tally, `a program could not do what is allowed: ${told}`);
    }
  }
};

/** What stands in the way in the world itself. */
const ofTheWorld = new Set([
  "",
  "E_FS_EXISTS",
  "E_FS_NOT_FOUND",
  "E_FS_NO_PARENT",
  "E_FS_IS_A_DIRECTORY",
  "E_FS_NOT_A_DIRECTORY",
]);

/** Each by the files driver: with a ticket where it is allowed, and beyond the folders with one too. */
export const runFiles = async (
  enforcers: Enforcers,
  judge: Judge,
  operations: readonly Operation[],
  tally: Tally,
): Promise<void> => {
  for (const operation of operations) {
    const { decision, denials } = judged(judge, operation, factsAt);
    const own = inProfile(judge, operation);
    const before = contentOf(operation.path);
    tally.executed++;
    // A mad Guardian: beyond the folders its ticket does not help.
    const permit = (): readonly Obligation[] | undefined =>
      decision.verdict === "allow" ? decision.obligations : own ? undefined : [];
    const end = await enforcers.file(operation, permit).catch((error: unknown) => {
      if (error instanceof OperationError) return { status: "refused", code: error.code };
      throw error;
    });
    if (!own) {
      tally.beyond++;
      if (end.status !== "refused") {
        tally.admittedBeyond++;
        note(tally, `the files driver went beyond: ${JSON.stringify(operation)} ${end.status}`);
      }
    } else if (decision.verdict === "allow") {
      if (end.status !== "confirmed" && !ofTheWorld.has(end.code)) {
        tally.refusedDespiteAllow++;
        note(tally, `the files driver: ${JSON.stringify(operation)} ${end.status} ${end.code}`);
      }
    } else if (denials.length > 0) {
      tally.denied++;
      if (end.status !== "no ticket" || contentOf(operation.path) !== before) {
        tally.admittedDespiteDeny++;
        note(tally, `the files driver did what is refused: ${JSON.stringify(operation)}`);
      }
    }
  }
};

/** The control: the same refused operations without what the policy makes of the sandbox. */
export const unbound = async (
  enforcers: Enforcers,
  judge: Judge,
  operations: readonly Operation[],
): Promise<number> => {
  const refused = operations.filter((each) => {
    const { denials, asked } = judged(judge, each, factsAt);
    return denials.length > 0 && !asked && inProfile(judge, each);
  });
  if (refused.length === 0) return 0;
  const seen = await enforcers.program(refused, []);
  return refused.filter((each, at) => happened(each, at, seen)).length;
};

/** Shuffled: so that every kind comes early. */
export const shuffled = <T>(random: SeededRandom, list: readonly T[]): readonly T[] => {
  const all = [...list];
  for (let at = all.length - 1; at > 0; at--) {
    const other = random.below(at + 1);
    [all[at], all[other]] = [all[other] as T, all[at] as T];
  }
  return all;
};
