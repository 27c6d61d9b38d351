/** Commands where no overlay can be mounted: on folders that are one already, in a private mount namespace. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const inside = fileURLToPath(new URL("./exec-copy-inside.ts", import.meta.url));
const isRoot = process.getuid?.() === 0;

/** $1 runtime, $2 program. A layer of an overlay cannot lie on an overlay. */
const script = `set -e
place=$(mktemp -d)
trap 'umount -l "$place"; rmdir "$place"' EXIT
mount -t tmpfs none "$place"
mkdir "$place/lower" "$place/upper" "$place/work" "$place/merged"
mount -t overlay -o "lowerdir=$place/lower,upperdir=$place/upper,workdir=$place/work" none "$place/merged"
TMPDIR=$place/merged "$1" --no-warnings "$2"
umount "$place/merged"
`;

test(
  "a command runs on a copy where no overlay can be mounted, and is applied the same way",
  { skip: isRoot ? false : "mounting needs root" },
  () => {
    const ran = spawnSync(
      "/usr/bin/unshare",
      ["--mount", "--propagation", "private", "sh", "-c", script, "sh", process.execPath, inside],
      { encoding: "utf8", timeout: 60_000 },
    );
    assert.equal(ran.status, 0, ran.stdout + ran.stderr);
    assert.match(ran.stdout, /^all of it$/m);
  },
);
