/** The `KeyValue` port on LevelDB: ordered, one process at a time, every write synced. */
import type { KeyValue, KeyValueOp } from "@ioi/base";
import { assert, OperationError } from "@ioi/base";
import { ClassicLevel } from "classic-level";
import { errnoName } from "./files-errors.ts";
import { keyValueScanMax } from "./limits.ts";

type Level = ClassicLevel<Uint8Array, Uint8Array>;

const orFailed = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (error) {
    throw new OperationError("E_KEY_VALUE_FAILED", `${what}: ${errnoName(error) ?? "failed"}`, {
      cause: error,
    });
  }
};

class LevelKeyValue implements KeyValue {
  readonly #level: Level;
  #closed = false;

  constructor(level: Level) {
    this.#level = level;
  }

  #open(): Level {
    assert(!this.#closed, "the key-value store is closed");
    return this.#level;
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    const level = this.#open();
    return await orFailed("get", () => level.get(key));
  }

  async write(ops: readonly KeyValueOp[]): Promise<void> {
    const level = this.#open();
    const batch = ops.map((op) =>
      op.type === "put"
        ? ({ type: "put", key: op.key, value: op.value } as const)
        : ({ type: "del", key: op.key } as const),
    );
    await orFailed("write", () => level.batch(batch, { sync: true }));
  }

  async scan(
    from: Uint8Array,
    to: Uint8Array,
    limit: number,
  ): Promise<readonly { readonly key: Uint8Array; readonly value: Uint8Array }[]> {
    const level = this.#open();
    assert(
      Number.isInteger(limit) && limit >= 0 && limit <= keyValueScanMax,
      `a scan of ${limit} entries`,
    );
    const entries = await orFailed("scan", () =>
      level.iterator({ gte: from, lt: to, limit }).all(),
    );
    return entries.map(([key, value]) => ({ key, value }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await orFailed("close", () => this.#level.close());
  }
}

/** Opens the store in a directory, or makes it. */
export const openKeyValue = async (path: string): Promise<KeyValue> => {
  const level: Level = new ClassicLevel(path, { keyEncoding: "view", valueEncoding: "view" });
  try {
    await level.open();
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined;
    const name = errnoName(cause) ?? errnoName(error) ?? "failed";
    const code = name === "LEVEL_LOCKED" ? "E_KEY_VALUE_LOCKED" : "E_KEY_VALUE_FAILED";
    throw new OperationError(code, `open ${path}: ${name}`, { cause: error });
  }
  return new LevelKeyValue(level);
};
