/**
 * `suite canary`: what a person types and what stands in their files never reaches the Orchestrator,
 * nor any log. A random word is typed, read, written, denied and asked about, and goes to an MCP
 * server through the gate, and is remembered; then the memory of the Orchestrator is read whole, and its files, and every
 * log. The same search in the Workload, and in the driver that holds the server, is the control: it
 * must find the word.
 *
 * Memory of another process is read as root only.
 */
import fs from "node:fs";
import path from "node:path";
import { OperationError } from "@ioi/base";
import { openGuardianKeys } from "@ioi/guardian";
import { nodeCrypto } from "@ioi/host/crypto";
import { openFiles, systemClock } from "@ioi/host/ports";
import { hitsInFiles, hitsInMemory } from "../lib/memory.ts";
import { ioi, projectRoot, Scratch, TestKernel } from "../lib/kernel.ts";
import { RawClient } from "../lib/mcp/raw-client.ts";
import type { Suite, SuiteCase } from "./suite.ts";

const caseOf = (id: string, hits: number, controlHits: number): SuiteCase => ({
  id,
  outcome: hits === 0 ? "passed" : "failed",
  expected: "0 hits",
  actual: `${hits} hits`,
  control: controlHits > 0 ? "harmed" : "harmless",
});

/** What opens the memory file, as whoever has the Guardian's folder derives it. */
const memoryKeyOf = async (data: string): Promise<Uint8Array> => {
  const files = openFiles(path.join(data, "guardian"));
  const keys = await openGuardianKeys(files, nodeCrypto, systemClock.wall(), false);
  return keys.memoryKey;
};

interface Process {
  readonly name: string;
  readonly pid: number;
}

/** Those who may have it: who derives it, and whose file it opens. */
const keepers: ReadonlySet<string> = new Set(["guardian", "driver-memory"]);

/** It goes from the Guardian to the driver, and is in nobody else's hands. */
const keyCase = async (data: string, processes: readonly Process[]): Promise<SuiteCase> => {
  const key = await memoryKeyOf(data);
  const others = processes.filter(({ name }) => !keepers.has(name));
  const found = others.map(({ name, pid }) => `${name} ${hitsInMemory(pid, key).hits}`);
  const files = `files ${hitsInFiles(data, key)}`;
  const guardian = processes.filter(({ name }) => name === "guardian");
  const held = guardian.reduce((sum, { pid }) => sum + hitsInMemory(pid, key).hits, 0);
  const lacks = required.filter((name) => !others.some((each) => each.name === name));
  const expected = [...others.map(({ name }) => `${name} 0`), "files 0"].join(", ");
  const actual = [...found, files, ...lacks.map((name) => `no ${name} runs`)].join(", ");
  return {
    id: "memory-key",
    outcome: actual === expected ? "passed" : "failed",
    expected,
    actual,
    control: held > 0 ? "harmed" : "harmless",
  };
};

/** Of these at least each is looked into. */
const required = ["orchestrator", "workload", "console", "egress"];

/** A gate whose client has sent the word to its server, and had it back. */
const gateWith = async (data: string, folder: string, word: string): Promise<RawClient> => {
  const script = path.join(folder, "server.py");
  fs.copyFileSync(path.join(projectRoot, "tests/fixtures/mcp-server/server.py"), script);
  const state = path.join(folder, "state.json");
  const tool = { name: "note", description: "notes", inputSchema: { type: "object" } };
  fs.writeFileSync(state, JSON.stringify({ tools: [tool] }));
  const command = ["/usr/bin/python3", script, state];
  const options = ["--name", "canary", "--policy", "transparent", "--on-ask", "deny"];
  const client = RawClient.gate(data, [...options, "--", ...command]);
  await client.hello();
  const answer = await client.call("note", { text: word });
  if (!answer.includes(word)) throw new Error(`the server did not hear the word: ${answer}`);
  return client;
};

/** Typed, read, written, denied, no command at all, remembered. */
const requestsWith = (word: string): readonly string[] => [
  "/read secret.txt",
  `/write note.txt "${word} again"`,
  `/write ${word}.txt x`,
  `/read /etc/${word}`,
  `/run cat secret.txt`,
  `/nonsense ${word}`,
  `/remember "The word is ${word}." && /recall ${word}`,
];

export const suite: Suite = {
  name: "canary",
  covers: ["architecture 3", "contract people"],
  summary: "content never reaches the Orchestrator's memory or files, nor any log",
  async run(context) {
    const word = `canary${Array.from({ length: 24 }, () => Math.floor(context.random() * 36).toString(36)).join("")}`;
    using scratch = new Scratch();
    const data = scratch.at("data");
    const workspace = scratch.folder("work");
    fs.writeFileSync(path.join(workspace, "secret.txt"), `it is ${word}\n`);
    await using kernel = await TestKernel.start({ data, pages: "" });
    const common = ["--data", data, "--workspace", workspace, "--json"];
    for (const request of requestsWith(word)) {
      context.progress(request.replaceAll(word, "CANARY"));
      await ioi(["run", ...common, request]);
    }
    await ioi(["run", ...common, "--on-ask", "pend", `/run sh -c "$${word}"`]);
    context.progress("mcp::call CANARY");
    await using _gate = await gateWith(data, scratch.folder("server"), word);
    const status = await kernel.status();
    const pidOf = (name: string): number => {
      const found = status.processes.find((process) => process.name === name);
      if (found === undefined) throw new OperationError("E_TEST", `no ${name} runs`);
      return found.pid;
    };
    const cases: SuiteCase[] = [];
    const filesHits = hitsInFiles(path.join(data, "orchestrator"), word);
    const logHits = hitsInFiles(path.join(data, "logs"), word);
    // All that the console has of the data folder.
    const consoleHits = hitsInFiles(path.join(data, "run"), word);
    // The control for files: the same search finds the word where it stands.
    const controlFiles = hitsInFiles(workspace, word);
    cases.push(caseOf("orchestrator-files", filesHits, controlFiles));
    cases.push(caseOf("logs", logHits, controlFiles));
    cases.push(caseOf("console-files", consoleHits, controlFiles));
    // What an agent keeps is sealed, in the file and on its way into it.
    cases.push(caseOf("memory-file", hitsInFiles(path.join(data, "memory"), word), controlFiles));
    cases.push(caseOf("receipt-log", hitsInFiles(path.join(data, "guardian"), word), controlFiles));
    if (process.getuid?.() !== 0) {
      return {
        cases,
        metrics: {
          orchestratorHits: filesHits + logHits,
          consoleFilesHits: consoleHits,
          workloadHits: controlFiles,
        },
        unavailable: ["reading another process's memory needs root"],
      };
    }
    const orchestrator = hitsInMemory(pidOf("orchestrator"), word);
    const workload = hitsInMemory(pidOf("workload"), word);
    const driver = hitsInMemory(pidOf("driver-mcp"), word);
    cases.push(caseOf("orchestrator-memory", orchestrator.hits, workload.hits));
    cases.push(caseOf("orchestrator-memory-mcp", orchestrator.hits, driver.hits));
    cases.push(await keyCase(data, status.processes));
    return {
      cases,
      metrics: {
        orchestratorHits: orchestrator.hits + filesHits + logHits,
        consoleFilesHits: consoleHits,
        workloadHits: workload.hits,
        orchestratorMiB: Math.round(orchestrator.bytes / 1_048_576),
      },
      goals: [
        { metric: "orchestratorHits", op: "=", value: 0 },
        { metric: "consoleFilesHits", op: "=", value: 0 },
        { metric: "workloadHits", op: ">=", value: 1 },
      ],
    };
  },
};
