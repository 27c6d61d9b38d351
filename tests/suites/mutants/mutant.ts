/** A rule that is taken out, and what goes wrong then. */
export interface Mutant {
  /** As the code and specs/consensus name it. */
  readonly rule: string;
  readonly of: "Guardian" | "judge" | "host" | "divergence" | "sync" | "light client";
  /** The harm, or undefined where there is none. With the rule in place there must be none. */
  harm(isThere: boolean): string | undefined | Promise<string | undefined>;
}
