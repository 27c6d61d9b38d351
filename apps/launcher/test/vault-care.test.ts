/** What undo keeps goes after its time, but never under a driver. */
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import type { Log } from "@ioi/base";
import { lockOf } from "@ioi/drivers/vault";
import { VaultCare, type VaultCareOptions } from "../src/vault-care.ts";

const day = 86_400_000;

class Vaults implements Disposable {
  readonly path: string = fs.mkdtempSync(path.join(os.tmpdir(), "ioi-launcher-"));
  readonly events: string[] = [];
  readonly log: Log = {
    log: (_level, event) => void this.events.push(event),
    child: () => this.log,
  };

  effect(session: string, counter: number, ageMs: number, bytes = 10): string {
    const name = String(counter).padStart(20, "0");
    const folder = path.join(this.path, session, "files", name);
    fs.mkdirSync(folder, { recursive: true });
    for (const file of ["record", "blob-0"]) {
      fs.writeFileSync(path.join(folder, file), Buffer.alloc(bytes, 1));
    }
    const at = (Date.now() - ageMs) / 1000;
    fs.utimesSync(folder, at, at);
    return folder;
  }

  care(more: Partial<VaultCareOptions> = {}): VaultCare {
    return new VaultCare({
      vaults: this.path,
      busy: () => new Set(),
      nowMs: () => Date.now(),
      log: this.log,
      ...more,
    });
  }

  [Symbol.dispose](): void {
    fs.rmSync(this.path, { recursive: true });
  }
}

test("at the start what is older than seven days goes, what is younger stays", () => {
  using vaults = new Vaults();
  const old = vaults.effect("s-000000000001", 1, 8 * day);
  const young = vaults.effect("s-000000000002", 2, 6 * day);
  using care = vaults.care();
  const timer = care.start();
  assert.deepEqual([fs.existsSync(old), fs.existsSync(young)], [false, true]);
  assert.deepEqual(vaults.events, ["launcher.vault-pruned"]);
  assert.equal(timer.hasRef(), false);
});

test("what terminals staged that ended with their driver goes; what one works in stays", () => {
  using vaults = new Vaults();
  const stage = (session: string): string => {
    const folder = path.join(vaults.path, session, "shell/stages", "00".repeat(16));
    // As the kernel leaves the work folder of an overlay.
    fs.mkdirSync(path.join(folder, "0/0/work/work"), { recursive: true });
    fs.chmodSync(path.join(folder, "0/0/work/work"), 0);
    return folder;
  };
  const [left, held] = [stage("s-000000000001"), stage("s-000000000002")];
  using _lock = lockOf(held);
  using care = vaults.care();
  care.prune();
  assert.deepEqual([fs.existsSync(left), fs.existsSync(held)], [false, true]);
  assert.deepEqual(vaults.events, ["launcher.stages-removed"]);
});

test("every hour it looks again", (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  using vaults = new Vaults();
  using care = vaults.care();
  care.start();
  const old = vaults.effect("s-000000000001", 1, 8 * day);
  t.mock.timers.tick(3_599_999);
  assert.ok(fs.existsSync(old));
  t.mock.timers.tick(1);
  assert.equal(fs.existsSync(old), false);
});

test("the session of a driver that runs keeps its own; the others make room", () => {
  using vaults = new Vaults();
  const busy = vaults.effect("s-000000000001", 1, 9 * day, 100_000);
  const idle = vaults.effect("s-000000000002", 2, day, 100_000);
  const bounds = { bytesMax: 250_000 };
  const running = new Set(["s-000000000001"]);
  vaults.care({ busy: () => running, bounds }).prune();
  assert.deepEqual([fs.existsSync(busy), fs.existsSync(idle)], [true, false]);
  // Control: without its driver it goes.
  running.clear();
  vaults.care({ busy: () => running, bounds }).prune();
  assert.equal(fs.existsSync(busy), false);
});

test("a vault that cannot be looked at is left, and said", () => {
  using vaults = new Vaults();
  vaults.care({ vaults: path.join(vaults.path, "none") }).prune();
  assert.deepEqual(vaults.events, ["launcher.vault-unpruned"]);
});
