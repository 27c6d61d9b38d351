/**
 * Writes everything in the repository that is made from something else: the protobuf code and the
 * reference documents. `npm run check` compares and complains; this makes it right.
 */
import { chmodSync, cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { documents } from "./lib/documents.ts";
import { projectRoot } from "./lib/project.ts";
import { generated, generateProtobuf } from "./lib/protobuf.ts";

// Beside first: a definition with an error must not cost the code that is there.
const fresh = mkdtempSync(join(tmpdir(), "ioi-gen-"));
try {
  const made = await generateProtobuf(projectRoot, fresh);
  if (made.code !== 0) {
    process.stderr.write(made.stdout + made.stderr);
    process.exitCode = 6;
  } else {
    const target = join(projectRoot, generated);
    rmSync(target, { recursive: true, force: true });
    cpSync(fresh, target, { recursive: true });
    // A temporary folder is its maker's alone; the code is everybody's to read.
    chmodSync(target, 0o755);
  }
} finally {
  rmSync(fresh, { recursive: true, force: true });
}
for (const { file, text } of await documents(projectRoot)) {
  writeFileSync(join(projectRoot, file), text);
  process.stderr.write(`wrote ${file}\n`);
}
