/**
 * An action: the exact value that the policy judges and the driver executes.
 *
 * `actionId` = SHA-256 over `ioi/firewall/action/v1` and the canonical encoding of the action.
 * Arguments are canonical already (absolute real paths, argument vectors). Facts are what the
 * driver's `prepare` found, keyed by the argument they speak of.
 */
import {
  type Infer,
  array,
  bool,
  bytes,
  int,
  mapOf,
  oneOf,
  optional,
  record,
  type Schema,
  text,
  u64,
} from "../schema.ts";
import { anything } from "../schema.ts";

/** Content an action carries (what is written), by commitment: the driver recomputes all three. */
export const contentRef = record({
  sha256: bytes(32),
  length: int(),
  /** The first characters, for the card; empty where the content is not UTF-8. */
  head: text(512),
});
export type ContentRef = Infer<typeof contentRef>;

/** What `prepare` found about one path or program argument. Absent fields were not reported. */
export const facts = record({
  /** Real path after resolving the deepest existing parent. */
  realPath: text(4096),
  exists: bool,
  kind: optional(oneOf("file", "directory", "symlink", "other")),
  dev: optional(u64),
  ino: optional(u64),
  size: optional(int()),
  nlink: optional(int()),
  mode: optional(int(0, 0o7777)),
  /** SHA-256 of a program's bytes. */
  sha256: optional(bytes(32)),
  /**
   * SHA-256 of the file whose content the action would end, so that it ends no other. Absent where
   * there is none, and where it is too large to be read before it is permitted.
   */
  before: optional(bytes(32)),
  /** The mount folds case. */
  caseInsensitive: optional(bool),
  /** Below a folder that is taken whole, some name begins with a dot. */
  dotNames: optional(bool),
});
export type Facts = Infer<typeof facts>;

/** What the system says of a file; `mode` holds its kind too, as in stat(2). */
export interface StatOfFile {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly size: bigint;
  readonly nlink: bigint;
  readonly mode: bigint;
}

const kinds: ReadonlyMap<bigint, "file" | "directory" | "symlink"> = new Map([
  [0o100000n, "file"],
  [0o040000n, "directory"],
  [0o120000n, "symlink"],
]);

export const kindOfMode = (mode: bigint): "file" | "directory" | "symlink" | "other" =>
  kinds.get(mode & 0o170000n) ?? "other";

/** The facts of a path: where it really leads, and what is there. */
export const factsOfPath = (
  at: Pick<Facts, "realPath" | "caseInsensitive">,
  stat: StatOfFile | undefined,
): Facts =>
  stat === undefined
    ? { ...at, exists: false }
    : {
        ...at,
        exists: true,
        kind: kindOfMode(stat.mode),
        dev: stat.dev,
        ino: stat.ino,
        size: Number(stat.size),
        nlink: Number(stat.nlink),
        mode: Number(stat.mode & 0o7777n),
      };

export const action = record({
  version: int(1, 1),
  target: text(64),
  args: mapOf(anything, 64) as Schema<{
    readonly [name: string]: import("../canonical.ts").CanonicalValue;
  }>,
  facts: mapOf(facts, 64),
});
export type Action = Infer<typeof action>;

/** Actions of one target that nobody looked at yet: their facts are empty. */
export const alikeActions = array(action, 64);

/** What the driver signs with its instance key when it has prepared an action. */
export const prepared = record({
  version: int(1, 1),
  instanceId: bytes(16),
  nonce: bytes(16),
  session: text(64),
  actionId: bytes(32),
  /** Of an action on memories: whom what opens their file is sealed to. */
  sealTo: optional(bytes(1216)),
});
export type Prepared = Infer<typeof prepared>;

/** Targets whose driver can show what they would change. */
export const previewTargets: ReadonlySet<string> = new Set(["fs::write", "fs::delete"]);

/**
 * What a driver shows of a prepared action's change, for a person who decides. It is signed with the
 * instance key over the two states that the action names and over the text itself.
 */
export const previewStatement = record({
  version: int(1, 1),
  instanceId: bytes(16),
  nonce: bytes(16),
  session: text(64),
  actionId: bytes(32),
  /** Content that would go: the fact `before`; absent where there is none. */
  before: optional(bytes(32)),
  /** Content that would come; absent where none would. */
  after: optional(bytes(32)),
  /** Of the text, under the domain of previews. */
  textHash: bytes(32),
});
export type PreviewStatement = Infer<typeof previewStatement>;

export const stringList: Schema<readonly string[]> = array(text(131_072), 4096);
