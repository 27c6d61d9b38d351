/** The steps of `npm run check`, in the order in which they are cheapest to fail. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tidySteps } from "../tidy/index.ts";
import { generated, generateProtobuf } from "./protobuf.ts";
import { filesOf, readText, run, tool } from "./project.ts";
import type { Finding, Step } from "./steps.ts";
import { isUnitTest, runUnitTests } from "./test-run.ts";

const toolTimeoutMs = 120_000;
const unitTimeoutMs = 240_000;

/** For tools that allocate much and end soon: collecting less is a tenth of their time. */
const collectLess = { GOGC: "400" };

const lines = (text: string): readonly string[] =>
  text.split("\n").filter((line) => line.trim() !== "");

/** What a tool printed as findings, when it ended badly. */
const fromOutput = (
  what: string,
  ended: { readonly code: number | null; readonly stdout: string; readonly stderr: string },
  pick: (line: string) => Finding | undefined,
): readonly Finding[] => {
  if (ended.code === 0) return [];
  const all = lines(ended.stdout + ended.stderr);
  const found = all.map(pick).filter((finding) => finding !== undefined);
  return found.length > 0 ? found : [{ at: what, text: all.slice(-10).join(" | ") }];
};

export const formatStep = (root: string): Step => ({
  name: "format",
  run: async () => {
    const ended = await run(tool("oxfmt"), ["--list-different", "."], {
      cwd: root,
      timeoutMs: toolTimeoutMs,
    });
    return fromOutput("oxfmt", ended, (line) => ({
      at: line,
      text: "not formatted (node_modules/.bin/oxfmt)",
    }));
  },
});

interface LintReport {
  readonly diagnostics: readonly {
    readonly message: string;
    readonly code?: string;
    readonly help?: string;
    readonly filename: string;
    readonly labels: readonly { readonly span: { readonly line: number } }[];
  }[];
}

export const lintStep = (root: string): Step => ({
  name: "lint",
  run: async () => {
    const ended = await run(tool("oxlint"), ["-f", "json"], {
      cwd: root,
      timeoutMs: toolTimeoutMs,
      env: collectLess,
    });
    let report: LintReport;
    try {
      report = JSON.parse(ended.stdout) as LintReport;
    } catch {
      return fromOutput("oxlint", { ...ended, code: ended.code ?? 1 }, () => undefined);
    }
    if (report.diagnostics.length === 0) return fromOutput("oxlint", ended, () => undefined);
    return report.diagnostics.map(({ message, code, help, filename, labels }) => ({
      at: `${filename}:${labels[0]?.span.line ?? 1}`,
      text: [message, help, code === undefined ? undefined : `[${code}]`]
        .filter((part) => part !== undefined)
        .join(" "),
    }));
  },
});

export const typesStep = (root: string, name: string, config: string): Step => ({
  name,
  run: async () => {
    if (!existsSync(join(root, config))) return [{ at: config, text: "missing" }];
    // What was well and has not changed, nor what it imports, is not looked at again; several
    // checkers would each work out the types that they share.
    const kept = join(root, ".cache/types", `${config.replaceAll("/", "-")}.tsbuildinfo`);
    const args = ["-p", config, "--noEmit", "--pretty", "false", "--checkers", "1"];
    const ended = await run(tool("tsc"), [...args, "--incremental", "--tsBuildInfoFile", kept], {
      cwd: root,
      timeoutMs: toolTimeoutMs,
      env: collectLess,
    });
    return fromOutput("tsc", ended, (line) => {
      const match = /^(.+?)\((\d+),\d+\): (.*)$/.exec(line);
      return match === null ? undefined : { at: `${match[1]}:${match[2]}`, text: `${match[3]}` };
    });
  },
});

/** Generates the protobuf code anew beside the project and compares. */
export const protobufStep = (root: string): Step => ({
  name: "protobuf",
  run: async () => {
    const folder = mkdtempSync(join(tmpdir(), "ioi-gen-"));
    try {
      const lint = await run(tool("buf"), ["lint", "proto"], {
        cwd: root,
        timeoutMs: toolTimeoutMs,
      });
      const made = await generateProtobuf(root, folder);
      const complaints = [lint, made].flatMap((ended) =>
        fromOutput("buf", ended, (line) => ({ at: "proto", text: line })),
      );
      return complaints.length > 0 ? complaints : compareFolders(folder, join(root, generated));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
});

const compareFolders = (fresh: string, committed: string): readonly Finding[] => {
  const names = new Set([...filesOf(fresh), ...(existsSync(committed) ? filesOf(committed) : [])]);
  return [...names].flatMap((name) => {
    const [a, b] = [fresh, committed].map((folder) =>
      existsSync(join(folder, name)) ? readText(folder, name) : undefined,
    );
    return a === b
      ? []
      : [{ at: `${generated}/${name}`, text: "differs from what proto/ generates" }];
  });
};

/** What starts processes, or says that it takes long: `npm test` runs it. */
const leftToAll =
  /from "node:child_process"|\b(spawnSandboxed|sandboxedCommand|launchKernel|ExecDriver)\b|^\/\/ Left to npm test/m;

/**
 * The inner loop: tests that look at many cases look at fewer, and those that take long are left to
 * `npm test`, as are the walls' own, which start the other steps again.
 */
export const unitStep = (root: string): Step => ({
  name: "unit",
  run: async () => {
    const files = filesOf(root).filter(
      (file) =>
        isUnitTest(file) && !file.startsWith("tools/") && !leftToAll.test(readText(root, file)),
    );
    const { records } = await runUnitTests(root, files, unitTimeoutMs, { IOI_TEST: "inner" });
    return records
      .filter(({ outcome }) => outcome === "failed")
      .map(({ file, line, name, error }) => ({
        at: `${file}:${line}`,
        text: `${name}: ${error.split("\n", 3).join(" ")}`,
      }));
  },
});

/** Everything but the unit tests. */
export const staticSteps = (root: string): readonly Step[] => [
  formatStep(root),
  lintStep(root),
  typesStep(root, "types: pure", "tsconfig.pure.json"),
  typesStep(root, "types: node", "tsconfig.json"),
  ...(existsSync(join(root, "tsconfig.web.json"))
    ? [typesStep(root, "types: web", "tsconfig.web.json")]
    : []),
  // Node's code with pieces that a browser runs.
  ...(existsSync(join(root, "tests/suites/page/tsconfig.json"))
    ? [typesStep(root, "types: browser", "tests/suites/page/tsconfig.json")]
    : []),
  ...tidySteps(root),
  protobufStep(root),
];
