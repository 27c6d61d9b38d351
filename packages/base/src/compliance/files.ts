/** What every `Files` promises, as far as a machine shows it that does not crash. */
import { concatBytes } from "../bytes.ts";
import type { FileHandle, Files } from "../ports.ts";
import { InvariantError } from "../result.ts";
import { utf8Encode } from "../text.ts";
import {
  check,
  checkEqual,
  checkFails,
  ComplianceError,
  rejectionOf,
  type ComplianceCase,
} from "./harness.ts";

export interface FilesFixture {
  /** An empty tree. */
  readonly files: Files;
}

const bytes = utf8Encode;
const bytesMax = 1_000_000;

const create = async (files: Files, path: string, content: Uint8Array): Promise<void> => {
  await using handle = await files.open(path, "create");
  await handle.write(0, content);
};

const handleCases: readonly ComplianceCase<FilesFixture>[] = [
  {
    name: "what was written is read, on the handle and by name",
    async run({ files }) {
      await using handle = await files.open("a", "create");
      await handle.write(0, bytes("hello"));
      await handle.write(3, bytes("p!!"));
      checkEqual(await handle.read(0, 100), bytes("help!!"), "read to the end");
      checkEqual(await handle.read(2, 2), bytes("lp"), "read within");
      checkEqual(await handle.read(6, 5), bytes(""), "read at the end");
      checkEqual(await handle.read(60, 5), bytes(""), "read beyond the end");
      checkEqual(await handle.size(), 6, "size");
      checkEqual(await files.readFile("a", bytesMax), bytes("help!!"), "readFile");
    },
  },
  {
    name: "a gap reads as zeros",
    async run({ files }) {
      await using handle = await files.open("a", "create");
      await handle.write(3, bytes("x"));
      checkEqual(await handle.read(0, 10), Uint8Array.of(0, 0, 0, 0x78), "the gap");
    },
  },
  {
    name: "truncate cuts, and extends with zeros",
    async run({ files }) {
      await using handle = await files.open("a", "create");
      await handle.write(0, bytes("abcdef"));
      await handle.truncate(2);
      checkEqual(await handle.read(0, 10), bytes("ab"), "cut");
      await handle.truncate(4);
      checkEqual(await handle.read(0, 10), Uint8Array.of(0x61, 0x62, 0, 0), "extended");
    },
  },
  {
    name: "writeDurable and sync store",
    async run({ files }) {
      await using handle = await files.open("a", "create");
      await handle.writeDurable(0, bytes("one"));
      await handle.write(3, bytes("two"));
      await handle.sync();
      await handle.writeDurable(6, bytes(""));
      checkEqual(await files.readFile("a", bytesMax), bytes("onetwo"), "the content");
    },
  },
  {
    name: "a large write is whole",
    async run({ files }) {
      const large = new Uint8Array(300_001).map((_, i) => (i * 31) & 0xff);
      await using handle = await files.open("a", "create");
      await handle.write(5, large);
      const all = concatBytes(new Uint8Array(5), large);
      checkEqual(await files.readFile("a", bytesMax), all, "the content");
      checkEqual(await handle.read(100_000, 50), all.slice(100_000, 100_050), "a part");
    },
  },
  {
    name: "two handles see one file",
    async run({ files }) {
      await using one = await files.open("a", "create");
      await using two = await files.open("a", "write");
      await one.write(0, bytes("abc"));
      await two.write(1, bytes("X"));
      checkEqual(await one.read(0, 9), bytes("aXc"), "both writes");
    },
  },
  {
    name: "a file that was removed or replaced stays with its handle",
    async run({ files }) {
      await using handle = await files.open("a", "create");
      await handle.write(0, bytes("old"));
      await files.replaceFile("a", bytes("new"));
      checkEqual(await handle.read(0, 9), bytes("old"), "after a replacement");
      await files.remove("a");
      await handle.write(0, bytes("OLD"));
      checkEqual(await handle.read(0, 9), bytes("OLD"), "after a removal");
      checkEqual(await files.stat("a"), undefined, "the name is gone");
    },
  },
  {
    name: "a closed handle is a bug to use, not to close again",
    async run({ files }) {
      const handle = await files.open("a", "create");
      await handle.close();
      await handle.close();
      const uses: readonly ((handle: FileHandle) => Promise<unknown>)[] = [
        (it) => it.read(0, 1),
        (it) => it.write(0, bytes("x")),
        (it) => it.writeDurable(0, bytes("x")),
        (it) => it.sync(),
        (it) => it.truncate(0),
        (it) => it.size(),
      ];
      for (const use of uses) {
        const reason = await rejectionOf(use(handle), "use after close");
        check(reason instanceof InvariantError, `use after close: ${String(reason)}`);
      }
    },
  },
];

const treeCases: readonly ComplianceCase<FilesFixture>[] = [
  {
    name: "open modes: read and write want the file, create wants none",
    async run({ files }) {
      await checkFails(files.open("a", "read"), "E_FILES_NOT_FOUND", "read");
      await checkFails(files.open("a", "write"), "E_FILES_NOT_FOUND", "write");
      await create(files, "a", bytes("x"));
      await checkFails(files.open("a", "create"), "E_FILES_EXISTS", "create");
      await using reader = await files.open("a", "read");
      checkEqual(await reader.read(0, 9), bytes("x"), "reading");
      const reason = await rejectionOf(reader.write(0, bytes("y")), "writing a reader");
      check(reason instanceof Error, "writing a reader");
      checkEqual(await files.readFile("a", bytesMax), bytes("x"), "the content is as before");
    },
  },
  {
    name: "errors of names that are missing or of the wrong kind",
    async run({ files }) {
      await files.makeDirectory("d");
      await create(files, "f", bytes("x"));
      await checkFails(files.open("d", "read"), "E_FILES_IS_A_DIRECTORY", "open a directory");
      await checkFails(files.readFile("d", 9), "E_FILES_IS_A_DIRECTORY", "read a directory");
      await checkFails(files.open("f/a", "read"), "E_FILES_NOT_A_DIRECTORY", "through a file");
      await checkFails(files.open("g/a", "create"), "E_FILES_NOT_FOUND", "no parent");
      await checkFails(files.list("f"), "E_FILES_NOT_A_DIRECTORY", "list a file");
      await checkFails(files.list("g"), "E_FILES_NOT_FOUND", "list nothing");
      await checkFails(files.remove("g"), "E_FILES_NOT_FOUND", "remove nothing");
      await checkFails(files.rename("g", "h"), "E_FILES_NOT_FOUND", "rename nothing");
      await checkFails(files.syncDirectory("g"), "E_FILES_NOT_FOUND", "sync nothing");
      await checkFails(files.syncDirectory("f"), "E_FILES_NOT_A_DIRECTORY", "sync a file");
      await checkFails(files.makeDirectory("d"), "E_FILES_EXISTS", "make what is there");
      await checkFails(files.makeDirectory("g/h"), "E_FILES_NOT_FOUND", "make without a parent");
      await checkFails(files.replaceFile("g/a", bytes("x")), "E_FILES_NOT_FOUND", "no parent");
      await checkFails(files.replaceFile("d", bytes("x")), "E_FILES_IS_A_DIRECTORY", "replace");
      checkEqual(await files.stat("g/h/i"), undefined, "stat of nothing");
      checkEqual(await files.stat("f/a"), undefined, "stat through a file");
      checkEqual(await files.list(""), ["d", "f"], "nothing is left over");
    },
  },
  {
    name: "a path outside the grammar is a bug",
    async run({ files }) {
      for (const path of [
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "a/../b",
        "a/.",
        "a\0b",
        "x".repeat(300),
      ]) {
        const uses = [
          () => files.open(path, "create"),
          () => files.stat(path),
          () => files.remove(path),
        ];
        for (const use of uses) {
          const reason = await rejectionOf(use(), `the path ${JSON.stringify(path)}`);
          check(reason instanceof InvariantError, `the path ${path}: ${String(reason)}`);
        }
      }
    },
  },
  {
    name: "readFile refuses what is larger than asked",
    async run({ files }) {
      await create(files, "a", bytes("12345"));
      checkEqual(await files.readFile("a", 5), bytes("12345"), "of the size");
      await checkFails(files.readFile("a", 4), "E_FILES_IO", "larger");
      await create(files, "empty", bytes(""));
      checkEqual(await files.readFile("empty", 0), bytes(""), "empty");
    },
  },
  {
    name: "replaceFile makes and replaces, with the mode, and leaves nothing beside",
    async run({ files }) {
      await files.makeDirectory("d");
      await files.replaceFile("d/a", bytes("one"));
      checkEqual(await files.stat("d/a"), { kind: "file", size: 3, mode: 0o600 }, "a new file");
      await files.replaceFile("d/a", bytes("three"), 0o640);
      checkEqual(
        await files.stat("d/a"),
        { kind: "file", size: 5, mode: 0o640 },
        "a replaced file",
      );
      checkEqual(await files.readFile("d/a", 9), bytes("three"), "content");
      checkEqual(await files.list("d"), ["a"], "names");
      await files.remove("d/a");
      await files.remove("d");
    },
  },
  {
    name: "replacements of one path at once end with one of their contents",
    async run({ files }) {
      const contents = ["a", "bb", "ccc", "dddd"].map((text) => bytes(text.repeat(1000)));
      await Promise.all(contents.map((content) => files.replaceFile("a", content)));
      checkEqual(await files.readFile("a", bytesMax), contents[3], "the last one asked");
    },
  },
  {
    name: "modes are private by default",
    async run({ files }) {
      await create(files, "a", bytes(""));
      await files.makeDirectory("d");
      await files.makeDirectory("e", 0o750);
      checkEqual((await files.stat("a"))?.mode, 0o600, "a file");
      checkEqual((await files.stat("d"))?.mode, 0o700, "a directory");
      checkEqual((await files.stat("e"))?.mode, 0o750, "a directory with a mode");
      checkEqual((await files.stat(""))?.kind, "directory", "the root");
    },
  },
  {
    name: "list is in code point order",
    async run({ files }) {
      const names = ["b", "a", "B", "é", "\u{ff5e}", "\u{1f600}", "10", "9"];
      for (const name of names) await create(files, name, bytes(""));
      checkEqual(
        await files.list(""),
        ["10", "9", "B", "a", "b", "é", "\u{ff5e}", "\u{1f600}"],
        "order",
      );
    },
  },
  {
    name: "list leaves out an interrupted replacement, which the next one clears away",
    async run({ files }) {
      await create(files, ".a.tmp", bytes("half"));
      await create(files, ".b", bytes(""));
      checkEqual(await files.list(""), [".b"], "names");
      await files.replaceFile("a", bytes("whole"));
      checkEqual(await files.readFile("a", 9), bytes("whole"), "content");
      checkEqual(await files.stat(".a.tmp"), undefined, "the leftover");
    },
  },
  {
    name: "rename moves and replaces",
    async run({ files }) {
      await files.makeDirectory("d");
      await create(files, "a", bytes("a"));
      await create(files, "d/b", bytes("b"));
      await files.rename("a", "d/b");
      checkEqual(await files.readFile("d/b", 9), bytes("a"), "replaced");
      checkEqual(await files.list(""), ["d"], "the old name");
      await files.rename("d", "e");
      checkEqual(await files.readFile("e/b", 9), bytes("a"), "a directory with its content");
      await files.rename("e/b", "e/b");
      checkEqual(await files.list("e"), ["b"], "onto itself");
      await files.makeDirectory("f");
      await checkFails(files.rename("f", "e"), "E_FILES_NOT_EMPTY", "onto a full directory");
      await checkFails(files.rename("e/b", "f"), "E_FILES_IS_A_DIRECTORY", "a file onto one");
      await checkFails(files.rename("f", "e/b"), "E_FILES_NOT_A_DIRECTORY", "one onto a file");
      await files.rename("e", "f");
      checkEqual(await files.list("f"), ["b"], "onto an empty directory");
      await checkFails(files.rename("f", "f/g"), "E_FILES_IO", "into itself");
    },
  },
  {
    name: "remove takes files and empty directories",
    async run({ files }) {
      await files.makeDirectory("d");
      await create(files, "d/a", bytes(""));
      await checkFails(files.remove("d"), "E_FILES_NOT_EMPTY", "a full directory");
      await files.remove("d/a");
      await files.remove("d");
      checkEqual(await files.list(""), [], "nothing is left");
      await files.syncDirectory("");
    },
  },
  {
    name: "a lock excludes until it is disposed",
    async run({ files }) {
      const lock = await files.lock("lock");
      await checkFails(files.lock("lock"), "E_FILES_LOCKED", "a second lock");
      await (await files.lock("other"))[Symbol.asyncDispose]();
      await lock[Symbol.asyncDispose]();
      await lock[Symbol.asyncDispose]();
      const again = await files.lock("lock");
      const reason = await rejectionOf(files.lock("lock"), "a lock that is taken again");
      check(reason instanceof Error && /locked by/.test(reason.message), "it says by whom");
      await again[Symbol.asyncDispose]();
      checkEqual((await files.stat("lock"))?.mode, 0o600, "the mode of the lock file");
      await files.makeDirectory("d");
      await checkFails(files.lock("d"), "E_FILES_IS_A_DIRECTORY", "a directory");
    },
  },
];

export const filesCases: readonly ComplianceCase<FilesFixture>[] = [...handleCases, ...treeCases];

/** For a fixture whose next sync fails: the handle must stay failed. */
export const checkSyncLatch = async (files: Files, failNext: () => void): Promise<void> => {
  for (const first of ["sync", "writeDurable"] as const) {
    await using handle = await files.open(`latch-${first}`, "create");
    await handle.write(0, bytes("x"));
    failNext();
    const work = first === "sync" ? handle.sync() : handle.writeDurable(1, bytes("y"));
    await checkFails(work, "E_FILES_SYNC_FAILED", first);
    await checkFails(handle.sync(), "E_FILES_SYNC_FAILED", "a later sync");
    await checkFails(handle.writeDurable(0, bytes("z")), "E_FILES_SYNC_FAILED", "a later write");
    await using other = await files.open(`latch-${first}`, "write").catch((error: unknown) => {
      throw new ComplianceError(`another handle opens: ${String(error)}`);
    });
    await other.sync();
  }
};
