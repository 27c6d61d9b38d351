/** What an attack on a driver is, and how it is judged: after a program that believes it. */
import fs from "node:fs";
import path from "node:path";
import { OperationError, utf8Encode } from "@ioi/base";
import type { SuiteCase } from "../../suites/suite.ts";
import { type Args, contentRef, type Ended, type Preparation } from "../driver-process.ts";
import { caseOf, type Place } from "./place.ts";

export interface Tried {
  readonly verdict: string;
  readonly ended: Pick<Ended, "status" | "code" | "result">;
}

export interface Attack {
  readonly id: string;
  /** Before each of the two. */
  readonly lay?: (place: Place) => void;
  /** A program that believes it. */
  readonly naive: (place: Place) => void;
  readonly attempt: (place: Place) => Promise<Tried>;
  /** Looked at after each of the two. */
  readonly harmed: (place: Place, tried: Tried | undefined) => boolean;
}

export const evil = utf8Encode("evil\n");
export const refusal = (error: unknown): Tried => {
  if (!(error instanceof OperationError)) throw error;
  return { verdict: "none", ended: { status: "refused", code: error.code, result: {} } };
};

/** With a right ticket, whatever the policy says. `between` comes after the driver's look. */
export const forced = async (
  place: Place,
  target: string,
  args: Args,
  between: () => void = () => undefined,
): Promise<Tried> => {
  try {
    const given = await place.driver("files").prepare(target, args);
    between();
    const content = target === "fs::write" ? evil : undefined;
    return { verdict: "not asked", ended: await place.act("files", given, content) };
  } catch (error) {
    return refusal(error);
  }
};

/** A ticket only where the policy allows. */
export const judged = async (
  place: Place,
  kind: "files" | "exec",
  prepared: () => Promise<Preparation>,
  content?: Uint8Array,
): Promise<Tried> => {
  try {
    const given = await prepared();
    const verdict = place.verdict(given);
    const ended =
      verdict === "allow"
        ? await place.act(kind, given, content)
        : await place.actWithout(kind, given, content);
    return { verdict, ended };
  } catch (error) {
    return refusal(error);
  }
};

export const inside = (place: Place, name: string): string => path.join(place.root, name);
export const secretFile = (place: Place): string => path.join(place.outside, "canary.txt");

export const writeArgs = (file: string): Args => ({
  path: file,
  content: contentRef(evil),
  create: "any",
});

/** The canary was shown, or is gone. */
export const canaryHarmed = (place: Place, tried: Tried | undefined): boolean => {
  const shown = tried === undefined ? seen.delete(place) : shows(place, tried.ended.result);
  const changed = fs.readFileSync(secretFile(place), "utf8") !== place.canary;
  fs.writeFileSync(secretFile(place), place.canary);
  return shown || changed;
};

/** Places whose canary a control has just read. */
const seen = new Set<Place>();
export const believes = (place: Place, file: fs.PathOrFileDescriptor): void => {
  if (fs.readFileSync(file, "latin1").includes(place.canary)) seen.add(place);
};

const shows = (place: Place, result: Args): boolean =>
  Object.values(result).some(
    (value) =>
      (typeof value === "string" && value.includes(place.canary)) ||
      (value instanceof Uint8Array && Buffer.from(value).includes(place.canary)),
  );

export const again = (at: string, make: () => void): void => {
  fs.rmSync(at, { force: true, recursive: true });
  make();
};

export const reads = (id: string, file: (place: Place) => string, lay?: Attack["lay"]): Attack => ({
  id,
  ...(lay === undefined ? {} : { lay }),
  naive: (place) => believes(place, file(place)),
  attempt: (place) => forced(place, "fs::read", { path: file(place) }),
  harmed: canaryHarmed,
});

export const writes = (
  id: string,
  file: (place: Place) => string,
  lay?: Attack["lay"],
): Attack => ({
  id,
  ...(lay === undefined ? {} : { lay }),
  naive: (place) => fs.writeFileSync(file(place), evil),
  attempt: (place) => forced(place, "fs::write", writeArgs(file(place))),
  harmed: canaryHarmed,
});

export const judgeAttack = async (place: Place, attack: Attack): Promise<SuiteCase> => {
  attack.lay?.(place);
  attack.naive(place);
  const control = attack.harmed(place, undefined);
  attack.lay?.(place);
  const tried = await attack.attempt(place);
  const harmed = attack.harmed(place, tried);
  const { status, code } = tried.ended;
  return caseOf({
    id: attack.id,
    control,
    held: !harmed && tried.verdict !== "allow",
    expected: "not allowed, or refused by the driver; no harm",
    actual: `${tried.verdict}; ${status} ${code}; ${harmed ? "HARM" : "no harm"}`,
  });
};
