/** `ioi secrets`: where a value comes from, and that it is never shown. */
import assert from "node:assert/strict";
import test from "node:test";
import { kernelEnvironment, keysFile, keysIn } from "../src/kernel/environment.ts";
import { closeSync, readFileSync } from "node:fs";
import { FakeKernel, type RunSettings, runWith, temporaryFolder } from "./support.ts";

const withKernel = async (
  use: (
    kernel: FakeKernel,
    ioi: (argv: readonly string[], settings?: RunSettings) => ReturnType<typeof runWith>,
  ) => Promise<void>,
): Promise<void> => {
  using folder = temporaryFolder();
  await using kernel = await FakeKernel.open(folder.path);
  await use(kernel, (argv, settings) =>
    runWith(["secrets", ...argv, "--data", kernel.data], { cwd: folder.path, ...settings }),
  );
};

test("a value comes from standard input, without its last line break", () =>
  withKernel(async (kernel, ioi) => {
    const set = await ioi(["set", "TOKEN", "--url", "https://a.example/v1"], { input: "v1\n" });
    assert.deepEqual([set.exit, kernel.secrets.get("TOKEN")], [0, "v1"]);
    assert.match(set.out, /TOKEN goes to https:\/\/a\.example\/v1 as authorization/);
    assert.ok(!set.out.includes("v1\n\n") && !set.err.includes("Bearer v1"));
    assert.deepEqual(kernel.calls.at(-1), "secret TOKEN a.example authorization Bearer {}");
  }));

test("a value is typed unseen, and mended with the backspace key", () =>
  withKernel(async (kernel, ioi) => {
    const keys = [
      ["sec", 1],
      ["x", 1],
      ["\u007f", 1],
      ["ret\r", 1],
    ] as const;
    const set = await ioi(["set", "TOKEN", "--url", "https://a.example/"], {
      terminal: true,
      keys,
    });
    assert.deepEqual([set.exit, kernel.secrets.get("TOKEN")], [0, "secret"]);
    assert.ok(!`${set.out}${set.err}`.includes("secret\n") && !set.err.includes("sec x"));
  }));

test("services that take their key otherwise are known", () =>
  withKernel(async (kernel, ioi) => {
    await ioi(["set", "CLAUDE", "--url", "https://api.anthropic.com/v1"], { input: "v" });
    assert.equal(kernel.calls.at(-1), "secret CLAUDE api.anthropic.com x-api-key {}");
    const header = ["--header", "X-Key", "--template", "k={}"];
    await ioi(["set", "OTHER", "--url", "https://b.example/", ...header], { input: "v" });
    assert.equal(kernel.calls.at(-1), "secret OTHER b.example x-key k={}");
  }));

test("an address that is none, or more than one, is refused", () =>
  withKernel(async (kernel, ioi) => {
    for (const url of ["a.example", "https://u@a.example/", "https://a.example/?q", "ftp://a/"]) {
      assert.equal((await ioi(["set", "TOKEN", "--url", url], { input: "v" })).exit, 2, url);
    }
    assert.equal((await ioi(["set", "TOKEN"], { input: "v" })).exit, 2);
    assert.equal(kernel.secrets.size, 0);
  }));

test("the list has names and addresses, and no value", () =>
  withKernel(async (kernel, ioi) => {
    kernel.secrets.set("TOKEN", "hidden-value");
    const shown = await ioi(["list"]);
    const json = await ioi(["list", "--json"]);
    assert.match(shown.out, /TOKEN {2}https:\/\/a\.example\/v1/);
    assert.ok(!`${shown.out}${json.out}`.includes("hidden-value"));
    assert.equal(JSON.parse(json.out).secrets[0].host, "a.example");
    assert.equal((await ioi(["rm", "TOKEN"])).exit, 0);
    assert.match((await ioi(["rm", "TOKEN"])).err, /E_SECRET_UNKNOWN/);
  }));

test("of the environment the kernel gets what it needs, and keys in a file only", () => {
  const env = { PATH: "/bin", OPENAI_API_KEY: "k1", AWS_SECRET_ACCESS_KEY: "k2", HF_TOKEN: " " };
  assert.deepEqual(kernelEnvironment(env), { PATH: "/bin" });
  assert.deepEqual(keysIn(env), ["OPENAI_API_KEY"]);
  assert.equal(keysFile({ PATH: "/bin" }), undefined);
  const descriptor = keysFile(env);
  assert.ok(descriptor !== undefined);
  const text = readFileSync(`/proc/self/fd/${descriptor}`, "utf8");
  closeSync(descriptor);
  assert.deepEqual(JSON.parse(text), { OPENAI_API_KEY: "k1" });
});
