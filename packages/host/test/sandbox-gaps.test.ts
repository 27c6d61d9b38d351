/** What keeps namespaces from working here is named with the one command that ends it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { namespaceGap } from "../src/sandbox/self-test/machine.ts";

const kernel = "/proc/sys/kernel";
const found: readonly (readonly [files: Readonly<Record<string, string>>, command: string])[] = [
  [{ "/proc/sys/user/max_user_namespaces": "0" }, "sysctl -w user.max_user_namespaces=15000"],
  [
    { [`${kernel}/unprivileged_userns_clone`]: "0" },
    "sysctl -w kernel.unprivileged_userns_clone=1",
  ],
  [
    { [`${kernel}/apparmor_restrict_unprivileged_userns`]: "1" },
    "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
  ],
  ...["/.dockerenv", "/run/.containerenv"].map(
    (file) =>
      [
        { [file]: "" },
        "docker run --security-opt seccomp=unconfined --security-opt systempaths=unconfined",
      ] as const,
  ),
  // Nothing forbids it: another kernel does, or nothing does.
  [
    {
      "/proc/sys/user/max_user_namespaces": "15000",
      [`${kernel}/unprivileged_userns_clone`]: "1",
      [`${kernel}/apparmor_restrict_unprivileged_userns`]: "0",
    },
    "",
  ],
];

test("each setting that forbids namespaces has the one command that allows them", () => {
  for (const [files, command] of found) {
    const machine = { hasTool: true, setting: (file: string) => files[file] ?? null };
    assert.deepEqual(namespaceGap("EPERM", machine), {
      mechanism: "namespaces",
      consequence: "no program can be confined: EPERM",
      command,
    });
  }
});

test("where no tool makes them, it comes first", () => {
  for (const [files] of found) {
    const machine = { hasTool: false, setting: (file: string) => files[file] ?? null };
    assert.equal(namespaceGap("none", machine).command, "apt-get install util-linux");
  }
});
