/** What the launcher refuses to start an agent's program on. */
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import test from "node:test";
import type { Profile } from "@ioi/wire";
import { startAgentProgram } from "../src/agent-program.ts";

const profileOf = (...roots: Profile["roots"]): Profile => ({
  version: 1,
  kind: "agent",
  session: "s-1",
  vault: "s-1",
  roots,
  masks: [],
  network: "none",
  limits: { wallMs: 1, outputBytes: 1, memoryBytes: 1, processes: 1, fileBytes: 1 },
  policyHash: new Uint8Array(32),
});

const root = (folder: string, access: "read" | "write" = "read") =>
  ({ name: "agent", path: folder, access }) as const;

test("one folder, for reading, apart from the data folder, with a manifest and its program", () => {
  const parent = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "ioi-launcher-")));
  try {
    const [data, folder] = ["data", "agent"].map((name) => path.join(parent, name)) as [
      string,
      string,
    ];
    for (const each of [data, folder, path.join(data, "inner")]) fs.mkdirSync(each);
    const open = fs.readdirSync("/proc/self/fd").length;
    const refused = (code: string, ...roots: Profile["roots"]): void => {
      assert.throws(() => startAgentProgram(profileOf(...roots), data), { code });
    };
    refused("E_DRIVER_REFUSED");
    refused("E_DRIVER_REFUSED", root(folder, "write"));
    refused("E_DRIVER_REFUSED", root(folder), root(parent));
    refused("E_DRIVER_REFUSED", root(data));
    refused("E_DRIVER_REFUSED", root(path.join(data, "inner")));
    refused("E_DRIVER_REFUSED", root(parent));
    refused("E_AGENT_MANIFEST", root(folder));
    const toml = 'name = "x"\nversion = "1"\nentry = ["no-such-program"]\ntools = []\n';
    fs.writeFileSync(path.join(folder, "agent.toml"), toml);
    refused("E_AGENT_MANIFEST", root(folder));
    assert.equal(fs.readdirSync("/proc/self/fd").length, open, "descriptors are left");
  } finally {
    fs.rmSync(parent, { recursive: true });
  }
});
