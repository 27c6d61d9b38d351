import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { ExecDriver } from "../src/exec/driver.ts";
import { pruneVault, Vault } from "../src/vault/vault.ts";
import { Session } from "./support.ts";

test("an effect under way is not settled by another instance", async () => {
  const seen: string[] = [];
  await using s = new Session({
    fault: () => {
      using other = new Vault(s.vaultPath, "files").hold(counter);
      seen.push(other === undefined ? "held" : "free");
    },
  });
  const counter = 2_000_001n;
  const args = { path: s.path("d") };
  assert.equal((await s.run("fs::mkdir", args, { counter })).outcome?.status, "confirmed");
  assert.ok(seen.length > 2);
  assert.deepEqual(new Set(seen), new Set(["held"]));
  // Control: afterwards it is free.
  using after = new Vault(s.vaultPath, "files").hold(counter);
  assert.ok(after !== undefined);
});

test("the vault forgets by age and by size, oldest first, and keeps counters taken", async () => {
  await using s = new Session();
  const vaults = path.dirname(s.vaultPath);
  fs.writeFileSync(s.path("a"), Buffer.alloc(100_000, 1));
  const counters: bigint[] = [];
  for (let i = 0; i < 4; i++) {
    const ran = await s.write("a", String(i).repeat(100_000));
    assert.equal(ran.outcome?.status, "confirmed");
    counters.push(ran.counter);
    const folder = path.join(s.vaultPath, "files", String(ran.counter).padStart(20, "0"));
    fs.utimesSync(folder, 1000 + i, 1000 + i);
  }
  const all = pruneVault(vaults, 1_003_000);
  assert.deepEqual([all.forgotten, all.bytes > 400_000], [0, true]);
  const half = pruneVault(vaults, 1_003_000, { bytesMax: 250_000 });
  assert.deepEqual([half.forgotten, half.bytes <= 250_000], [2, true]);
  const [first, , third, last] = counters as [bigint, bigint, bigint, bigint];
  assert.equal((await s.undo(first, [s.path("a")])).errorCode, "E_RESTORE_FORGOTTEN");
  assert.equal((await s.undo(last + 1n, [s.path("a")])).errorCode, "E_RESTORE_UNKNOWN");
  assert.deepEqual(await s.settle(first), { status: "unknown", reversible: false });
  const again = await s.run("fs::mkdir", { path: s.path("d") }, { counter: first });
  assert.equal(again.errorCode, "E_TICKET_USED");
  // Control: what is kept is undone.
  assert.equal((await s.undo(last, [s.path("a")])).outcome?.status, "confirmed");
  assert.equal((await s.undo(third, [s.path("a")])).outcome?.status, "confirmed");
  assert.equal(fs.readFileSync(s.path("a"), "utf8"), "1".repeat(100_000));
  pruneVault(vaults, Date.now() + 8 * 86_400_000);
  assert.deepEqual(new Vault(s.vaultPath, "files").counters(), []);
});

test("what a command did is forgotten as well, and the files driver says so", async () => {
  await using s = new Session({
    kind: "exec",
    driver: (engine, profile) => new ExecDriver(engine, profile),
  });
  const argv = ["sh", "-c", "echo x > f"];
  const obligations = [{ type: "snapshot" as const }, { type: "stage" as const }];
  const ran = await s.run("sys::exec", { argv, cwd: s.root }, { obligations });
  assert.equal(ran.outcome?.status, "confirmed");
  await using files = new Session({ base: s.base });
  pruneVault(path.dirname(s.vaultPath), Date.now() + 8 * 86_400_000);
  assert.equal((await files.undo(ran.counter, [s.path("f")])).errorCode, "E_RESTORE_FORGOTTEN");
});

test("the vault of a session whose drivers run is left alone, and counted", async () => {
  await using s = new Session();
  const vaults = path.dirname(s.vaultPath);
  await s.write("a", "text");
  const late = Date.now() + 8 * 86_400_000;
  const busy = new Set([path.basename(s.vaultPath)]);
  const left = pruneVault(vaults, late, { busy });
  assert.deepEqual([left.forgotten, left.bytes > 0], [0, true]);
  // Control: it goes once no driver runs.
  assert.equal(pruneVault(vaults, late, { busy: new Set(["another"]) }).forgotten, 1);
});

test("an effect without a record is not forgotten while it is held", async () => {
  await using s = new Session();
  const vaults = path.dirname(s.vaultPath);
  const late = Date.now() + 1e12;
  const claim = s.driver.claim(3_000_000n);
  assert.ok(claim !== undefined);
  assert.equal(pruneVault(vaults, late).forgotten, 0);
  claim[Symbol.dispose]();
  assert.equal(pruneVault(vaults, Date.now(), { bytesMax: 0 }).forgotten, 0);
  // Control: nobody holds it, and it is old.
  assert.equal(pruneVault(vaults, late).forgotten, 1);
  assert.equal(s.driver.claim(3_000_000n), undefined);
});

test("a refusal after the claim leaves its counter settled", async () => {
  await using s = new Session();
  const counter = 3_000_001n;
  const ran = await s.run("fs::delete", { path: s.path("none") }, { counter });
  assert.equal(ran.outcome?.status, "refused");
  assert.equal(s.engine.vault.readRecord(counter)?.phase, "no-effect");
});

test("a vault of a newer format is refused untouched", async () => {
  await using s = new Session();
  fs.writeFileSync(path.join(s.vaultPath, "FORMAT"), '{"format":2}\n');
  assert.throws(() => new Vault(s.vaultPath, "files"), { code: "E_VAULT_FORMAT" });
  assert.equal(fs.readFileSync(path.join(s.vaultPath, "FORMAT"), "utf8"), '{"format":2}\n');
});

test("a record that does not read is examined again", async () => {
  await using s = new Session();
  const ran = await s.write("a", "text");
  const folder = path.join(s.vaultPath, "files", String(ran.counter).padStart(20, "0"));
  fs.writeFileSync(path.join(folder, "record"), "torn");
  assert.deepEqual(await s.settle(ran.counter), { status: "confirmed", reversible: true });
  assert.equal((await s.undo(ran.counter, [s.path("a")])).outcome?.status, "confirmed");
  assert.equal(fs.existsSync(s.path("a")), false);
});
