/**
 * Every fenced `sh` block of README and the guides runs, top to bottom, in a scratch folder and a home of
 * its document, and ends with 0; README's transcript is what the commands print today. Documents know
 * nothing of each other: two go at once, for much of each is waiting.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { filesOf, readText, run } from "../../tools/lib/project.ts";
import { lineOf } from "../../tools/lib/sources.ts";
import { makeTranscript, withTranscript } from "../../tools/lib/transcript.ts";
import type { Suite, SuiteCase, SuiteContext } from "./suite.ts";

const blockTimeoutMs = 120_000;

interface Block {
  readonly id: string;
  readonly document: string;
  readonly script: string;
}

const blocksOf = (root: string): readonly Block[] =>
  filesOf(root)
    .filter((file) => file === "README.md" || /^docs\/guides\/.*\.md$/.test(file))
    .flatMap((document) => {
      const text = readText(root, document);
      return [...text.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map((match, index) => ({
        id: `${document}: block ${index + 1}`,
        document: `${document}:${lineOf(text, match.index)}`,
        script: match[1] ?? "",
      }));
    });

/** What a reader has in front of them: the project's entry points, and nothing else. */
const scratchFor = (root: string, parent: string, document: string): string => {
  const folder = join(parent, document.replaceAll(/\W/g, "-"));
  if (existsSync(folder)) return folder;
  mkdirSync(folder);
  for (const name of ["examples", "ioi", "package.json", "tools"]) {
    symlinkSync(join(root, name), join(folder, name));
  }
  return folder;
};

/** `npm test` is what runs this suite; CI runs it by the same words. */
const isWholeTest = (script: string): boolean => script.trim() === "npm test";

const runBlock = async (root: string, parent: string, block: Block): Promise<SuiteCase> => {
  const { id, document, script } = block;
  if (isWholeTest(script)) {
    const same = readFileSync(join(root, ".ci/run"), "utf8").trimEnd().endsWith("\nnpm test");
    const outcome = same ? "passed" : "failed";
    return { id, outcome, expected: ".ci/run ends with npm test", actual: `${same}` };
  }
  const cwd = scratchFor(root, parent, id.split(":")[0] ?? "");
  const home = `${cwd}-home`;
  mkdirSync(home, { recursive: true });
  const ended = await run("sh", ["-euc", script], {
    cwd,
    timeoutMs: blockTimeoutMs,
    env: { HOME: home, CI: undefined, INIT_CWD: undefined, npm_package_json: undefined },
  });
  const said = (ended.stdout + ended.stderr).trim().slice(-600);
  return {
    id,
    outcome: ended.code === 0 ? "passed" : "failed",
    expected: `${document} ends with 0`,
    actual: `exit ${ended.code}${ended.timedOut ? " (too slow)" : ""}: ${said}`,
  };
};

/** The scratch folder is no clone: there, a folder beside the program is refused as a workspace. */
const workspacesOutside = (root: string): SuiteCase => {
  const inside = filesOf(root)
    .filter((file) => file === "README.md" || /^docs\/guides\/.*\.md$/.test(file))
    .flatMap((file) =>
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
    id: "README.md: transcript",
    outcome: readme === fresh ? "passed" : "failed",
    expected: before[at] ?? "the same transcript",
    actual: after[at] ?? "the same transcript",
  };
};

const documentsAtOnce = 2;

/** The blocks of each document one after the other. */
const runBlocks = async (context: SuiteContext, parent: string): Promise<readonly SuiteCase[]> => {
  const chosen = blocksOf(context.root).filter(({ id }) => wanted(context, id));
  const documents = [...Map.groupBy(chosen, ({ id }) => id.split(":")[0]).values()];
  const done = new Map<string, SuiteCase>();
  const next = async (): Promise<void> => {
    for (let blocks = documents.shift(); blocks !== undefined; blocks = documents.shift()) {
      for (const block of blocks) {
        context.signal.throwIfAborted();
        context.progress(block.id);
        done.set(block.id, await runBlock(context.root, parent, block));
      }
    }
  };
  // All have ended before their folders go.
  const ended = await Promise.allSettled(Array.from({ length: documentsAtOnce }, next));
  for (const each of ended) if (each.status === "rejected") throw each.reason;
  return chosen.flatMap(({ id }) => done.get(id) ?? []);
};

const wanted = (context: SuiteContext, id: string): boolean =>
  context.caseId === undefined || context.caseId === id;

export const suite: Suite = {
  name: "docs",
  covers: ["contract: README"],
  summary: "every command of README and the guides runs; the transcript is today's",
  run: async (context) => {
    const parent = mkdtempSync(join(tmpdir(), "ioi-docs-"));
    const cases: SuiteCase[] = [];
    try {
      cases.push(...(await runBlocks(context, parent)));
      if (wanted(context, "workspaces")) cases.push(workspacesOutside(context.root));
      if (wanted(context, "README.md: transcript")) {
        cases.push(await compareTranscript(context.root));
      }
    } finally {
      rmSync(parent, { recursive: true, force: true });
    }
    return { cases };
  },
};
