/** Every way out of a folder that a path can try, each with the control that it would work. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { after, test } from "node:test";
import { forceComponentWalk } from "../src/fs/syscalls.ts";
import { contentRef, Session, treeState } from "./support.ts";

const content = Buffer.from("mine");
const writeArgs = (at: string, create = "any") => ({
  path: at,
  content: contentRef(content),
  create,
});
const code = async (run: ReturnType<Session["run"]>): Promise<string> => {
  const { errorCode, outcome } = await run;
  assert.notEqual(outcome?.status, "confirmed");
  return errorCode;
};

/** Every target that takes a path, aimed at one. */
const aim = async (s: Session, at: string): Promise<ReadonlySet<string>> => {
  const codes = new Set<string>();
  for (const target of [
    "fs::stat",
    "fs::list",
    "fs::read",
    "fs::search",
    "fs::mkdir",
    "fs::delete",
  ]) {
    codes.add(await code(s.run(target, { path: at })));
  }
  codes.add(await code(s.run("fs::write", writeArgs(at), { content })));
  for (const target of ["fs::copy", "fs::move"]) {
    codes.add(await code(s.run(target, { path: at, to: s.path("to") })));
    codes.add(await code(s.run(target, { path: s.path("a"), to: at })));
  }
  return codes;
};

/** A folder with a secret beside it. */
const session = (
  options: ConstructorParameters<typeof Session>[0] = {},
): Session & { secret: string } => {
  const s = new Session(options);
  fs.writeFileSync(s.path("a"), "a");
  fs.mkdirSync(s.path("d"));
  const secret = path.join(s.base, "secret");
  fs.mkdirSync(path.join(secret, "sub"), { recursive: true });
  fs.writeFileSync(path.join(secret, "sub/key"), "key");
  fs.writeFileSync(path.join(secret, "key"), "key");
  return Object.assign(s, { secret });
};

for (const walk of [false, true]) {
  const how = walk ? "component walk" : "openat2";
  const within = (name: string, work: () => Promise<void>): void => {
    test(`${name} (${how})`, async () => {
      forceComponentWalk(walk);
      await work();
    });
  };

  within("a link on the way, or at the end, is not followed", async () => {
    await using s = session();
    fs.symlinkSync(s.secret, s.path("out"));
    fs.symlinkSync(path.join(s.secret, "key"), s.path("key"));
    fs.symlinkSync("../secret", s.path("relative"));
    const before = treeState(s.secret);
    // Control: the links work.
    assert.equal(fs.readFileSync(s.path("out/key"), "utf8"), "key");
    assert.deepEqual(await aim(s, s.path("out/key")), new Set(["E_FS_SYMLINK"]));
    assert.deepEqual(await aim(s, s.path("relative/key")), new Set(["E_FS_SYMLINK"]));
    assert.deepEqual(await aim(s, s.path("out/sub/key")), new Set(["E_FS_SYMLINK"]));
    assert.equal(await code(s.run("fs::read", { path: s.path("key") })), "E_FS_SPECIAL");
    assert.equal(await code(s.run("fs::list", { path: s.path("out") })), "E_FS_NOT_A_DIRECTORY");
    assert.equal(
      await code(s.run("fs::write", writeArgs(s.path("key")), { content })),
      "E_FS_SYMLINK",
    );
    assert.equal(await code(s.run("fs::search", { path: s.path("out") })), "E_FS_NOT_A_DIRECTORY");
    // A link itself may be deleted; what it points to stays.
    const gone = await s.run("fs::delete", { path: s.path("out") });
    assert.equal(gone.outcome?.status, "confirmed");
    assert.deepEqual(treeState(s.secret), before);
  });

  within("a search does not leave through a link", async () => {
    await using s = session();
    fs.symlinkSync(s.secret, s.path("d/out"));
    fs.writeFileSync(s.path("d/here"), "a key");
    const found = await s.run("fs::search", { path: s.root, text: "key" });
    assert.deepEqual(
      found.result["matches"],
      [{ path: s.path("d/here"), line: 1, text: "a key" }].map((m) =>
        Object.assign(Object.create(null) as object, m),
      ),
    );
  });

  within("a parent that becomes a link between look and act", async () => {
    await using s = session();
    const looked = await s.prepare("fs::write", writeArgs(s.path("d/key")));
    assert.ok(typeof looked !== "string");
    fs.renameSync(s.path("d"), s.path("d2"));
    fs.symlinkSync(s.secret, s.path("d"));
    const acted = await s.act(looked.prepared.nonce, s.ticket(looked), content);
    assert.equal(acted.outcome?.status, "refused");
    assert.equal(fs.readFileSync(path.join(s.secret, "key"), "utf8"), "key");
    assert.deepEqual(fs.readdirSync(s.path("d2")), []);
    // Control: a string walked twice would have written the secret.
    fs.writeFileSync(s.path("d/key"), "control");
    assert.equal(fs.readFileSync(path.join(s.secret, "key"), "utf8"), "control");
  });

  within("a parent that moves out of the folder between look and act", async () => {
    await using s = session();
    const looked = await s.prepare("fs::write", writeArgs(s.path("d/new")));
    assert.ok(typeof looked !== "string");
    fs.renameSync(s.path("d"), path.join(s.base, "moved"));
    const acted = await s.act(looked.prepared.nonce, s.ticket(looked), content);
    assert.equal(acted.outcome?.status, "refused");
    assert.deepEqual(fs.readdirSync(path.join(s.base, "moved")), []);
  });
}
after(() => forceComponentWalk(false));

for (const target of ["fs::read", "fs::write", "fs::delete", "fs::move", "fs::stat"]) {
  test(`another file under the same name between look and act: ${target}`, async () => {
    await using s = session();
    const args = {
      "fs::write": writeArgs(s.path("a")),
      "fs::move": { path: s.path("a"), to: s.path("b") },
    }[target] ?? { path: s.path("a") };
    const given = target === "fs::write" ? content : undefined;
    const looked = await s.prepare(target, args);
    assert.ok(typeof looked !== "string");
    fs.writeFileSync(s.path("other"), "other");
    fs.renameSync(s.path("other"), s.path("a"));
    const acted = await s.act(looked.prepared.nonce, s.ticket(looked), given);
    assert.deepEqual([acted.outcome?.status, acted.errorCode], ["refused", "E_FS_CHANGED"]);
    assert.equal(fs.readFileSync(s.path("a"), "utf8"), "other");
    // Control: prepared on what is there now, it goes.
    const again = await s.run(target, args, given === undefined ? {} : { content: given });
    assert.equal(again.outcome?.status, "confirmed");
  });
}

test("a name that appears between look and act is not overwritten", async () => {
  await using s = session();
  for (const [target, args] of [
    ["fs::write", writeArgs(s.path("new"), "new")],
    ["fs::copy", { path: s.path("a"), to: s.path("new") }],
    ["fs::move", { path: s.path("a"), to: s.path("new") }],
  ] as const) {
    const looked = await s.prepare(target, args);
    assert.ok(typeof looked !== "string");
    fs.writeFileSync(s.path("new"), "theirs");
    const given = target === "fs::write" ? content : undefined;
    const acted = await s.act(looked.prepared.nonce, s.ticket(looked), given);
    assert.equal(acted.outcome?.status, "refused");
    assert.equal(fs.readFileSync(s.path("new"), "utf8"), "theirs");
    fs.rmSync(s.path("new"));
  }
});

for (const moment of ["built", "checked"]) {
  test(`a change in the last moment is put back, not lost (${moment})`, async () => {
    let meanwhile = (): void => undefined;
    await using s = session({ fault: (point) => (point === moment ? meanwhile() : undefined) });
    meanwhile = () => {
      fs.writeFileSync(s.path("a"), "last word");
    };
    const wrote = await s.write("a", "mine");
    assert.deepEqual([wrote.outcome?.status, wrote.errorCode], ["no-effect", "E_FS_CHANGED"]);
    assert.equal(fs.readFileSync(s.path("a"), "utf8"), "last word");
    meanwhile = () => {
      fs.writeFileSync(s.path("new"), "last word");
    };
    const made = await s.write("new", "mine");
    assert.equal(made.outcome?.status, "no-effect");
    assert.equal(fs.readFileSync(s.path("new"), "utf8"), "last word");
    assert.deepEqual(fs.readdirSync(s.root).sort(), ["a", "d", "new"]);
    meanwhile = () => undefined;
    // Control: without it the write goes.
    assert.equal((await s.write("a", "mine")).outcome?.status, "confirmed");
  });
}

test("another folder under the same name between look and act", async () => {
  await using s = session();
  const looked = await s.prepare("fs::write", writeArgs(s.path("d/new")));
  assert.ok(typeof looked !== "string");
  fs.renameSync(s.path("d"), s.path("d2"));
  fs.mkdirSync(s.path("d"));
  const acted = await s.act(looked.prepared.nonce, s.ticket(looked), content);
  assert.deepEqual([acted.outcome?.status, acted.errorCode], ["refused", "E_FS_CHANGED"]);
  assert.deepEqual(fs.readdirSync(s.path("d")), []);
});

test("paths that are not canonical are refused before anything is opened", async () => {
  await using s = session();
  const long = `/${"x".repeat(256)}`;
  for (const at of [
    "a",
    "",
    "~/a",
    `${s.root}/../secret/key`,
    `${s.root}/./a`,
    `${s.root}//a`,
    `${s.root}/d/`,
    `${s.root}/a\0`,
    `${s.root}/a\n`,
    `${s.root}/\u0085`,
    `${s.root}/e\u0301`,
    s.root + long,
    s.root + "/é".repeat(1380),
  ]) {
    assert.deepEqual(await aim(s, at), new Set(["E_PATH_INVALID"]), JSON.stringify(at));
  }
  assert.equal(await s.prepare("fs::read", { path: 7 }), "E_ARGUMENTS_INVALID");
  assert.equal(await s.prepare("fs::read", { path: s.root, more: 1 }), "E_ARGUMENTS_INVALID");
  assert.equal(await s.prepare("fs::read", {}), "E_ARGUMENTS_INVALID");
  assert.equal(await s.prepare("fs::read", { path: "/x".repeat(4000) }), "E_ARGUMENTS_INVALID");
});

test("a folder with the same beginning is another folder", async () => {
  await using s = session();
  fs.mkdirSync(`${s.root}-evil`);
  fs.writeFileSync(`${s.root}-evil/key`, "k");
  assert.deepEqual(await aim(s, `${s.root}-evil/key`), new Set(["E_FS_OUTSIDE"]));
  assert.deepEqual(await aim(s, "/etc/shadow"), new Set(["E_FS_OUTSIDE"]));
  assert.deepEqual(await aim(s, "/proc/self/root/etc/shadow"), new Set(["E_FS_OUTSIDE"]));
});

test("a folder of the session itself stays", async () => {
  await using s = session();
  assert.equal(await code(s.run("fs::delete", { path: s.root })), "E_FS_ROOT");
  assert.equal(await code(s.run("fs::move", { path: s.root, to: s.path("d/x") })), "E_FS_ROOT");
  assert.equal(
    await code(s.run("fs::copy", { path: s.path("d"), to: s.path("d/x") })),
    "E_FS_INTO_ITSELF",
  );
});

test("a second name of a file is not written through", async () => {
  await using s = session();
  fs.linkSync(path.join(s.secret, "key"), s.path("key"));
  assert.equal(
    await code(s.run("fs::write", writeArgs(s.path("key")), { content })),
    "E_FS_HARD_LINK",
  );
  assert.equal(fs.readFileSync(path.join(s.secret, "key"), "utf8"), "key");
  // Control: a plain write goes through.
  fs.writeFileSync(s.path("key"), "through");
  assert.equal(fs.readFileSync(path.join(s.secret, "key"), "utf8"), "through");
});

test("FIFOs and sockets are looked at, never opened", async () => {
  await using s = session();
  execFileSync("mkfifo", [s.path("d/fifo")]);
  const server = net.createServer().listen(s.path("d/socket"));
  for (const name of ["fifo", "socket"]) {
    const stat = await s.run("fs::stat", { path: s.path(`d/${name}`) });
    assert.equal(stat.result["kind"], "other");
    assert.equal(await code(s.run("fs::read", { path: s.path(`d/${name}`) })), "E_FS_SPECIAL");
    assert.equal(await code(s.run("fs::delete", { path: s.path(`d/${name}`) })), "E_FS_SPECIAL");
    const to = s.path("copy");
    assert.equal(await code(s.run("fs::copy", { path: s.path(`d/${name}`), to })), "E_FS_SPECIAL");
  }
  const found = await s.run("fs::search", { path: s.root, text: "x" });
  assert.equal(found.outcome?.status, "confirmed");
  assert.equal(await code(s.run("fs::delete", { path: s.path("d") })), "E_FS_SPECIAL");
  server.close();
});

test("kernel file systems are doors, not files", async () => {
  await using s = session();
  await using whole = new Session({
    base: s.base,
    roots: [{ name: "all", path: "/", access: "write" }],
  });
  for (const at of [
    `/proc/${process.pid}/environ`,
    `/proc/${process.pid}/mem`,
    "/sys/kernel",
    "/proc/kcore",
  ]) {
    if (!fs.existsSync(at)) continue;
    assert.equal(await whole.prepare("fs::read", { path: at }), "E_FS_SPECIAL");
  }
  for (const at of ["/proc/self/root/etc/passwd", "/proc/self/cwd/x", "/dev/fd/0"]) {
    assert.equal(await whole.prepare("fs::read", { path: at }), "E_FS_SYMLINK", at);
  }
  // Control: an ordinary file below the same root is read.
  assert.equal((await whole.run("fs::read", { path: s.path("a") })).outcome?.status, "confirmed");
});

test("what is masked does not exist", async () => {
  const s = session();
  try {
    fs.mkdirSync(s.path("d/own"));
    fs.writeFileSync(s.path("d/own/key"), "key");
    await using masked = new Session({ base: s.base, masks: [s.path("d/own")] });
    assert.deepEqual(await aim(masked, s.path("d/own/key")), new Set(["E_FS_OUTSIDE"]));
    assert.deepEqual(await aim(masked, s.path("d/own")), new Set(["E_FS_OUTSIDE"]));
    const list = await masked.run("fs::list", { path: s.path("d") });
    assert.deepEqual(list.result["entries"], []);
    const found = await masked.run("fs::search", { path: s.root, text: "key" });
    assert.deepEqual(found.result["matches"], []);
    for (const target of ["fs::delete"]) {
      assert.equal(await code(masked.run(target, { path: s.path("d") })), "E_FS_OUTSIDE");
    }
    assert.equal(
      await code(masked.run("fs::move", { path: s.path("d"), to: s.path("e") })),
      "E_FS_OUTSIDE",
    );
    assert.equal(
      await code(masked.run("fs::copy", { path: s.path("d"), to: s.path("e") })),
      "E_FS_OUTSIDE",
    );
    // Control: without the mask it is read.
    assert.equal(
      (await s.run("fs::read", { path: s.path("d/own/key") })).outcome?.status,
      "confirmed",
    );
  } finally {
    await s[Symbol.asyncDispose]();
  }
});

test("names that are not UTF-8 are shown, and nothing is done to them by name", async () => {
  await using s = session();
  const raw = Buffer.concat([Buffer.from(s.path("d/")), Buffer.from([0xff, 0xc0])]);
  fs.writeFileSync(raw, "x");
  const list = await s.run("fs::list", { path: s.path("d") });
  assert.equal((list.result["entries"] as readonly unknown[]).length, 1);
  assert.equal(await code(s.run("fs::delete", { path: s.path("d") })), "E_FS_NAME");
  fs.rmSync(s.path("d"), { recursive: true });
});

test("a root that is a link, or is gone, opens nothing", async () => {
  await using s = session();
  fs.symlinkSync(s.secret, path.join(s.base, "link"));
  await using other = new Session({
    base: s.base,
    roots: [{ name: "l", path: path.join(s.base, "link"), access: "write" }],
  });
  assert.equal(
    await other.prepare("fs::read", { path: path.join(s.base, "link/key") }),
    "E_FS_NO_ROOT",
  );
});

test("a root that is open for reading is not written", async () => {
  await using s = session();
  await using readable = new Session({
    base: s.base,
    roots: [{ name: "w", path: s.root, access: "read" }],
  });
  assert.equal(await readable.prepare("fs::write", writeArgs(s.path("a"))), "E_FS_NOT_WRITABLE");
  assert.equal(
    (await readable.run("fs::read", { path: s.path("a") })).outcome?.status,
    "confirmed",
  );
});
