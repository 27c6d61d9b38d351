/** What an effect is going to do, in memory: the recorded change, and how to make it. */
import { randomBytes } from "node:crypto";
import type { Identity } from "../fs/entries.ts";
import type { Entry, Put, Rename } from "../vault/record.ts";

/** Where the bytes of a new file come from. */
export type Source =
  | { readonly type: "bytes"; readonly bytes: Uint8Array }
  /** Another file below the session's folders. */
  | { readonly type: "path"; readonly path: string }
  /** A copy in the vault. */
  | { readonly type: "blob"; readonly counter: bigint; readonly blob: number }
  /** A file that only the driver can see, below its own folder. */
  | { readonly type: "own"; readonly file: string };

export interface PlannedPut {
  readonly change: Put;
  /** What stood there when it was planned; absent where the record itself is compared. */
  readonly identity?: Identity;
  readonly source?: Source;
}

export interface PlannedRename {
  readonly change: Rename;
  readonly identity?: Identity;
}

export type Planned = PlannedPut | PlannedRename;

export const isRename = (planned: Planned): planned is PlannedRename =>
  planned.change.type === "rename";

/** Hidden, unguessable, short enough for every file system. */
export const temporaryName = (): string => `.ioi-${randomBytes(16).toString("hex")}`;

export const plannedPut = (
  path: string,
  before: { readonly entry: Entry; readonly identity: Identity } | undefined,
  after: Entry | undefined,
  source?: Source,
): PlannedPut => ({
  change: {
    type: "put",
    path,
    ...(before === undefined ? {} : { before: before.entry }),
    ...(after === undefined ? {} : { after }),
    temporary: temporaryName(),
    made: false,
  },
  ...(before === undefined ? {} : { identity: before.identity }),
  ...(source === undefined ? {} : { source }),
});
