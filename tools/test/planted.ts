/**
 * A miniature of the project for planting violations: the real manifests and configurations, the
 * installed tools, and no source but what a test puts in.
 */
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { rooms } from "../floors.ts";
import { projectRoot } from "../lib/project.ts";
import type { Finding, Step } from "../lib/steps.ts";

export type Planted = Readonly<Record<string, string>>;

const shared: readonly string[] = [
  "oxlint.config.ts",
  ".oxfmtrc.json",
  "package.json",
  "pnpm-workspace.yaml",
  "tsconfig.base.json",
  "tsconfig.json",
  "tsconfig.pure.json",
  "tools/floors.ts",
  "proto",
];

export interface Miniature extends Disposable {
  readonly root: string;
  write(files: Planted): void;
}

export const miniature = (files: Planted): Miniature => {
  const root = mkdtempSync(join(tmpdir(), "ioi-planted-"));
  const write = (list: Planted): void => {
    for (const [file, text] of Object.entries(list)) {
      mkdirSync(dirname(join(root, file)), { recursive: true });
      writeFileSync(join(root, file), text);
    }
  };
  for (const file of shared) cpSync(join(projectRoot, file), join(root, file), { recursive: true });
  symlinkSync(join(projectRoot, "node_modules"), join(root, "node_modules"));
  for (const { folder } of rooms) {
    mkdirSync(join(root, folder), { recursive: true });
    cpSync(join(projectRoot, folder, "package.json"), join(root, folder, "package.json"));
    symlinkSync(join(projectRoot, folder, "node_modules"), join(root, folder, "node_modules"));
  }
  write(files);
  return {
    root,
    write,
    [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }),
  };
};

/** The findings of a step, by file. */
export const findingsByFile = async (step: Step): Promise<ReadonlyMap<string, string>> => {
  const findings: readonly Finding[] = await step.run();
  const grouped = Map.groupBy(findings, ({ at }) => at.replace(/:\d+$/, ""));
  return new Map(
    [...grouped].map(([file, list]) => [file, list.map(({ text }) => text).join("\n")]),
  );
};
