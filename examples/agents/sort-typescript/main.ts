/**
 * Sorts the files of the workspace into one folder for each ending.
 *
 * An agent of `ioi/agent/1`: it reads one JSON line after the other and answers each observation
 * with one step. It is a function of what it was told: started anew, it takes the same steps.
 */
import { createInterface } from "node:readline";

interface Step {
  readonly target: string;
  readonly args: Readonly<Record<string, string>>;
}

interface Observation {
  readonly type: string;
  readonly status?: string;
  readonly content?: string;
}

/** The names of files and of folders in what `fs::list` found. */
const listing = (text: string): { readonly files: string[]; readonly folders: string[] } => {
  const names = text.split("\n").filter((line) => line !== "" && line !== "…");
  return {
    files: names.filter((name) => !name.endsWith("/")),
    folders: names.filter((name) => name.endsWith("/")).map((name) => name.slice(0, -1)),
  };
};

/** `pdf` of `a.PDF`; nothing for names without an ending and for hidden ones. */
const ending = (name: string): string => {
  const dot = name.lastIndexOf(".");
  return dot > 0 ? name.slice(dot + 1).toLowerCase() : "";
};

/** The steps for one listing: the folders that are missing, and a move for each file. */
const plan = (text: string): Step[] => {
  const { files, folders } = listing(text);
  const steps: Step[] = [];
  for (const name of files) {
    const folder = ending(name);
    if (folder === "" || files.includes(folder)) continue;
    if (!folders.includes(folder)) {
      folders.push(folder);
      steps.push({ target: "fs::mkdir", args: { path: folder } });
    }
    steps.push({ target: "fs::move", args: { path: name, to: `${folder}/${name}` } });
  }
  return steps;
};

let steps: Step[] | undefined;
let moved = 0;
const left: string[] = [];
let last: Step | undefined;
let told = false;

const observed = ({ type, status, content = "" }: Observation): void => {
  if (last === undefined) return;
  if (type === "outcome" && status === "confirmed") {
    if (last.target === "fs::list") steps = plan(content);
    else if (last.target === "fs::move") moved += 1;
  } else if (["outcome", "denied", "failed", "invalid"].includes(type)) {
    left.push(last.args["path"] ?? "");
  }
  last = undefined;
};

const propose = (step: Step): object => {
  last = step;
  return { type: "propose", target: step.target, args: step.args };
};

const answer = (observation: Observation): object => {
  observed(observation);
  if (steps === undefined && left.length === 0) {
    return propose({ target: "fs::list", args: { path: "." } });
  }
  const next = steps?.shift();
  if (next !== undefined) return propose(next);
  if (!told) {
    told = true;
    const rest = left.length === 0 ? "" : `, left alone: ${left.join(", ")}`;
    return { type: "say", text: `${moved} files moved${rest}` };
  }
  return { type: "finish", status: steps === undefined ? "failed" : "done" };
};

interface Message {
  readonly type: string;
  readonly seq: number;
  readonly observation: Observation;
}

for await (const line of createInterface({ input: process.stdin })) {
  const message = JSON.parse(line) as Message;
  if (message.type !== "observe") continue;
  process.stdout.write(`${JSON.stringify({ ...answer(message.observation), seq: message.seq })}\n`);
}
