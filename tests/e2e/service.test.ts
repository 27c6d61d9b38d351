/**
 * The service, for real: users are made in a private copy of /etc, so that the machine keeps none;
 * the kernel's processes run as them, and what is one's is out of the reach of the others.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const inside = fileURLToPath(new URL("./service-inside.ts", import.meta.url));
const isRoot = process.getuid?.() === 0;

/** $1 runtime, $2 program. The copy of /etc is this process's, and ends with it. */
const script = `set -e
copy=$(mktemp -d)
trap 'umount -l /etc; rm -rf "$copy"' EXIT
cp -a /etc/. "$copy"
mount --bind "$copy" /etc
mount -t tmpfs none /var/lib
"$1" --disable-warning=ExperimentalWarning "$2"
`;

test(
  "each process of the service is a user of its own, and uninstalling leaves nothing",
  { skip: isRoot ? false : "making users needs root" },
  async () => {
    const child = spawn(
      "/usr/bin/unshare",
      ["--mount", "--propagation", "private", "sh", "-c", script, "sh", process.execPath, inside],
      { stdio: ["ignore", "pipe", "pipe"] },
    );
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (piece: string) => (text += piece));
    child.stderr.setEncoding("utf8").on("data", (piece: string) => (text += piece));
    const [code] = (await once(child, "close")) as [number | null];
    assert.equal(code, 0, text);
    assert.match(text, /^all of it$/m);
  },
);
