/** Memory files from the command line: made, filled, asked, proved, forgotten, and refused. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fromHex, toHex } from "@ioi/base";
import { signCheckpoint } from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";
import { openFiles } from "@ioi/host/ports";
import { openMemoryFile } from "@ioi/scs";
import { SignalExit } from "../src/report.ts";
import { type Ran, runWith, type RunSettings, temporaryFolder } from "./support.ts";

interface Answer {
  readonly id: number;
  readonly text: string;
  readonly source: string;
  readonly tags: readonly string[];
}

/** As far as tests look; each command has some of it. */
interface Value {
  readonly schema: string;
  readonly answers: readonly Answer[];
  readonly memories: unknown;
  readonly files: readonly { readonly memories: number; readonly before: number }[];
  readonly logRoot: string;
  readonly logSize: number;
  readonly store: string;
  readonly commitHash: string;
  readonly indexRoot: string;
  readonly vectorsLost: string | null;
  readonly segments: readonly object[];
  readonly mended: number | null;
  readonly ok: boolean;
  readonly lost: readonly number[];
  readonly passedOver: number;
  readonly search: { readonly nodes: number; readonly nearest: object | null } | null;
}

class Desk implements Disposable {
  readonly #folder = temporaryFolder();

  path(name: string): string {
    return join(this.#folder.path, name);
  }

  write(name: string, text: string | Uint8Array): void {
    writeFileSync(this.path(name), text);
  }

  run(argv: readonly string[], settings: RunSettings = {}): Promise<Ran> {
    return runWith(["scs", ...argv], { cwd: this.#folder.path, ...settings });
  }

  async value(argv: readonly string[], settings?: RunSettings): Promise<Value> {
    const ran = await this.run([...argv, "--json"], settings);
    assert.equal(ran.exit, 0, `${argv.join(" ")}: ${ran.err}`);
    return JSON.parse(ran.out) as Value;
  }

  async refused(argv: readonly string[], exit: number, code: string): Promise<void> {
    const ran = await this.run([...argv, "--json"]);
    assert.equal(ran.exit, exit, `${argv.join(" ")}: ${ran.out}${ran.err}`);
    assert.match(ran.out + ran.err, new RegExp(code));
  }

  [Symbol.dispose](): void {
    this.#folder[Symbol.dispose]();
  }
}

const textsOf = ({ answers }: Value): readonly string[] => answers.map(({ text }) => text);

test("a memory is found, proved to somebody else, and forgotten", async () => {
  using desk = new Desk();
  await desk.value(["create", "a.scs", "--plain"]);
  const key = "the key is under the mat";
  await desk.value(["add", "a.scs", key, "the cellar is damp", "rain on Monday"]);
  const found = await desk.value(["search", "a.scs", "where", "are", "the", "keys", "-k", "1"]);
  assert.deepEqual(textsOf(found), [key]);

  const proved = await desk.value(["prove", "a.scs", "keys", "-k", "2", "--out", "p"]);
  const roots = ["--root", proved.logRoot];
  const verdict = await desk.value(["verify", "p", ...roots]);
  assert.equal(verdict.ok, true);
  assert.deepEqual(textsOf(verdict), textsOf(proved));
  // The commit's hash covers the index too, so that the search is shown as well.
  const whole = await desk.value(["verify", "p", "--commit", proved.commitHash]);
  assert.equal(whole.search?.nodes, 3);
  assert.equal(verdict.search, null);
  await desk.value(["prove", "a.scs", "keys", "--tag", "none", "--out", "filtered"]);
  // The controls: another root, and another byte.
  const other = proved.logRoot.replace(/^./, (digit) => (digit === "0" ? "1" : "0"));
  assert.equal((await desk.run(["verify", "p", "--root", other])).exit, 6);
  const bytes = readFileSync(desk.path("p"));
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
  desk.write("q", bytes);
  assert.equal((await desk.run(["verify", "q", "--commit", proved.commitHash])).exit, 6);
  await desk.refused(["verify", "p"], 2, "E_CLI_USAGE");
  await desk.refused(["prove", "a.scs", "keys", "--out", "p"], 5, "E_CLI");

  await desk.value(["forget", "a.scs", "0"]);
  assert.equal(textsOf(await desk.value(["search", "a.scs", "keys"])).includes(key), false);
  assert.equal(readFileSync(desk.path("a.scs")).includes("under the mat"), false);
  assert.equal((await desk.value(["audit", "a.scs"])).ok, true);
  await desk.value(["verify", "p", ...roots]);
  const later = await desk.value(["prove", "a.scs", "cellar", "-k", "1", "--out", "r"]);
  assert.equal((await desk.value(["verify", "r", "--root", later.logRoot])).ok, true);
  await desk.refused(["forget", "a.scs", "7"], 5, "E_SCS_NO_MEMORY");
  await desk.refused(["forget", "a.scs", "x"], 2, "E_CLI_USAGE");
});

test("that none is nearer is proved by all, and wanted by whoever checks it", async () => {
  using desk = new Desk();
  await desk.value(["create", "a.scs", "--plain"]);
  await desk.value(["add", "a.scs", "the key is under the mat", "rain on Monday", "bread"]);
  const asked = ["prove", "a.scs", "key", "--by", "vectors", "-k", "1"];
  const challenge = ["--challenge", "ab".repeat(32)];
  // Of so few all are opened, whatever is asked for.
  const drawn = ["--nearest", "sampled", ...challenge];
  const { commitHash } = await desk.value([...asked, "--out", "p", ...drawn]);
  const verify = ["verify", "p", "--commit", commitHash];
  const verdict = await desk.value([...verify, "--nearest", "exact", ...challenge]);
  assert.deepEqual(verdict.search?.nearest, { how: "exact", opened: 3, gone: 0, challenge: null });
  await desk.value([...asked, "--out", "q"]);
  const without = ["verify", "q", "--commit", commitHash];
  assert.equal((await desk.value(without)).search?.nearest, null);
  assert.equal((await desk.run([...without, "--nearest", "sampled"])).exit, 6);
  const exact = ["--out", "r", "--nearest", "exact"];
  await desk.refused([...asked, ...exact, ...challenge], 2, "E_CLI_USAGE");
  await desk.refused(["prove", "a.scs", "key", "--by", "words", ...exact], 2, "E_SCS_QUERY");
  await desk.refused([...verify, "--challenge", "12"], 2, "E_CLI_USAGE");
});

/** Changes the key of the only segment of vectors, which no checksum covers. */
const damageVectors = async (folder: string, name: string): Promise<void> => {
  const place = { files: openFiles(folder), path: name, provider: nodeCrypto, now: () => 0 };
  await using file = await openMemoryFile(place, "read", { type: "none" });
  const segment = file.segments().find(({ kind }) => kind === "vector");
  assert.ok(segment !== undefined);
  const bytes = readFileSync(join(folder, name));
  // In the payload: number, class, whose it is, hash, wrapped key.
  const at = segment.keyOffset + 8 + 4 + 4 + 32;
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(join(folder, name), bytes);
};

test("damaged vectors are said and named, and made again on demand", async () => {
  using desk = new Desk();
  await desk.value(["create", "a.scs", "--plain"]);
  await desk.value(["add", "a.scs", "the key is under the mat", "rain on Monday"]);
  const before = await desk.value(["info", "a.scs"]);
  await damageVectors(desk.path("."), "a.scs");
  const found = await desk.run(["search", "a.scs", "key"]);
  assert.deepEqual([found.exit, found.out.includes("under the mat")], [0, true]);
  assert.match(found.err, /by words alone: .*vectors 0 to 1 does not open.*--mend/);
  assert.match((await desk.value(["search", "a.scs", "key"])).vectorsLost ?? "", /0 to 1/);
  await desk.refused(["search", "a.scs", "key", "--by", "vectors"], 5, "E_SCS_DAMAGED");
  const looked = await desk.run(["doctor", "a.scs", "--json"]);
  const { ok, segments } = JSON.parse(looked.out) as Value;
  assert.deepEqual([looked.exit, ok], [6, false]);
  assert.deepEqual(segments, [{ kind: "vector", first: 0, count: 2 }]);
  const mended = await desk.value(["doctor", "a.scs", "--mend"]);
  assert.deepEqual([mended.ok, mended.segments, mended.mended], [true, [], 2]);
  assert.equal((await desk.value(["search", "a.scs", "key"])).vectorsLost, null);
  assert.equal((await desk.value(["info", "a.scs"])).indexRoot, before.indexRoot);
  // Where nothing is damaged there is nothing to make.
  assert.equal((await desk.value(["doctor", "a.scs", "--mend"])).mended, 0);
});

test("a proof is checked against what a Guardian vouched for", async () => {
  using desk = new Desk();
  await desk.value(["create", "a.scs", "--plain"]);
  await desk.value(["add", "a.scs", "the key is under the mat"]);
  const { logRoot, store, logSize } = await desk.value(["info", "a.scs"]);
  await desk.value(["prove", "a.scs", "key", "--out", "p"]);
  const key = nodeCrypto.generate("ml-dsa-65");
  desk.write("guardian.pub", `${toHex(key.publicKey)}\n`);
  const sign = (origin: string, size: number, root: string): string =>
    signCheckpoint(nodeCrypto, key, {
      origin,
      size,
      root: fromHex(root) ?? new Uint8Array(),
      extensions: [],
    });
  const origin = `ioi/scs/${store}`;
  const good = sign(origin, logSize, logRoot);
  desk.write("note", good);
  const given = ["verify", "p", "--checkpoint", "note", "--key", "guardian.pub"];
  assert.equal((await desk.value(given)).ok, true);
  const otherRoot = logRoot.replace(/^./, (digit) => (digit === "0" ? "1" : "0"));
  const wrong: readonly string[] = [
    sign(origin, logSize, otherRoot),
    sign(origin, logSize + 1, logRoot),
    sign(`ioi/scs/${"0".repeat(32)}`, logSize, logRoot),
    good.replace(`\n${logSize}\n`, `\n${logSize + 1}\n`),
  ];
  for (const [i, note] of wrong.entries()) {
    desk.write("note", note);
    assert.equal((await desk.run(given)).exit, 6, `note ${i}`);
  }
  desk.write("note", sign("ioi/log", logSize, logRoot));
  await desk.refused(given, 2, "E_CLI_USAGE");
  desk.write("note", good);
  await desk.refused(["verify", "p", "--checkpoint", "note"], 2, "E_CLI_USAGE");
  desk.write("guardian.pub", toHex(nodeCrypto.generate("ml-dsa-65").publicKey));
  assert.equal((await desk.run(given)).exit, 6);
});

test("files become memories, once", async () => {
  using desk = new Desk();
  await desk.value(["create", "a.scs", "--plain", "--embedder", "none"]);
  desk.write("n.md", "# House\n\nThe gate sticks.\n\n# Car\n\nIt needs oil.\n");
  desk.write("x.jsonl", `{"text":"one","at":"2024-05-01"}\nnot\n{"text":"two","tags":["t"]}\n`);
  const first = await desk.value(["import", "a.scs", "n.md", "x.jsonl", "--tag", "all"]);
  assert.deepEqual(
    first.files.map(({ memories, before }) => [memories, before]),
    [
      [2, 0],
      [2, 0],
    ],
  );
  const second = await desk.value(["import", "a.scs", "n.md", "x.jsonl"]);
  assert.deepEqual(
    second.files.map(({ memories, before }) => [memories, before]),
    [
      [2, 2],
      [2, 2],
    ],
  );
  const search = async (...argv: readonly string[]): Promise<readonly string[]> =>
    textsOf(await desk.value(["search", "a.scs", ...argv]));
  assert.deepEqual(await search("gate", "--source", "n.md"), ["House\n\nThe gate sticks."]);
  assert.deepEqual(await search("gate", "--source", "x.jsonl"), []);
  assert.deepEqual(await search("two", "--tag", "t", "--tag", "all"), ["two"]);
  assert.deepEqual(await search("one", "--to", "2024-05-02"), ["one"]);
  assert.deepEqual(await search("one", "--origin", "user"), []);
  assert.deepEqual(await search("one", "--as-of", "0"), []);
  const told = await desk.run(["import", "a.scs", "x.jsonl"]);
  assert.match(told.out, /1 passed over\n +line 2: neither an object nor a text/);

  await desk.value(["export", "a.scs", "out.md", "--markdown"]);
  assert.match(readFileSync(desk.path("out.md"), "utf8"), /^## Memory 0\n\n.*\n\n```\n/);
  await desk.value(["export", "a.scs", "out.jsonl"]);
  const lines = readFileSync(desk.path("out.jsonl"), "utf8").trim().split("\n");
  assert.equal(lines.length, 4);
  assert.equal(statSync(desk.path("out.jsonl")).mode & 0o777, 0o600);
  // What was exported can be imported.
  await desk.value(["create", "b.scs", "--plain"]);
  await desk.value(["import", "b.scs", "out.jsonl"]);
  await desk.value(["compact", "a.scs"]);
  assert.equal(existsSync(desk.path("a.scs.compacting.lock")), false, "a lock of the copy is left");
  await desk.refused(["info", "nowhere.scs"], 5, "E_SCS_MISSING");
  assert.equal((await desk.value(["doctor", "a.scs"])).ok, true);
});

test("what is no file of its kind is said so, and the memory file stays as it was", async () => {
  using desk = new Desk();
  await desk.value(["create", "a.scs", "--plain"]);
  const before = readFileSync(desk.path("a.scs"));
  desk.write("bin.txt", Uint8Array.of(0xff, 0xfe, 0x00));
  desk.write("c.json", "{}");
  desk.write("p.pdf", "%PDF-1.4 nothing");
  desk.write("huge.jsonl", `"${"x".repeat(9 * 1024 * 1024)}"\n`);
  for (const name of ["bin.txt", "c.json", "p.pdf"]) {
    await desk.refused(["import", "a.scs", name], 5, "E_SCS_IMPORT");
  }
  await desk.refused(["import", "a.scs", "x.unknown"], 2, "E_CLI_USAGE");
  await desk.refused(["import", "a.scs", "n.md", "--kind", "x"], 2, "E_CLI_USAGE");
  await desk.refused(["import", "a.scs", "absent.md"], 5, "E_CLI_SYSTEM");
  const [huge] = (await desk.value(["import", "a.scs", "huge.jsonl"])).files;
  assert.equal(huge?.memories, 0);
  assert.deepEqual(readFileSync(desk.path("a.scs")), before);
});

test("files that are none, locked, damaged or of another key are refused, and only read", async () => {
  using desk = new Desk();
  desk.write("phrase", "open sesame\n");
  desk.write("wrong", "open barley\n");
  const key = ["--passphrase-file", "phrase"];
  await desk.value(["create", "a.scs", ...key]);
  await desk.value(["add", "a.scs", "the key is under the mat", ...key]);
  assert.equal(readFileSync(desk.path("a.scs")).includes("under the mat"), false);
  await desk.refused(["search", "a.scs", "key", "--passphrase-file", "wrong"], 5, "E_SCS_KEY");
  await desk.refused(["search", "a.scs", "key"], 2, "E_CLI_USAGE");
  await desk.refused(["create", "a.scs", ...key], 5, "E_FILES_EXISTS");
  await desk.refused(["create", "b.scs"], 2, "E_CLI_USAGE");
  const foreign: readonly (readonly [string, Uint8Array])[] = [
    ["empty.scs", new Uint8Array()],
    ["short.scs", readFileSync(desk.path("a.scs")).subarray(0, 900)],
    ["other.scs", Buffer.alloc(10_000, 7)],
  ];
  for (const [name, bytes] of foreign) {
    desk.write(name, bytes);
    for (const command of ["info", "doctor", "compact"]) {
      await desk.refused([command, name], 5, "E_SCS_");
    }
    assert.deepEqual(new Uint8Array(readFileSync(desk.path(name))), new Uint8Array(bytes));
  }
  const whole = readFileSync(desk.path("a.scs"));
  const damaged = new Uint8Array(whole);
  damaged.fill(0, 5120 + 200, 5120 + 320);
  desk.write("a.scs", damaged);
  const found = await desk.run(["doctor", "a.scs", "--json", ...key]);
  assert.equal(found.exit, 6, found.err);
  await desk.refused(["add", "a.scs", "more", ...key], 5, "E_SCS_DAMAGED");
  assert.deepEqual(new Uint8Array(readFileSync(desk.path("a.scs"))), damaged);
});

test("another embedder than the file's is refused, and without it words answer", async () => {
  using desk = new Desk();
  await desk.value(["create", "words.scs", "--plain", "--embedder", "none"]);
  await desk.value(["add", "words.scs", "the key is under the mat"]);
  const other = ["--embedder", "http://127.0.0.1:9/v1#m"];
  await desk.refused(["search", "words.scs", "key", ...other], 2, "E_SCS_EMBEDDER");
  await desk.refused(["create", "b.scs", "--plain", ...other], 5, "E_EGRESS_CONNECT");
  const remote = ["--embedder", "https://example.com/v1#m"];
  await desk.refused(["create", "b.scs", "--plain", ...remote], 3, "E_EMBED_REMOTE");
  await desk.refused(["create", "b.scs", "--plain", "--embedder", "x"], 2, "E_CLI_USAGE");
  const found = await desk.value(["search", "words.scs", "key"]);
  assert.equal(found.answers.length, 1);
});

test("a passphrase is typed twice and never shown, and standard input is remembered", async () => {
  using desk = new Desk();
  const keys = (...texts: readonly string[]): RunSettings => ({
    terminal: true,
    keys: texts.map((text): [string, number] => [`${text}\r`, 10]),
  });
  assert.equal((await desk.run(["create", "a.scs"], keys("one", "two"))).exit, 2);
  const made = await desk.run(["create", "a.scs"], keys("open sesame", "open sesame"));
  assert.equal(made.exit, 0, made.err);
  assert.doesNotMatch(made.out + made.err, /sesame/);
  desk.write("phrase", "open sesame\n");
  const key = ["--passphrase-file", "phrase"];
  const input = "a note\nof two lines\n";
  await desk.value(["add", "a.scs", "-", "--source", "pipe", ...key], { input });
  const [found] = (await desk.value(["search", "a.scs", "note", ...key])).answers;
  assert.deepEqual([found?.text, found?.source], [input.trimEnd(), "pipe"]);
  await desk.refused(["add", "a.scs", "", ...key], 2, "E_SCS_INPUT");
  await desk.refused(["search", "a.scs", "x", "--from", "soon", ...key], 2, "E_CLI_USAGE");
});

test("an import that is interrupted says so, and what it stored is whole", async () => {
  using desk = new Desk();
  await desk.value(["create", "a.scs", "--plain", "--embedder", "none"]);
  const lines = Array.from({ length: 4000 }, (_, n) => JSON.stringify({ text: `memory ${n}` }));
  desk.write("many.jsonl", `${lines.join("\n")}\n`);
  const controller = new AbortController();
  const path = desk.path("a.scs");
  const before = statSync(path).size;
  const look = setInterval(() => {
    if (statSync(path).size > before) controller.abort(new SignalExit("SIGINT"));
  }, 1);
  const ran = await desk.run(["import", "a.scs", "many.jsonl"], { controller });
  clearInterval(look);
  assert.equal(ran.exit, 130);
  assert.equal((await desk.value(["doctor", "a.scs"])).ok, true);
  const [rest] = (await desk.value(["import", "a.scs", "many.jsonl"])).files;
  assert.equal(rest?.memories, lines.length);
  assert.ok((rest?.before ?? 0) > 0 && (rest?.before ?? 0) < lines.length);
  await desk.value(["export", "a.scs", "all.jsonl"]);
  const texts = readFileSync(desk.path("all.jsonl"), "utf8").trim().split("\n");
  assert.deepEqual(
    texts.map((line) => (JSON.parse(line) as { readonly text: string }).text),
    lines.map((_, n) => `memory ${n}`),
  );
});

test("embed gives vectors to what waits, and changes the embedder for all of a file", async () => {
  using desk = new Desk();
  await desk.run(["create", "a.scs", "--plain", "--embedder", "none"]);
  await desk.run(["add", "a.scs", "the key is under the mat", "Ann drinks tea"]);
  const done = (await desk.value(["embed", "a.scs", "--embedder", "hashed"])) as unknown as {
    readonly anew: boolean;
    readonly embedded: number;
    readonly left: number;
  };
  assert.deepEqual([done.anew, done.embedded, done.left], [true, 2, 0]);
  assert.equal((await desk.value(["audit", "a.scs"])).ok, true);
  const info = (await desk.value(["info", "a.scs"])) as unknown as { withoutVectors: number };
  assert.equal(info.withoutVectors, 0);
  const { answers } = await desk.value(["search", "a.scs", "key", "--by", "vectors", "-k", "1"]);
  assert.deepEqual(
    answers.map(({ id }) => id),
    [0],
  );
});
