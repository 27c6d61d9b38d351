/** Each wall with planted violations: red with them, and silent about the same code without. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { formatStep, lintStep, protobufStep, typesStep } from "../lib/check-steps.ts";
import { projectRoot, run } from "../lib/project.ts";
import { findingsByFile, miniature, type Planted } from "./planted.ts";

const header = "/** A planted module of the walls' tests. */\n";

/** A violation, what must be said about it, and the same thing done right. */
interface Case {
  readonly file: string;
  readonly bad: string;
  readonly says: RegExp;
  readonly good: string;
}

const planted = (cases: readonly Case[], which: "bad" | "good"): Planted =>
  Object.fromEntries(cases.map((each) => [each.file, header + each[which]]));

/** Runs a step over all bad twins, then over all good ones. */
const judge = async (
  cases: readonly Case[],
  step: (root: string) => ReturnType<typeof lintStep>,
): Promise<void> => {
  using mini = miniature(planted(cases, "bad"));
  const red = await findingsByFile(step(mini.root));
  for (const { file, says } of cases) assert.match(red.get(file) ?? "silent", says, file);
  mini.write(planted(cases, "good"));
  const green = await findingsByFile(step(mini.root));
  for (const { file } of cases) assert.equal(green.get(file), undefined, file);
};

describe("wall 1: isolated node_modules", () => {
  const imports = async (folder: string, specifier: string): Promise<string> => {
    const ended = await run(
      process.execPath,
      ["--input-type=module", "-e", `await import("${specifier}")`],
      { cwd: join(projectRoot, folder), timeoutMs: 60_000 },
    );
    return ended.code === 0 ? "resolved" : ended.stderr;
  };

  it("refuses an undeclared package of the house at run time", async () => {
    assert.match(await imports("packages/base", "@ioi/wire"), /ERR_MODULE_NOT_FOUND/);
    assert.equal(await imports("packages/wire", "@ioi/base"), "resolved");
  });

  it("refuses an undeclared foreign package at run time", async () => {
    assert.match(await imports("packages/wire", "pino"), /ERR_MODULE_NOT_FOUND/);
    assert.equal(await imports("packages/host", "pino"), "resolved");
  });

  it("refuses a dependency of a dependency at run time", async () => {
    assert.match(await imports("packages/host", "sonic-boom"), /ERR_MODULE_NOT_FOUND/);
  });
});

describe("wall 2: no Node in pure and ported packages", () => {
  const cases: readonly Case[] = [
    {
      file: "packages/base/src/one.ts",
      bad: "export const pid = (): number => process.pid;\n",
      says: /Cannot find name 'process'/,
      good: "export const pid = (of: { readonly pid: number }): number => of.pid;\n",
    },
    {
      file: "packages/storage/src/two.ts",
      bad: 'import { readFileSync } from "node:fs";\nexport const read = readFileSync;\n',
      says: /Cannot find module 'node:fs'|Cannot find name 'node:fs'/,
      good: "export const read = (port: { read(): string }): string => port.read();\n",
    },
    {
      file: "packages/firewall/src/three.ts",
      bad: "export const later = (f: () => void): unknown => setTimeout(f, 1);\n",
      says: /Cannot find name 'setTimeout'/,
      good: "export const later = (now: number): number => now + 1;\n",
    },
    {
      file: "packages/guardian/src/four.ts",
      bad: 'export const bytes = (): Uint8Array => Buffer.from("x");\n',
      says: /Cannot find name 'Buffer'/,
      good: "export const bytes = (): Uint8Array => new Uint8Array(1);\n",
    },
  ];

  it("does not know Node's names", () =>
    judge(cases, (root) => typesStep(root, "types", "tsconfig.pure.json")));

  it("knows them in shell code", async () => {
    using mini = miniature({
      "packages/host/src/one.ts": `${header}export const { pid } = process;\n`,
    });
    const found = await findingsByFile(typesStep(mini.root, "types", "tsconfig.json"));
    assert.equal(found.get("packages/host/src/one.ts"), undefined);
  });
});

const long = (lines: number): string =>
  `export const long = (n: number): number => {\n  let sum = n;\n${"  sum += 1;\n".repeat(lines)}  return sum;\n};\n`;

describe("wall 3: lint computed from the floors", () => {
  const imports = (from: string, to: string): Case => ({
    file: `${from}/src/floor-${to.replaceAll(/\W/g, "-")}.ts`,
    bad: `export * from "${to}";\n`,
    says: /imports only lower floors/,
    good: "export const nothing = 0;\n",
  });
  const floors: readonly Case[] = [
    imports("packages/base", "@ioi/wire"),
    imports("packages/wire", "@ioi/crypto"),
    imports("packages/crypto", "@ioi/firewall"),
    imports("packages/host", "@ioi/drivers"),
    imports("packages/host", "@ioi/agent"),
    imports("packages/drivers", "@ioi/guardian"),
    imports("packages/guardian", "@ioi/app-guardian"),
    imports("apps/cli", "@ioi/app-launcher"),
    imports("packages/firewall", "@ioi/host/ports"),
  ];
  const grades: readonly Case[] = [
    {
      file: "packages/crypto/src/date.ts",
      bad: "export const now = (): number => Date.now();\n",
      says: /Unexpected use of 'Date'/,
      good: "export const now = (instant: number): number => instant;\n",
    },
    {
      file: "packages/wire/src/random.ts",
      bad: "export const draw = (): number => Math.random();\n",
      says: /seeded generator/,
      good: "export const draw = (next: () => number): number => Math.floor(next());\n",
    },
    {
      file: "packages/agent/src/intl.ts",
      bad: "export const compare = new Intl.Collator().compare;\n",
      says: /Unexpected use of 'Intl'/,
      good: "export const compare = (a: string, b: string): number => (a < b ? -1 : 1);\n",
    },
    {
      file: "packages/agent/src/locale.ts",
      bad: "export const compare = (a: string, b: string): number => a.localeCompare(b);\n",
      says: /compare code points/,
      good: "export const compare = (a: string, b: string): number => (a < b ? -1 : 1);\n",
    },
    {
      file: "packages/firewall/src/async.ts",
      bad: "export const wait = async (): Promise<number> => 1;\n",
      says: /async is not allowed/,
      good: "export const wait = (): number => 1;\n",
    },
    {
      file: "packages/firewall/src/promise.ts",
      bad: "export const wait = (): unknown => Promise.resolve(1);\n",
      says: /Pure code is synchronous/,
      good: "export const wait = (): unknown => 1;\n",
    },
    {
      file: "packages/storage/src/node.ts",
      bad: 'export * from "node:path";\n',
      says: /no Node in it/,
      good: "export const separator = 47;\n",
    },
    {
      file: "packages/sim/src/global.ts",
      bad: 'export const hidden: unknown = Reflect.get(globalThis, "Date");\n',
      says: /opens every door/,
      good: 'export const shown: unknown = Reflect.get({}, "Date");\n',
    },
  ];
  const general: readonly Case[] = [
    {
      file: "packages/host/src/any.ts",
      bad: "export const open = (value: any): unknown => value;\n",
      says: /Unexpected `any`/,
      good: "export const open = (value: unknown): unknown => value;\n",
    },
    {
      file: "packages/host/src/bang.ts",
      bad: "export const first = (list: readonly string[]): string => list[0]!;\n",
      says: /no-non-null-assertion/,
      good: 'export const first = (list: readonly string[]): string => list[0] ?? "";\n',
    },
    {
      file: "packages/host/src/floating.ts",
      bad: "export const go = (work: () => Promise<void>): void => {\n  work();\n};\n",
      says: /no-floating-promises/,
      good: "export const go = (work: () => Promise<void>): Promise<void> => work();\n",
    },
    {
      file: "packages/host/src/default.ts",
      bad: "const value = 1;\nexport default value;\n",
      says: /no-default-export/,
      good: "export const value = 1;\n",
    },
    {
      file: "packages/host/src/switch.ts",
      bad: 'export const n = (of: "a" | "b"): number => {\n  switch (of) {\n    case "a":\n      return 1;\n  }\n  return 2;\n};\n',
      says: /switch-exhaustiveness-check/,
      good: 'export const n = (of: "a" | "b"): number => {\n  switch (of) {\n    case "a":\n      return 1;\n    case "b":\n      return 2;\n  }\n};\n',
    },
    {
      file: "apps/cli/src/long.ts",
      bad: long(70),
      says: /max-lines-per-function/,
      good: long(60),
    },
    {
      file: "apps/cli/src/large.ts",
      bad: `export const first = 1;\n${"// filler\n".repeat(500)}`,
      says: /max-lines\b/,
      good: "export const first = 1;\n",
    },
    {
      file: "apps/cli/src/console.ts",
      bad: 'export const say = (): void => console.log("x");\n',
      says: /no-console/,
      good: 'export const say = (): boolean => process.stdout.write("x");\n',
    },
  ];

  it("refuses what breaks floors, grades and style", () =>
    judge([...floors, ...grades, ...general], lintStep));
});

describe("the other steps of the check", () => {
  it("sees a file that is not formatted", () =>
    judge(
      [
        {
          file: "packages/base/src/shape.ts",
          bad: "export const   a=1\n",
          says: /not formatted/,
          good: "\nexport const a = 1;\n",
        },
      ],
      formatStep,
    ));

  it("sees generated code that was edited, and a definition that was not generated", async () => {
    using mini = miniature({ "packages/wire/src/gen/stray_pb.ts": "export const stray = 1;\n" });
    const found = await findingsByFile(protobufStep(mini.root));
    assert.match(found.get("packages/wire/src/gen/stray_pb.ts") ?? "", /differs/);
    const missing = "packages/wire/src/gen/grpc/health/v1/health_pb.ts";
    assert.match(found.get(missing) ?? "", /differs/);
    assert.deepEqual(await protobufStep(projectRoot).run(), []);
  });
});
