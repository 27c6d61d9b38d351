/** Parts of the bootstrap that need no download; `./ioi suite bootstrap` runs it whole. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { installEnvironment, programEnvironment, registryOf } from "../bootstrap/environment.mjs";
import { BootstrapError, errors } from "../bootstrap/errors.mjs";
import { startTime, takeLock } from "../bootstrap/lock.mjs";
import { platformKey, readFacts } from "../bootstrap/platform.mjs";

const silent = (): void => undefined;
const never = new AbortController().signal;

const codeOf = async (work: () => unknown): Promise<string> => {
  try {
    await work();
  } catch (error) {
    if (error instanceof BootstrapError) return error.code;
    throw error;
  }
  return "none";
};

describe("bootstrap: platform", () => {
  const known = ["linux-x64", "linux-arm64"];
  const key = (platform: string, arch: string, glibc: string | undefined): (() => string) => {
    return () => platformKey({ platform, arch, glibc }, known);
  };

  it("finds this machine's runtime", () => {
    assert.equal(key("linux", "arm64", "2.36")(), "linux-arm64");
    assert.match(`${readFacts().glibc}`, /^2\.\d+/);
  });

  it("names what is not supported", async () => {
    assert.equal(await codeOf(key("darwin", "arm64", undefined)), "E_BOOTSTRAP_PLATFORM");
    assert.equal(await codeOf(key("linux", "riscv64", "2.36")), "E_BOOTSTRAP_PLATFORM");
    assert.equal(await codeOf(key("linux", "x64", undefined)), "E_BOOTSTRAP_PLATFORM");
    assert.equal(errors.E_BOOTSTRAP_PLATFORM.exit, 7);
  });
});

describe("bootstrap: lock", () => {
  const inFolder = async (work: (path: string) => Promise<void>): Promise<void> => {
    const folder = mkdtempSync(join(tmpdir(), "ioi-lock-"));
    try {
      await work(join(folder, "lock"));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  };

  it("is held by one, and goes to the next when released", () =>
    inFolder(async (path) => {
      const release = await takeLock(path, silent, never);
      const said: string[] = [];
      const waiting = takeLock(path, (text) => said.push(text), never);
      release();
      (await waiting)();
      assert.throws(() => readFileSync(path), { code: "ENOENT" });
    }));

  it("names the holder that does not finish", () =>
    inFolder(async (path) => {
      const release = await takeLock(path, silent, never);
      assert.equal(await codeOf(() => takeLock(path, silent, never, 0)), "E_BOOTSTRAP_BUSY");
      release();
    }));

  it("is taken over from a dead process", () =>
    inFolder(async (path) => {
      writeFileSync(path, "4194303 1");
      (await takeLock(path, silent, never, 0))();
    }));

  it("is taken over when the holder's id belongs to another process now", () =>
    inFolder(async (path) => {
      writeFileSync(path, `${process.pid} ${Number(startTime(process.pid)) - 1}`);
      (await takeLock(path, silent, never, 0))();
    }));
});

describe("bootstrap: environments", () => {
  const given = {
    PATH: "/usr/bin",
    HOME: "/home/somebody",
    NODE_OPTIONS: "--openssl-legacy-provider",
    INIT_CWD: "/elsewhere",
    npm_config_registry: "http://127.0.0.1:9/",
    npm_config_dry_run: "true",
    npm_config_prefix: "/elsewhere",
    npm_package_name: "other",
    "npm_config_@scope:registry": "http://127.0.0.1:9/",
  };

  it("keeps of npm's settings only how to reach the registry", () => {
    assert.deepEqual(installEnvironment(given), {
      PATH: "/usr/bin",
      HOME: "/home/somebody",
      CI: "true",
      npm_config_registry: "http://127.0.0.1:9/",
      "npm_config_@scope:registry": "http://127.0.0.1:9/",
      npm_config_update_notifier: "false",
    });
    assert.equal(registryOf(given), "http://127.0.0.1:9/");
  });

  it("gives the program none of them", () => {
    const env = programEnvironment("/nonexistent", given, false);
    assert.deepEqual(env, {
      PATH: "/usr/bin",
      HOME: "/home/somebody",
      IOI_PARENT_PID: `${process.pid}`,
      NODE_COMPILE_CACHE: "/home/somebody/.cache/ioi/node",
    });
  });
});
