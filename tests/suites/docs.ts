/**
 * Every fenced `sh` block of README and the guides runs, top to bottom, in a scratch folder and a home of
 * its document, and ends with 0; README's transcript is what the commands print today.
 *
 * Documents know nothing of each other: several go at once, for much of each is waiting. The commands of
 * a document find a kernel that runs, as those of somebody who left one running do; README's transcript
 * and blocks that start a kernel, or a gate, do without. The short form leaves blocks to the full one
 * whose commands something else in `npm test` runs.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { filesOf, readText, run } from "../../tools/lib/project.ts";
import { lineOf } from "../../tools/lib/sources.ts";
import { makeTranscript, withTranscript } from "../../tools/lib/transcript.ts";
import { TestKernel } from "../lib/kernel.ts";
import type { Suite, SuiteCase, SuiteContext } from "./suite.ts";

const blockTimeoutMs = 120_000;

/** Of the short form: what else runs the commands of a block, and of nothing that a later one needs. */
const elsewhere: ReadonlyMap<string, string> = new Map([
  ["README.md: block 1", "suite bootstrap"],
  ["docs/guides/agent.md: block 1", "suite agents"],
  ["docs/guides/mcp.md: block 3", "tests/e2e/mcp"],
  ["docs/guides/mcp.md: block 4", "tests/e2e/mcp"],
  ["docs/guides/mcp.md: block 5", "tests/e2e/mcp"],
  ["docs/guides/memory-files.md: block 2", "suite import"],
  ["docs/guides/memory-files.md: block 3", "apps/cli/test/scs"],
  ["docs/guides/memory-files.md: block 4", "apps/cli/test/scs, scs-page"],
  ["docs/guides/memory-files.md: block 5", "apps/cli/test/scs"],
  [
    "docs/guides/memory.md: block 2",
    "suite bad-input (memory-slice-hostile), packages/drivers/test/memory",
  ],
  ["docs/guides/policy.md: block 3", "apps/cli/test/policy-tools"],
  ["docs/guides/policy.md: block 4", "apps/cli/test/policy-tools, suite policy"],
  ["docs/guides/protected.md: block 1", "suite sandbox"],
  ["docs/guides/protected.md: block 2", "suite bypass"],
]);

interface Block {
  readonly id: string;
  /** The document, and the line of the block. */
  readonly at: string;
  readonly script: string;
}

interface Document {
  readonly document: string;
  readonly blocks: readonly Block[];
}

const namesOf = (root: string): readonly string[] =>
  filesOf(root).filter((file) => file === "README.md" || /^docs\/guides\/.*\.md$/.test(file));

const documentsOf = (root: string): readonly Document[] =>
  namesOf(root).map((document) => {
    const text = readText(root, document);
    const blocks = [...text.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map((match, index) => ({
      id: `${document}: block ${index + 1}`,
      at: `${document}:${lineOf(text, match.index)}`,
      script: match[1] ?? "",
    }));
    return { document, blocks };
  });

/** Where a document's commands run: its scratch folder, its home, and a kernel where one helps. */
class Desk implements AsyncDisposable {
  readonly cwd: string;
  readonly home: string;
  readonly #data: string;
  #kernel: TestKernel | undefined;

  constructor(root: string, parent: string, { document, blocks }: Document) {
    this.cwd = join(parent, document.replaceAll(/\W/g, "-"));
    this.home = `${this.cwd}-home`;
    const named = blocks.some(({ script }) => script.includes("--data D"));
    this.#data = join(this.cwd, named ? "D" : "ioi-data");
    mkdirSync(this.home, { recursive: true });
    mkdirSync(this.cwd);
    // What a reader has in front of them: the project's entry points, and nothing else.
    for (const name of ["examples", "ioi", "package.json", "tools"]) {
      symlinkSync(join(root, name), join(this.cwd, name));
    }
  }

  async prepare(script: string): Promise<void> {
    // Without one that runs, nobody else can answer what a gate asks.
    if (/\.\/ioi (?:start|gate)\b/.test(script)) await this[Symbol.asyncDispose]();
    else if (/\.\/ioi (?:run|undo)\b/.test(script)) {
      this.#kernel ??= await TestKernel.start({ data: this.#data, home: this.home });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#kernel?.[Symbol.asyncDispose]();
    this.#kernel = undefined;
  }
}

/** `npm test` is what runs this suite; CI runs it by the same words. */
const isWholeTest = (script: string): boolean => script.trim() === "npm test";

const runBlock = async (root: string, desk: Desk, block: Block): Promise<SuiteCase> => {
  const { id, at, script } = block;
  if (isWholeTest(script)) {
    const same = readFileSync(join(root, ".ci/run"), "utf8").trimEnd().endsWith("\nnpm test");
    const outcome = same ? "passed" : "failed";
    return { id, outcome, expected: ".ci/run ends with npm test", actual: `${same}` };
  }
  await desk.prepare(script);
  const { cwd, home } = desk;
  const ended = await run("sh", ["-euc", script], {
    cwd,
    timeoutMs: blockTimeoutMs,
    env: { HOME: home, CI: undefined, INIT_CWD: undefined, npm_package_json: undefined },
  });
  const said = (ended.stdout + ended.stderr).trim().slice(-600);
  return {
    id,
    outcome: ended.code === 0 ? "passed" : "failed",
    expected: `${at} ends with 0`,
    actual: `exit ${ended.code}${ended.timedOut ? " (too slow)" : ""}: ${said}`,
  };
};

/** The scratch folder is no clone: there, a folder beside the program is refused as a workspace. */
const workspacesOutside = (root: string): SuiteCase => {
  const inside = namesOf(root).flatMap((file) =>
    [...readText(root, file).matchAll(/^(?:\$ )?\.\/ioi .*--workspace (?!~\/).*$/gm)].map(
      ([line]) => `${file}: ${line}`,
    ),
  );
  return {
    id: "workspaces",
    outcome: inside.length === 0 ? "passed" : "failed",
    expected: "workspaces stand in the home, not in the clone",
    actual: inside.join("; "),
  };
};

const compareTranscript = async (root: string): Promise<SuiteCase> => {
  const readme = readText(root, "README.md");
  const fresh = withTranscript(readme, await makeTranscript(root));
  const [before, after] = [readme.split("\n"), fresh.split("\n")];
  const at = after.findIndex((line, index) => line !== before[index]);
  return {
    id: transcriptId,
    outcome: readme === fresh ? "passed" : "failed",
    expected: before[at] ?? "the same transcript",
    actual: after[at] ?? "the same transcript",
  };
};

const documentsAtOnce = 3;

type Task = () => Promise<void>;

/** The blocks of a document one after the other. */
const taskOf =
  (context: SuiteContext, parent: string, document: Document, done: Map<string, SuiteCase>): Task =>
  async () => {
    await using desk = new Desk(context.root, parent, document);
    for (const block of document.blocks) {
      context.signal.throwIfAborted();
      context.progress(block.id);
      done.set(block.id, await runBlock(context.root, desk, block));
    }
  };

const commandsIn = ({ blocks }: Document): number =>
  blocks.reduce((sum, { script }) => sum + script.split("./ioi ").length, 0);

const transcriptId = "README.md: transcript";

/** Those with much to do begin first. */
const runAll = async (context: SuiteContext, parent: string): Promise<readonly SuiteCase[]> => {
  const documents = documentsOf(context.root)
    .map((each) => ({ ...each, blocks: each.blocks.filter(({ id }) => wanted(context, id)) }))
    .filter(({ blocks }) => blocks.length > 0);
  const done = new Map<string, SuiteCase>();
  const tasks = documents
    .toSorted((a, b) => commandsIn(b) - commandsIn(a))
    .map((document) => taskOf(context, parent, document, done));
  if (wanted(context, transcriptId)) {
    tasks.unshift(async () => {
      context.progress(transcriptId);
      done.set(transcriptId, await compareTranscript(context.root));
    });
  }
  const next = async (): Promise<void> => {
    for (let task = tasks.shift(); task !== undefined; task = tasks.shift()) await task();
  };
  // All have ended before their folders go.
  const ended = await Promise.allSettled(Array.from({ length: documentsAtOnce }, next));
  for (const each of ended) if (each.status === "rejected") throw each.reason;
  return [...documents.flatMap(({ blocks }) => blocks.map(({ id }) => id)), transcriptId].flatMap(
    (id) => done.get(id) ?? [],
  );
};

const wanted = ({ caseId, quick }: SuiteContext, id: string): boolean =>
  caseId === undefined ? !quick || !elsewhere.has(id) : caseId === id;

/** A block that is left out by a name that no block has would be one that nobody chose. */
const leftOutAreThere = (documents: readonly Document[]): SuiteCase => {
  const ids = new Set(documents.flatMap(({ blocks }) => blocks.map(({ id }) => id)));
  const unknown = [...elsewhere.keys()].filter((id) => !ids.has(id));
  return {
    id: "left-to-the-full-form",
    outcome: unknown.length === 0 ? "passed" : "failed",
    expected: "every name is that of a block",
    actual: unknown.join("; "),
  };
};

export const suite: Suite = {
  name: "docs",
  covers: ["contract: README"],
  summary: "every command of README and the guides runs; the transcript is today's",
  run: async (context) => {
    const parent = mkdtempSync(join(tmpdir(), "ioi-docs-"));
    const cases: SuiteCase[] = [];
    try {
      cases.push(...(await runAll(context, parent)));
      if (wanted(context, "workspaces")) cases.push(workspacesOutside(context.root));
      const all = documentsOf(context.root);
      if (wanted(context, "left-to-the-full-form")) cases.push(leftOutAreThere(all));
    } finally {
      rmSync(parent, { recursive: true, force: true });
    }
    const ofBlocks = documentsOf(context.root).reduce((sum, { blocks }) => sum + blocks.length, 0);
    const blocks = cases.filter(({ id }) => / block \d+$/.test(id)).length;
    return { cases, metrics: { blocks, ofBlocks } };
  },
};
