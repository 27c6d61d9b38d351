/**
 * The service, for real: users are made in a private copy of /etc, so that the machine keeps none;
 * the kernel's processes run as them, and what is one's is out of the reach of the others.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import path from "node:path";
import { projectRoot } from "../lib/kernel.ts";

const runtime = path.relative(projectRoot, process.execPath);
const isRoot = process.getuid?.() === 0;

/**
 * $1 the project. The copy of /etc, and the project below /opt, where other users may enter, are this
 * process's, and end with it.
 */
const script = `set -e
copy=$(mktemp -d)
trap 'umount -l /etc; rm -rf "$copy"' EXIT
cp -a /etc/. "$copy"
mount --bind "$copy" /etc
mount -t tmpfs none /var/lib
mount -t tmpfs -o mode=755 none /opt
mkdir /opt/ioi
mount --rbind "$1" /opt/ioi
cd /opt/ioi
"/opt/ioi/$2" --disable-warning=ExperimentalWarning tests/e2e/service-inside.ts
`;

test(
  "each process of the service is a user of its own, and uninstalling leaves nothing",
  { skip: isRoot ? false : "making users needs root" },
  async () => {
    const child = spawn(
      "/usr/bin/unshare",
      ["--mount", "--propagation", "private", "sh", "-c", script, "sh", projectRoot, runtime],
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
