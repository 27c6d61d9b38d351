/**
 * The files driver: `fs::{stat,list,search,read,write,mkdir,copy,move,delete,restore}`.
 *
 * `prepare` opens every place of the action without following a link and without touching content;
 * `act` works from those descriptors and checks first that the paths still lead to them.
 */
import { createHash } from "node:crypto";
import { ok, type Result } from "@ioi/base";
import type { CanonicalValue, ContentRef, Facts } from "@ioi/wire";
import {
  type ActContext,
  type ActReport,
  type Driver,
  type ObligationType,
  type PreparedAction,
  refused,
} from "../core/driver.ts";
import type { EffectEngine } from "../effects/engine.ts";
import { settle } from "../effects/settle.ts";
import {
  type DriverRejection,
  factsOf,
  openSpot,
  reject,
  type Roots,
  type Spot,
} from "../fs/roots.ts";
import { holdsDotNames } from "../fs/tree.ts";
import { contentBytesMax } from "../limits.ts";
import {
  checkedPaths,
  decodeArguments,
  type FilesTarget,
  isFilesTarget,
  schemas,
} from "./arguments.ts";
import {
  copyTarget,
  deleteTarget,
  mkdirTarget,
  moveTarget,
  restorable,
  restoreTarget,
  type Whole,
  writeTarget,
} from "./change.ts";
import { factsWith, lookBefore, previewOf } from "./before.ts";
import { listTarget, readTarget, statTarget } from "./look.ts";
import { PdfReader } from "../pdf/pdf.ts";
import { searchTarget } from "./search.ts";

type Args = { readonly [name: string]: CanonicalValue };
type Prepared = Result<PreparedAction, DriverRejection>;

const keepsSnapshot: ReadonlySet<ObligationType> = new Set<ObligationType>(["snapshot"]);

const places = (
  roots: Roots,
  named: readonly {
    readonly name: string;
    readonly path: string;
    readonly need: "read" | "write";
  }[],
): Result<
  { readonly spots: ReadonlyMap<string, Spot>; readonly held: DisposableStack },
  DriverRejection
> => {
  using stack = new DisposableStack();
  const spots = new Map<string, Spot>();
  for (const { name, path, need } of named) {
    const place = roots.locate(path, need);
    if (!place.ok) return place;
    if (need === "write" && place.value.relative === "") {
      return reject("E_FS_ROOT", `${path} is a folder of the session itself`);
    }
    const spot = openSpot(roots, place.value);
    if (!spot.ok) return spot;
    spots.set(name, stack.use(spot.value));
  }
  return ok({ spots, held: stack.move() });
};

const preparedOf = (
  held: Disposable,
  facts: Readonly<Record<string, Facts>>,
  options: {
    readonly effect: boolean;
    readonly content?: ContentRef;
    readonly act: (context: ActContext) => Promise<ActReport>;
    readonly preview?: PreparedAction["preview"];
  },
): PreparedAction => ({
  facts,
  effect: options.effect,
  content: options.content,
  keeps: keepsSnapshot,
  act: options.act,
  ...(options.preview === undefined ? {} : { preview: options.preview }),
  [Symbol.dispose]: () => held[Symbol.dispose](),
});

/**
 * An action that leads out of the session's folders has no facts here. It is prepared all the same,
 * so that the Guardian denies it with its reasons and a receipt; performed it never is.
 */
const beyond = (error: DriverRejection, target: FilesTarget, args: Args): PreparedAction => {
  const write = target === "fs::write" ? decodeArguments(schemas[target], args) : undefined;
  return preparedOf(
    new DisposableStack(),
    {},
    {
      effect: false,
      act: async () => refused(error),
      ...(write?.ok === true ? { content: write.value.content } : {}),
    },
  );
};

const factsOfAll = (spots: ReadonlyMap<string, Spot>): Record<string, Facts> =>
  Object.fromEntries([...spots].map(([name, spot]) => [name, factsOf(spot)]));

/** What is copied, moved or deleted goes with all that is in it; the policy must know of it. */
const wholeOf = (spot: Spot): Whole => ({
  spot,
  dotNames:
    spot.object !== undefined && spot.stat?.isDirectory() === true
      ? holdsDotNames(spot.object)
      : undefined,
});

const withWhole = (
  facts: Readonly<Record<string, Facts>>,
  { spot, dotNames }: Whole,
): Record<string, Facts> =>
  dotNames === undefined ? facts : { ...facts, path: { ...factsOf(spot), dotNames } };

const sha256 = (bytes: Uint8Array): Uint8Array =>
  Uint8Array.from(createHash("sha256").update(bytes).digest());

export class FilesDriver implements Driver {
  readonly kind = "files";
  readonly #engine: EffectEngine;
  readonly #roots: Roots;
  readonly #pdf: PdfReader = new PdfReader();

  constructor(engine: EffectEngine) {
    this.#engine = engine;
    this.#roots = engine.roots;
  }

  async prepare(target: string, args: Args, signal: AbortSignal): Promise<Prepared> {
    if (!isFilesTarget(target)) {
      return reject("E_TARGET_UNKNOWN", `the files driver does not perform ${target}`);
    }
    const prepared = await this.#prepare(target, args, signal);
    return prepared.ok || prepared.error.code !== "E_FS_OUTSIDE"
      ? prepared
      : ok(beyond(prepared.error, target, args));
  }

  claim(counter: bigint): Disposable | undefined {
    return this.#engine.vault.claim(counter);
  }

  settle(counter: bigint): ReturnType<typeof settle> {
    return settle(this.#engine, counter);
  }

  #prepare(target: FilesTarget, args: Args, signal: AbortSignal): Prepared | Promise<Prepared> {
    switch (target) {
      case "fs::stat":
        return this.#look(target, args, async (spot) => statTarget(this.#roots, spot));
      case "fs::list":
        return this.#look(target, args, (spot, { signal }) =>
          listTarget(this.#roots, spot, signal),
        );
      case "fs::read": {
        const read = decodeArguments(schemas[target], args);
        if (!read.ok) return read;
        return this.#onPath(read.value.path, "read", false, (spot, { signal }) =>
          readTarget(this.#roots, spot, read.value, this.#pdf, signal),
        );
      }
      case "fs::search": {
        const search = decodeArguments(schemas[target], args);
        if (!search.ok) return search;
        return this.#onPath(search.value.path, "read", false, (spot, { signal }) =>
          searchTarget(this.#roots, spot, search.value, signal),
        );
      }
      case "fs::mkdir": {
        const one = decodeArguments(schemas[target], args);
        if (!one.ok) return one;
        return this.#onPath(one.value.path, "write", true, (spot, context) =>
          mkdirTarget(this.#engine, spot, context),
        );
      }
      case "fs::delete":
        return this.#delete(args, signal);
      case "fs::write":
        return this.#write(args, signal);
      case "fs::copy":
      case "fs::move":
        return this.#pair(target, args);
      case "fs::restore":
        return this.#restore(args);
    }
  }

  #look(
    target: "fs::stat" | "fs::list",
    args: Args,
    act: (spot: Spot, context: ActContext) => Promise<ActReport>,
  ): Prepared {
    const decoded = decodeArguments(schemas[target], args);
    return decoded.ok ? this.#onPath(decoded.value.path, "read", false, act) : decoded;
  }

  #onPath(
    path: string,
    need: "read" | "write",
    effect: boolean,
    act: (spot: Spot, context: ActContext) => Promise<ActReport>,
  ): Prepared {
    const opened = places(this.#roots, [{ name: "path", path, need }]);
    if (!opened.ok) return opened;
    const { spots, held } = opened.value;
    const spot = spots.get("path") as Spot;
    return ok(
      preparedOf(held, factsOfAll(spots), { effect, act: (context) => act(spot, context) }),
    );
  }

  async #write(args: Args, signal: AbortSignal): Promise<Prepared> {
    const write = decodeArguments(schemas["fs::write"], args);
    if (!write.ok) return write;
    const { path, content } = write.value;
    if (content.length > contentBytesMax) {
      return reject("E_FS_TOO_LARGE", `one write carries at most ${contentBytesMax} bytes`);
    }
    const opened = places(this.#roots, [{ name: "path", path, need: "write" }]);
    if (!opened.ok) return opened;
    using held = opened.value.held;
    const spot = opened.value.spots.get("path") as Spot;
    const before = await lookBefore(spot, signal);
    if (!before.ok) return before;
    return ok(
      preparedOf(
        held.move(),
        { path: factsWith(spot, before.value) },
        {
          effect: true,
          act: (context) => writeTarget(this.#engine, spot, before.value, write.value, context),
          preview: (bytes) =>
            previewOf(spot, before.value, { bytes, sha256: content.sha256 }, sha256),
          content,
        },
      ),
    );
  }

  async #delete(args: Args, signal: AbortSignal): Promise<Prepared> {
    const one = decodeArguments(schemas["fs::delete"], args);
    if (!one.ok) return one;
    const { path } = one.value;
    const opened = places(this.#roots, [{ name: "path", path, need: "write" }]);
    if (!opened.ok) return opened;
    using held = opened.value.held;
    const spot = opened.value.spots.get("path") as Spot;
    const before = await lookBefore(spot, signal);
    if (!before.ok) return before;
    const whole = { ...wholeOf(spot), before: before.value };
    return ok(
      preparedOf(held.move(), withWhole({ path: factsWith(spot, before.value) }, whole), {
        effect: true,
        act: (context) => deleteTarget(this.#engine, whole, context),
        preview: () => previewOf(spot, before.value, undefined, sha256),
      }),
    );
  }

  #pair(target: "fs::copy" | "fs::move", args: Args): Prepared {
    const pair = decodeArguments(schemas[target], args);
    if (!pair.ok) return pair;
    const { path, to } = pair.value;
    const opened = places(this.#roots, [
      { name: "path", path, need: target === "fs::copy" ? "read" : "write" },
      { name: "to", path: to, need: "write" },
    ]);
    if (!opened.ok) return opened;
    const { spots, held } = opened.value;
    const run = target === "fs::copy" ? copyTarget : moveTarget;
    const whole = wholeOf(spots.get("path") as Spot);
    return ok(
      preparedOf(held, withWhole(factsOfAll(spots), whole), {
        effect: true,
        act: (context) => run(this.#engine, whole, spots.get("to") as Spot, context),
      }),
    );
  }

  #restore(args: Args): Prepared {
    const restore = decodeArguments(schemas["fs::restore"], args);
    if (!restore.ok) return restore;
    const { paths } = restore.value;
    const canonical = checkedPaths(paths);
    if (!canonical.ok) return canonical;
    const record = restorable(this.#engine, restore.value);
    if (!record.ok) return record;
    const facts: Record<string, Facts> = {};
    for (const [index, path] of paths.entries()) {
      const found = this.#restoredFacts(path);
      if (!found.ok) return found;
      facts[`paths.${index}`] = found.value;
    }
    const { actionId } = record.value;
    return ok(
      preparedOf(new DisposableStack(), facts, {
        effect: true,
        act: (context) => restoreTarget(this.#engine, restore.value, actionId, context),
      }),
    );
  }

  /** A path that the effect cut off (a link or a file stands above it now) is told as missing. */
  #restoredFacts(path: string): Result<Facts, DriverRejection> {
    const opened = places(this.#roots, [{ name: "path", path, need: "write" }]);
    if (opened.ok) {
      using _held = opened.value.held;
      return ok(factsOf(opened.value.spots.get("path") as Spot));
    }
    const { code } = opened.error;
    return code === "E_FS_SYMLINK" || code === "E_FS_NOT_A_DIRECTORY"
      ? ok({ realPath: path, exists: false })
      : opened;
  }

  [Symbol.dispose](): void {
    this.#roots[Symbol.dispose]();
    // A thread that is left ends with the process.
    void this.#pdf[Symbol.asyncDispose]();
  }
}
