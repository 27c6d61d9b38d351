import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import { ExecDriver } from "../src/exec/driver.ts";
import { Session, type SessionOptions, treeState } from "./support.ts";

const execSession = (options: SessionOptions = {}): Session =>
  new Session({
    kind: "exec",
    driver: (engine, profile) => new ExecDriver(engine, profile),
    ...options,
  });

const sh = (s: Session, script: string): ReturnType<Session["run"]> =>
  s.run(
    "sys::exec",
    { argv: ["sh", "-c", script], cwd: s.root },
    {
      obligations: [{ type: "snapshot" }, { type: "stage" }],
    },
  );

const text = (value: unknown): string => Buffer.from(value as Uint8Array).toString();

test("a command's changes are applied after it ended, and undone", async () => {
  await using s = execSession();
  fs.writeFileSync(s.path("a.txt"), "old");
  fs.writeFileSync(s.path("gone.txt"), "gone");
  fs.mkdirSync(s.path("d/e"), { recursive: true });
  fs.writeFileSync(s.path("d/e/f"), "f");
  fs.writeFileSync(s.path("kind"), "file first");
  fs.mkdirSync(s.path("opaque"));
  fs.writeFileSync(s.path("opaque/old"), "o");
  fs.symlinkSync("a.txt", s.path("link"));
  const before = treeState(s.root);
  const ran = await sh(
    s,
    `
    echo new > a.txt; rm gone.txt; mv d moved; mkdir n; echo x > n/x; chmod 700 n
    rm kind; mkdir kind; echo k > kind/k
    rm -r opaque; mkdir opaque; echo q > opaque/new
    ln -sf elsewhere link; echo out; echo err >&2; exit 3`,
  );
  assert.deepEqual([ran.errorCode, ran.message, ran.outcome?.status], ["", "", "confirmed"]);
  assert.equal(ran.result["exitCode"], 3);
  assert.equal(text(ran.result["stdout"]), "out\n");
  assert.equal(text(ran.result["stderr"]), "err\n");
  assert.equal(ran.outcome?.evidence["exitCode"], "3");
  assert.equal(fs.readFileSync(s.path("a.txt"), "utf8"), "new\n");
  assert.equal(fs.existsSync(s.path("gone.txt")), false);
  assert.equal(fs.readFileSync(s.path("moved/e/f"), "utf8"), "f");
  assert.equal(fs.readFileSync(s.path("kind/k"), "utf8"), "k\n");
  assert.deepEqual(fs.readdirSync(s.path("opaque")), ["new"]);
  assert.equal(fs.readlinkSync(s.path("link")), "elsewhere");
  assert.equal(fs.statSync(s.path("n")).mode & 0o777, 0o700);
  assert.equal(
    fs.existsSync(`${s.vaultPath}/exec/${String(ran.counter).padStart(20, "0")}/stage`),
    false,
  );
  await using files = new Session({ base: s.base });
  const undone = await files.undo(ran.counter, ran.result["changed"] as readonly string[]);
  assert.deepEqual(
    [undone.errorCode, undone.message, undone.outcome?.status],
    ["", "", "confirmed"],
  );
  assert.deepEqual(treeState(s.root), before);
});
