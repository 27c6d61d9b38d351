/** An agent's folder on disk: its manifest, and the program that its entry names. */
import fs from "node:fs";
import path from "node:path";
import { OperationError, utf8Decode } from "@ioi/base";
import { type AgentManifest, manifestBytesMax, manifestName, readManifest } from "./manifest.ts";

/** Where a program without a path is looked for. */
const programFolders = ["/usr/local/bin", "/usr/bin", "/bin"] as const;

const refuse = (message: string): OperationError =>
  new OperationError("E_AGENT_MANIFEST", message, { next: "docs/guides/agent.md" });

/** Reads at most the bound, without following a link at the end. */
const readBounded = (file: string): Uint8Array => {
  let fd: number;
  try {
    fd = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW);
  } catch (cause) {
    throw new OperationError("E_AGENT_MANIFEST", `${file} cannot be opened`, { cause });
  }
  try {
    if (!fs.fstatSync(fd).isFile()) throw refuse(`${file} is no file`);
    const bytes = Buffer.alloc(manifestBytesMax + 1);
    const length = fs.readSync(fd, bytes, 0, bytes.length, 0);
    if (length > manifestBytesMax) throw refuse(`${file} has more than ${manifestBytesMax} bytes`);
    return bytes.subarray(0, length);
  } finally {
    fs.closeSync(fd);
  }
};

export const openManifest = (folder: string): AgentManifest => {
  const text = utf8Decode(readBounded(path.join(folder, manifestName)));
  if (text === undefined) throw refuse(`${path.join(folder, manifestName)} is not UTF-8`);
  const manifest = readManifest(text);
  if (!manifest.ok) throw refuse(`${folder}/${manifest.error}`);
  return manifest.value;
};

/** The absolute path of the program that an entry names; `node` is this runtime. */
export const programOf = (folder: string, { entry, name }: AgentManifest): string => {
  const [program = ""] = entry;
  if (program === "node") return fs.realpathSync(process.execPath);
  const inside = program.includes("/");
  const candidates = inside
    ? [path.resolve(folder, program)]
    : programFolders.map((each) => path.join(each, program));
  const found = candidates.find((each) => fs.statSync(each, { throwIfNoEntry: false })?.isFile());
  if (found === undefined) throw refuse(`the program ${program} of ${name} is not on this machine`);
  if (inside && !found.startsWith(`${folder}/`)) {
    throw refuse(`the program ${program} of ${name} lies outside of its folder`);
  }
  return found;
};
