/**
 * What commands and terminals have in common: their sandbox over the session's folders, and what
 * becomes of what was staged. A change of a protected path is held back and named.
 */
import { ok, type Result } from "@ioi/base";
import type { SandboxSpec } from "@ioi/host/sandbox";
import type { Profile } from "@ioi/wire";
import type { ActContext, Restricted } from "../core/driver.ts";
import type { EffectEngine, EffectReport } from "../effects/engine.ts";
import { parentOf } from "../effects/folders.ts";
import type { ErrorCode } from "../errors.ts";
import type { DriverRejection } from "../fs/roots.ts";
import { changedPathsMax, heldNamedMax } from "../limits.ts";
import { divide, type HeldPath } from "./held.ts";
import { settleCopies } from "./copy-stage.ts";
import { readStage, type Stage } from "./stage.ts";

/** All changed paths, or, where they are many, those that stand above the others. */
export const named = (changed: readonly string[]): readonly string[] => {
  const all = [...new Set(changed)].sort();
  if (all.length <= changedPathsMax) return all;
  const set = new Set(all);
  const above = (each: string): boolean => {
    for (let at = parentOf(each); at !== "/"; at = parentOf(at)) if (set.has(at)) return true;
    return false;
  };
  return all.filter((each) => !above(each)).slice(0, changedPathsMax);
};

/** What a person reads of what was held back. */
const heldMessage = (held: readonly HeldPath[], applied: number): string => {
  const named = held.filter(({ why }) => why !== "");
  const first = named.slice(0, heldNamedMax).map(({ path: at, why }) => `${at} (${why})`);
  const more = held.length - first.length;
  const also = more > 0 ? ` and ${more} more` : "";
  const rest = applied > 0 ? "the rest was applied" : "nothing it wrote was applied";
  return `held back, because such a change asks: ${first.join(", ")}${also}; ${rest}`;
};

export const heldPaths = (held: readonly HeldPath[]): readonly string[] =>
  named(held.map((each) => each.path));

/** Folders that are written through a stage. */
export const writableFolders = ({ roots }: EffectEngine): readonly string[] => {
  const writable = roots.all.filter((root) => root.access === "write" && root.fd !== undefined);
  return [...new Set(writable.map((root) => root.path))];
};

export const commandSpec = (
  { roots }: EffectEngine,
  { limits, masks }: Profile,
  stage: Stage,
  network: SandboxSpec["network"] = "none",
  restricted?: Restricted,
  trust: SandboxSpec["binds"] = [],
): SandboxSpec => {
  const overlaid = new Set(stage.layers.map((layer) => layer.lower));
  const readable = roots.all
    .filter((root) => root.fd !== undefined && !overlaid.has(root.path))
    .map((root) => root.path);
  return {
    name: "command",
    kind: "command",
    binds: [
      ...[...new Set(readable)].map((each) => ({ path: each, access: "read" }) as const),
      ...(stage.copies === undefined
        ? []
        : stage.layers.map(
            ({ lower, upper }) => ({ path: lower, access: "write", from: upper }) as const,
          )),
      ...trust,
    ],
    masks: [...new Set([...masks, ...(restricted?.hidden ?? [])])],
    network,
    mayCreateNamespaces: false,
    limits: {
      memoryBytes: limits.memoryBytes,
      processes: limits.processes,
      fileBytes: limits.fileBytes,
    },
    ...(stage.copies === undefined ? { overlay: stage.layers } : {}),
  };
};

export interface Committed {
  /** Undefined where there was nothing but what is held back. */
  readonly effect: EffectReport | undefined;
  readonly held: readonly HeldPath[];
  readonly heldBack: { readonly code: ErrorCode; readonly message: string } | undefined;
  /** FIFOs and sockets that were left; they are not taken over. */
  readonly skipped: number;
}

/** Applies what was staged, with copies for undo; no process may be left that writes there. */
export const commitStage = async (
  engine: EffectEngine,
  target: string,
  stage: Stage,
  context: ActContext,
): Promise<Result<Committed, DriverRejection>> => {
  if (stage.copies !== undefined) settleCopies(stage);
  const staged = await readStage(engine.roots, stage, context.signal);
  if (!staged.ok) return staged;
  const { changes, skipped } = staged.value;
  const { applied, held } = divide(changes, context.restricted?.readOnly);
  const heldBack =
    held.length === 0
      ? undefined
      : ({ code: "E_EXEC_PROTECTED", message: heldMessage(held, applied.length) } as const);
  if (heldBack !== undefined && applied.length === 0) {
    return ok({ effect: undefined, held, heldBack, skipped });
  }
  const effect = await engine.perform({
    counter: context.counter,
    target,
    actionId: context.actionId,
    changes: applied,
    snapshot: true,
    signal: context.signal,
  });
  return ok({ effect, held, heldBack, skipped });
};
