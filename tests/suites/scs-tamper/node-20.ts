/**
 * The verifier's modules in the oldest Node that they run in, on proofs as they are and changed: the same
 * verdicts as here. That Node is installed by its lockfile, in a folder of its own; where it cannot be,
 * the case is left out and says so.
 */
import { execFile } from "node:child_process";
import fs from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { SeededRandom } from "@ioi/base";
import { verifyRecall } from "@ioi/verifier";
import { projectRoot, Scratch } from "../../lib/kernel.ts";
import { run } from "../../../tools/lib/project.ts";
import { Document } from "./documents.ts";
import type { World } from "./world.ts";

const peer = path.join(projectRoot, "tests/peers/node-20");
const pnpm = path.join(projectRoot, ".runtime/bin/pnpm");
export const node20Missing = "Node 20 cannot be installed here (tests/peers/node-20)";
const modules = ["retrieval", "nearest", "strict-cbor", "recall"];

/** Reads lines of proof and commit in hex; prints what Node it is, then a line for each verdict. */
const program = `import { readFileSync } from "node:fs";
import { verifyRecall } from "./recall.mjs";
const bytes = (hex) => new Uint8Array(Buffer.from(hex, "hex"));
const lines = [process.version];
for (const line of readFileSync(process.argv[2], "utf8").split("\\n")) {
  const [proof, commit] = line.split(" ");
  const verdict = verifyRecall(bytes(proof), { commit: bytes(commit) });
  lines.push(JSON.stringify(verdict.ok ? verdict.answers.map((each) => each.content.text) : verdict.reason));
}
console.log(lines.join("\\n"));
`;

const install = async (folder: string): Promise<string | undefined> => {
  for (const name of ["package.json", "pnpm-lock.yaml"]) {
    fs.copyFileSync(path.join(peer, name), path.join(folder, name));
  }
  const args = ["install", "--ignore-workspace", "--frozen-lockfile", "--ignore-scripts"];
  const how = ["--node-linker=hoisted", "--prefer-offline", "--reporter=silent"];
  try {
    await promisify(execFile)(pnpm, [...args, ...how], { cwd: folder, timeout: 120_000 });
  } catch {
    return undefined;
  }
  return path.join(folder, `node_modules/node-linux-${process.arch}/bin/node`);
};

const carry = (folder: string): void => {
  const from = path.dirname(fileURLToPath(import.meta.resolve("@ioi/verifier")));
  for (const name of modules) {
    const code = stripTypeScriptTypes(fs.readFileSync(path.join(from, `${name}.ts`), "utf8"));
    const linked = code.replaceAll(/from "(\.\/[\w-]+)\.ts"/g, 'from "$1.mjs"');
    fs.writeFileSync(path.join(folder, `${name}.mjs`), linked);
  }
  fs.writeFileSync(path.join(folder, "main.mjs"), program);
};

/** Version and number of proofs that were compared; undefined: that Node is not to be had. */
export const compareOnNode20 = async (
  { proofs }: World,
  seed: string,
): Promise<{ readonly expected: string; readonly actual: string } | undefined> => {
  using scratch = new Scratch();
  const folder = scratch.folder("node-20");
  const node = await install(folder);
  if (node === undefined) return undefined;
  carry(folder);
  const random = new SeededRandom(`node-20 ${seed}`);
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
  const [lines, verdicts]: [string[], string[]] = [[], []];
  for (const { bytes, trust } of proofs) {
    const document = new Document(bytes);
    const commit = trust.commit ?? new Uint8Array(32);
    const changed = Array.from({ length: 200 }, () => document.change(document, random).bytes);
    for (const each of [bytes, ...changed]) {
      lines.push(`${hex(each)} ${hex(commit)}`);
      const verdict = verifyRecall(each, { commit });
      const said = verdict.ok ? verdict.answers.map(({ content }) => content.text) : verdict.reason;
      verdicts.push(JSON.stringify(said));
    }
  }
  const cases = path.join(folder, "cases");
  fs.writeFileSync(cases, lines.join("\n"));
  const main = path.join(folder, "main.mjs");
  const ended = await run(node, [main, cases], { cwd: folder, timeoutMs: 120_000 });
  const [version = "", ...found] = ended.stdout.trimEnd().split("\n");
  const at = verdicts.findIndex((verdict, i) => verdict !== found[i]);
  const same = at < 0 && found.length === verdicts.length;
  return {
    expected: `v20, ${verdicts.length} the same`,
    actual: same
      ? `${version.slice(0, 3)}, ${verdicts.length} the same`
      : `${version}, proof ${at}: ${found[at]}, not ${verdicts[at]}; ${ended.stderr.slice(0, 400)}`,
  };
};
