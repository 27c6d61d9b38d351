/** The `KeyValue` in memory. Each write is atomic and durable, as the port promises. */
import type { KeyValue, KeyValueOp } from "@ioi/base";
import { assert, compareBytes, fromHex, OperationError, toHex } from "@ioi/base";

type Entry = { readonly key: Uint8Array; readonly value: Uint8Array };

/** What survives a store that is closed or lost; one store at a time has it open. */
export class SimKeyValueDisk {
  readonly entries = new Map<string, Uint8Array>();
  /** The next write fails and changes nothing. */
  failNextWrite = false;
  opened = false;

  open(): SimKeyValue {
    if (this.opened) {
      throw new OperationError("E_KEY_VALUE_LOCKED", "the key-value store is open already");
    }
    this.opened = true;
    return new SimKeyValue(this);
  }
}

export class SimKeyValue implements KeyValue {
  readonly #disk: SimKeyValueDisk;
  #closed = false;

  constructor(disk: SimKeyValueDisk) {
    this.#disk = disk;
  }

  #checkOpen(): void {
    assert(!this.#closed, "the key-value store is closed");
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    this.#checkOpen();
    return this.#disk.entries.get(toHex(key))?.slice();
  }

  async write(ops: readonly KeyValueOp[]): Promise<void> {
    this.#checkOpen();
    if (this.#disk.failNextWrite) {
      this.#disk.failNextWrite = false;
      throw new OperationError("E_KEY_VALUE_FAILED", "write: simulated");
    }
    for (const op of ops) {
      if (op.type === "put") this.#disk.entries.set(toHex(op.key), op.value.slice());
      else this.#disk.entries.delete(toHex(op.key));
    }
  }

  async scan(from: Uint8Array, to: Uint8Array, limit: number): Promise<readonly Entry[]> {
    this.#checkOpen();
    assert(Number.isInteger(limit) && limit >= 0, `a scan of ${limit} entries`);
    const found: Entry[] = [];
    for (const [hex, value] of this.#disk.entries) {
      const key = fromHex(hex);
      assert(key !== undefined, "a key in hex");
      if (compareBytes(key, from) >= 0 && compareBytes(key, to) < 0) {
        found.push({ key, value: value.slice() });
      }
    }
    return found.sort((a, b) => compareBytes(a.key, b.key)).slice(0, limit);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#disk.opened = false;
  }
}
