/** What every `KeyValue` promises. */
import type { KeyValue } from "../ports.ts";
import { InvariantError } from "../result.ts";
import { utf8Encode } from "../text.ts";
import { check, checkEqual, rejectionOf, type ComplianceCase } from "./harness.ts";

export interface KeyValueFixture {
  /** Opens the store, empty at first; after the one before was disposed, with its content. */
  readonly open: () => Promise<KeyValue>;
}

const bytes = utf8Encode;
const put = (key: Uint8Array, value: Uint8Array) => ({ type: "put", key, value }) as const;

export const keyValueCases: readonly ComplianceCase<KeyValueFixture>[] = [
  {
    name: "put, get, replace, delete",
    async run({ open }) {
      await using store = await open();
      checkEqual(await store.get(bytes("a")), undefined, "nothing at first");
      await store.write([put(bytes("a"), bytes("1")), put(bytes("b"), bytes(""))]);
      checkEqual(await store.get(bytes("a")), bytes("1"), "a value");
      checkEqual(await store.get(bytes("b")), bytes(""), "an empty value");
      await store.write([put(bytes("a"), bytes("2")), { type: "delete", key: bytes("b") }]);
      checkEqual(await store.get(bytes("a")), bytes("2"), "a replaced value");
      checkEqual(await store.get(bytes("b")), undefined, "a deleted value");
      await store.write([{ type: "delete", key: bytes("none") }]);
      await store.write([]);
    },
  },
  {
    name: "operations of one write happen in order",
    async run({ open }) {
      await using store = await open();
      await store.write([
        put(bytes("a"), bytes("1")),
        { type: "delete", key: bytes("a") },
        put(bytes("b"), bytes("1")),
        put(bytes("b"), bytes("2")),
      ]);
      checkEqual(await store.get(bytes("a")), undefined, "put, then deleted");
      checkEqual(await store.get(bytes("b")), bytes("2"), "put twice");
    },
  },
  {
    name: "scan is bytewise, from included, to not, at most the limit",
    async run({ open }) {
      await using store = await open();
      const keys = [
        Uint8Array.of(0),
        Uint8Array.of(0, 0),
        Uint8Array.of(1),
        Uint8Array.of(0x7f, 9),
        Uint8Array.of(0x80),
        Uint8Array.of(0xff),
        Uint8Array.of(0xff, 0),
      ];
      await store.write(keys.toReversed().map((key) => put(key, key)));
      const scan = async (from: number[], to: number[], limit: number): Promise<Uint8Array[]> => {
        const found = await store.scan(Uint8Array.from(from), Uint8Array.from(to), limit);
        for (const { key, value } of found) checkEqual(value, key, "the value of a key");
        return found.map(({ key }) => key);
      };
      checkEqual(await scan([0], [0xff, 1], 100), keys, "everything");
      checkEqual(await scan([0, 0], [0x80], 100), keys.slice(1, 4), "a part");
      checkEqual(await scan([0], [0xff, 1], 3), keys.slice(0, 3), "a limit");
      checkEqual(await scan([0], [0xff, 1], 0), [], "a limit of none");
      checkEqual(await scan([2], [3], 100), [], "an empty range");
      checkEqual(await scan([3], [2], 100), [], "a range that ends before it begins");
    },
  },
  {
    name: "what was written is there after opening again",
    async run({ open }) {
      {
        await using store = await open();
        await store.write([put(bytes("a"), bytes("1"))]);
      }
      await using store = await open();
      checkEqual(await store.get(bytes("a")), bytes("1"), "the value");
    },
  },
  {
    name: "what the caller changes later does not change the store",
    async run({ open }) {
      await using store = await open();
      const [key, value] = [bytes("key"), bytes("value")];
      await store.write([put(key, value)]);
      key.fill(0);
      value.fill(0);
      const read = await store.get(bytes("key"));
      checkEqual(read, bytes("value"), "the value");
      read?.fill(0);
      checkEqual(await store.get(bytes("key")), bytes("value"), "the value again");
    },
  },
  {
    name: "a closed store is a bug to use, not to close again",
    async run({ open }) {
      const store = await open();
      await store[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
      for (const use of [() => store.get(bytes("a")), () => store.write([])]) {
        const reason = await rejectionOf(use(), "use after close");
        check(reason instanceof InvariantError, `use after close: ${String(reason)}`);
      }
    },
  },
];
