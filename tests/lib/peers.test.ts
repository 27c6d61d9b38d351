// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { bench } from "../benches/firewall.ts";
import { run } from "../../tools/lib/project.ts";
import { Scratch, projectRoot } from "./kernel.ts";
import { installPeer } from "./peers.ts";

/** Whether the registry hands the package out: asked of npm's protocol, not of what installs it. */
const canBeHad = async (name: string): Promise<boolean> => {
  const asked = await run(`${projectRoot}/.runtime/bin/pnpm`, ["config", "get", "registry"], {
    cwd: "/",
    timeoutMs: 20_000,
  });
  try {
    const url = new URL(name.replace("/", "%2f"), asked.stdout.trim());
    const headers = { accept: "application/vnd.npm.install-v1+json" };
    return (await fetch(url, { headers, signal: AbortSignal.timeout(20_000) })).ok;
  } catch {
    return false;
  }
};

const measured = async () =>
  await bench.run({
    quick: true,
    seed: "peers",
    random: () => 0,
    params: { rules: "40", actions: "100", runs: "1" },
    root: projectRoot,
    progress: () => undefined,
    signal: new AbortController().signal,
  });

test("bench firewall has Cedar's row where the registry has the package", async (t) => {
  if (!(await canBeHad("@cedar-policy/cedar-wasm"))) {
    t.skip("no registry hands out Cedar's package here");
    return;
  }
  const { peers = [], metrics, unavailable } = await measured();
  const [cedar] = peers;
  assert.deepEqual([cedar?.name, cedar?.available, unavailable], ["cedar-wasm", true, []]);
  assert.equal(cedar?.version, "4.13.0");
  // Half of the actions meet a rule that allows them, there as here.
  assert.ok(Number(cedar?.metrics["allowed"]) > 0, JSON.stringify(cedar));
  assert.equal(metrics["cedarP50Us"], cedar?.metrics["p50Us"]);
});

test("a peer that cannot be had says why", async () => {
  using scratch = new Scratch();
  // Nothing answers there, and nothing was kept.
  const env = {
    pnpm_config_registry: "http://127.0.0.1:9/",
    pnpm_config_fetch_retries: "0",
    XDG_DATA_HOME: scratch.folder("store"),
    XDG_CACHE_HOME: scratch.folder("cache"),
  };
  assert.deepEqual(await installPeer("cedar", scratch, env), {
    type: "missing",
    why: "cannot be installed here (tests/peers/cedar)",
  });
});
