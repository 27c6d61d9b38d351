/**
 * Writes everything in the repository that is made from something else: the protobuf code and the
 * reference documents. `npm run check` compares and complains; this makes it right.
 */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { documents } from "./lib/documents.ts";
import { projectRoot } from "./lib/project.ts";
import { generated, generateProtobuf } from "./lib/protobuf.ts";

const target = join(projectRoot, generated);
rmSync(target, { recursive: true, force: true });
const made = await generateProtobuf(projectRoot, target);
if (made.code !== 0) {
  process.stderr.write(made.stdout + made.stderr);
  process.exit(6);
}
for (const { file, text } of await documents(projectRoot)) {
  writeFileSync(join(projectRoot, file), text);
  process.stderr.write(`wrote ${file}\n`);
}
