/** The users of a service: what may name them, and who may start a kernel under them. */
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import {
  asDriver,
  asRole,
  identitiesFile,
  parseIdentities,
  readIdentities,
  roles,
} from "../src/identities.ts";

const valid = {
  version: 1,
  person: { name: "anna", uid: 1000, gid: 1000, home: "/home/anna" },
  roles: Object.fromEntries(roles.map((role, n) => [role, { uid: 900 + n, gid: 900 + n }])),
};
const text = (changes: object = {}): string => JSON.stringify({ ...valid, ...changes });

test("every process has its user, and who sees the person's files is the person", () => {
  const identities = parseIdentities(text());
  assert.deepEqual(asRole(identities, "guardian"), { identity: { uid: 900, gid: 900 } });
  assert.equal(asDriver(identities, "exec").identity?.uid, 1000);
  assert.equal(asDriver(identities, "files").identity?.uid, 1000);
  assert.equal(asDriver(identities, "net").identity?.uid, 905);
  assert.equal(asDriver(identities, "model").identity?.uid, 905);
  assert.equal(asDriver(identities, "memory").identity?.uid, 905);
  assert.deepEqual(asRole(undefined, "guardian"), {});
  assert.deepEqual(asDriver(undefined, "exec"), {});
});

test("a file that names no proper users is refused", () => {
  const roles = valid.roles;
  for (const wrong of [
    "",
    "null",
    "[]",
    text({ version: 2 }),
    text({ person: { ...valid.person, uid: 0 } }),
    text({ person: { ...valid.person, uid: "1000" } }),
    text({ person: { ...valid.person, home: "home" } }),
    text({ person: undefined }),
    text({ roles: { ...roles, guardian: undefined } }),
    text({ roles: { ...roles, guardian: { uid: 0, gid: 0 } } }),
    text({ roles: { ...roles, guardian: { uid: 1.5, gid: 900 } } }),
    text({ roles: { ...roles, guardian: { uid: 4_294_967_295, gid: 900 } } }),
    // Two in one: what is one's would be the other's.
    text({ roles: { ...roles, guardian: { uid: 901, gid: 900 } } }),
    text({ roles: { ...roles, guardian: { uid: 1000, gid: 900 } } }),
  ]) {
    assert.throws(() => parseIdentities(wrong), { code: "E_LAUNCHER_IDENTITIES" }, wrong);
  }
});

test("only the superuser starts it, by a file that only the superuser can change", (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "ioi-identities-"));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  assert.equal(readIdentities(folder), undefined);
  const file = path.join(folder, identitiesFile);
  fs.writeFileSync(file, text(), { mode: 0o644 });
  if (process.getuid?.() !== 0) {
    assert.throws(() => readIdentities(folder), { code: "E_LAUNCHER_SERVICE" });
    return;
  }
  assert.equal(readIdentities(folder)?.person.home, "/home/anna");
  fs.chmodSync(file, 0o666);
  assert.throws(() => readIdentities(folder), { code: "E_LAUNCHER_IDENTITIES" });
  fs.chmodSync(file, 0o644);
  fs.chownSync(file, 4242, 4242);
  assert.throws(() => readIdentities(folder), { code: "E_LAUNCHER_IDENTITIES" });
  fs.chownSync(file, 0, 0);
  fs.renameSync(file, path.join(folder, "other.json"));
  fs.symlinkSync("other.json", file);
  assert.throws(() => readIdentities(folder), { code: "E_LAUNCHER_IDENTITIES" });
});
