/**
 * What a target says of itself: its arguments, what each is for, whether it changes anything and
 * whether that can be undone. Roles: `path`, `program` and `destination` must be constrained by
 * what allows; `destination`, `credential` and `selector` must be grounded in the person's words.
 */
import type { DriverKind } from "@ioi/wire";

export type Role =
  | "destination"
  | "amount"
  | "credential"
  | "selector"
  | "program"
  | "path"
  | "content"
  | "flag";

interface ArgumentBase {
  readonly name: string;
  readonly role: Role;
  readonly optional?: true;
  /** Comes from the session, never from the model; an allow need not constrain it. */
  readonly fromSession?: true;
  /** Comes from the session, and an allow says where all the same: the page that is acted on. */
  readonly bounds?: true;
  /** For a person and for a model. */
  readonly what: string;
}

export type ArgumentSpec = ArgumentBase &
  (
    | { readonly type: "path" | "paths"; readonly use: "reads" | "writes" | "removes" | "works-in" }
    | { readonly type: "text"; readonly charsMax: number; readonly choices?: readonly string[] }
    | { readonly type: "integer"; readonly min: number; readonly max: number }
    | { readonly type: "content" }
    | { readonly type: "argv" }
    | { readonly type: "url" }
    /** A name or address in canonical spelling, as text. */
    | { readonly type: "host" }
    /** Addresses of mail, as a list of texts. */
    | { readonly type: "emails" }
    /** A decimal number in text, never a float. */
    | { readonly type: "amount" }
    /** CAIP-10: the chain and the address on it, as text. */
    | { readonly type: "account" }
    /** What is pressed: the snapshot in which it was seen, role, name, bounds. */
    | { readonly type: "element" }
    /** A point of a snapshot, in its pixels. */
    | { readonly type: "point" }
    /** A JSON object. */
    | { readonly type: "json" }
    | { readonly type: "bytes"; readonly length: number }
    /** `reads`: of a request without a body. */
    | { readonly type: "headers"; readonly use: "reads" | "sends" }
  );

export interface TargetSpec {
  readonly name: string;
  readonly group: string;
  readonly what: string;
  readonly arguments: readonly ArgumentSpec[];
  /** Changes something beyond what the agent knows. */
  readonly consequential: boolean;
  /** Leaves nothing to undo, or can be undone with its obligation kept. */
  readonly reversible: boolean;
  readonly obligation?: "snapshot" | "stage" | "flow";
  /** Which driver performs it; undefined where this version has none. */
  readonly driver: DriverKind | undefined;
}

export const groupOfName = (name: string): string => name.slice(0, name.indexOf("::"));

/** A target that no driver of this version performs: judged, and never allowed. */
export const undriven = (
  name: string,
  what: string,
  given: readonly ArgumentSpec[],
  effect: "reads" | "changes" = "changes",
): TargetSpec => ({
  name,
  group: groupOfName(name),
  what,
  arguments: given,
  consequential: effect === "changes",
  reversible: effect === "reads",
  driver: undefined,
});

export const text = (
  name: string,
  what: string,
  role: Role = "flag",
  more: {
    readonly charsMax?: number;
    readonly choices?: readonly string[];
    readonly optional?: true;
    readonly fromSession?: true;
  } = {},
): ArgumentSpec => ({ name, type: "text", role, charsMax: 256, what, ...more });

export const integer = (
  name: string,
  what: string,
  min: number,
  max: number,
  more: { readonly optional?: true; readonly fromSession?: true } = {},
): ArgumentSpec => ({ name, type: "integer", role: "flag", min, max, what, ...more });

export const content = (name: string, what: string, optional?: true): ArgumentSpec => ({
  name,
  type: "content",
  role: "content",
  what,
  ...(optional === undefined ? {} : { optional }),
});

export const path = (
  what: string,
  use: "reads" | "writes" | "removes",
  name = "path",
): ArgumentSpec => ({ name, type: "path", role: "path", use, what });

/** Where a program starts: from the session, never from the model. */
export const workingFolder: ArgumentSpec = {
  name: "cwd",
  type: "path",
  role: "path",
  use: "works-in",
  fromSession: true,
  what: "where it starts",
};
