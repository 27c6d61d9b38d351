/** The fourth wall with planted violations, and the helpers that it is made of. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isAllowed, parseAllowedSkips } from "../lib/allowed-skips.ts";
import { projectRoot, readText } from "../lib/project.ts";
import { importsOf, withoutComments } from "../lib/sources.ts";
import type { Step } from "../lib/steps.ts";
import { documentsStep } from "../tidy/documents.ts";
import { importsStep } from "../tidy/imports.ts";
import { anchorOf, linksStep } from "../tidy/links.ts";
import { isAccepted, licencesStep, pinsStep } from "../tidy/pins.ts";
import { parseTable, roomsStep } from "../tidy/rooms.ts";
import { textStep } from "../tidy/text.ts";
import { findingsByFile, miniature, type Planted } from "./planted.ts";

const header = "/** A planted module of the walls' tests. */\n";

/** What a step says of one file, first as planted badly, then as it should be. */
const saysOf = async (
  step: (root: string) => Step,
  file: string,
  bad: string,
  good: string,
  around: Planted = {},
): Promise<readonly [string | undefined, string | undefined]> => {
  using mini = miniature({ ...around, [file]: bad });
  const red = (await findingsByFile(step(mini.root))).get(file);
  mini.write({ [file]: good });
  return [red, (await findingsByFile(step(mini.root))).get(file)];
};

describe("wall 4: text", () => {
  const cases: readonly (readonly [
    name: string,
    file: string,
    bad: string,
    good: string,
    RegExp,
  ])[] = [
    [
      "a module without header",
      "packages/base/src/a.ts",
      "export const a = 1;\n",
      `${header}export const a = 1;\n`,
      /no module header/,
    ],
    [
      "a bare sort in pure code",
      "packages/base/src/a.ts",
      `${header}export const a = [2, 1].toSorted();\n`,
      `${header}export const a = [2, 1].toSorted((x, y) => x - y);\n`,
      /sort without comparator/,
    ],
    [
      "inheritance",
      "packages/host/src/a.ts",
      `${header}export class A extends Map {}\n`,
      `${header}export class A extends Error {}\n`,
      /no inheritance/,
    ],
    [
      "an access modifier",
      "packages/host/src/a.ts",
      `${header}export class A {\n  private readonly n = 1;\n}\n`,
      `${header}export class A {\n  private constructor() {}\n  readonly #n = 1;\n}\n`,
      /use #private/,
    ],
    [
      "a skipped test",
      "packages/host/test/a.test.ts",
      `import { test } from "node:test";\ntest.${"skip"}("x");\n`,
      'import { test } from "node:test";\ntest("x");\n',
      /no \.only/,
    ],
    [
      "an unexplained suppression",
      "packages/host/src/a.ts",
      `${header}// ${"oxlint"}-disable-next-line no-console\nexport const a = 1;\n`,
      `${header}// ${"oxlint"}-disable-next-line no-console -- it is the console\nexport const a = 1;\n`,
      /says why/,
    ],
    [
      "an unexplained error of types",
      "packages/host/src/a.ts",
      `${header}// @${"ts"}-expect-error\nexport const a = 1;\n`,
      `${header}// @${"ts"}-expect-error the definition is wrong\nexport const a = 1;\n`,
      /says why/,
    ],
    [
      "an open end",
      "packages/host/src/a.ts",
      `${header}// ${"TO"}DO: more\nexport const a = 1;\n`,
      `${header}// More is not needed.\nexport const a = 1;\n`,
      /open end/,
    ],
    [
      "a path of somebody's machine",
      "docs/guides/a.md",
      `# A\n\nSee /${"work"}/main.\n`,
      "# A\n\nSee /home/you/notes.\n",
      /somebody's machine/,
    ],
  ];
  for (const [name, file, bad, good, says] of cases) {
    it(`sees ${name}`, async () => {
      const [red, green] = await saysOf(textStep, file, bad, good);
      assert.match(red ?? "silent", says);
      assert.equal(green, undefined);
    });
  }
});

describe("wall 4: imports and dead files", () => {
  it("sees an import that only the development tools provide", async () => {
    const [red, green] = await saysOf(
      importsStep,
      "packages/base/src/index.ts",
      `${header}export * from "fast-check";\n`,
      `${header}export const a = 1;\n`,
    );
    assert.match(red ?? "silent", /fast-check is not declared/);
    assert.equal(green, undefined);
  });

  it("sees a relative import that leaves its room", async () => {
    const [red, green] = await saysOf(
      importsStep,
      "packages/wire/src/index.ts",
      `${header}export * from "../../base/src/index.ts";\n`,
      `${header}export * from "@ioi/base";\n`,
      { "packages/base/src/index.ts": header },
    );
    assert.match(red ?? "silent", /leaves packages\/wire/);
    assert.equal(green, undefined);
  });

  it("sees a dependency that nothing imports", async () => {
    const use = (name: string): string => `${header}export * from "${name}";\n`;
    const around = {
      "packages/firewall/src/a.ts": use("re2js"),
      "packages/firewall/src/b.ts": use("unbash") + use("@noble/hashes/sha3.js"),
      "packages/firewall/src/d.ts": use("@scure/bip39/wordlists/english.js"),
      "packages/firewall/test/c.test.ts": use("ipaddr.js") + use("whatwg-url") + use("ajv"),
    };
    using mini = miniature(around);
    const file = "packages/firewall/package.json";
    const says = (await findingsByFile(importsStep(mini.root))).get(file);
    assert.equal(says, "toml-eslint-parser is never imported");
  });

  it("sees a file that nothing reaches", async () => {
    using mini = miniature({
      "packages/base/src/index.ts": `${header}export * from "./used.ts";\n`,
      "packages/base/src/used.ts": header,
      "packages/base/src/unused.ts": header,
    });
    const found = await findingsByFile(importsStep(mini.root));
    assert.match(found.get("packages/base/src/unused.ts") ?? "silent", /nothing reaches/);
    assert.equal(found.get("packages/base/src/used.ts"), undefined);
  });
});

describe("wall 4: rooms, links, pins, licences, documents", () => {
  it("sees a grade, a licence and a name that differ from the floors", async () => {
    using mini = miniature({});
    const file = "packages/wire/package.json";
    const was = readText(mini.root, file);
    assert.equal((await findingsByFile(roomsStep(mini.root))).get(file)?.includes("grade"), false);
    mini.write({ [file]: was.replace('"pure"', '"shell"').replace("MIT OR Apache-2.0", "MIT") });
    const says = (await findingsByFile(roomsStep(mini.root))).get(file) ?? "";
    assert.match(says, /ioi\.grade is "shell"/);
    assert.match(says, /license is "MIT"/);
  });

  it("sees a table that differs from the floors", async () => {
    const row = "| 0 | `base` | shell | the vocabulary |\n";
    using mini = miniature({ "ARCHITECTURE.md": `# A\n\n${row}` });
    const says = (await findingsByFile(roomsStep(mini.root))).get("ARCHITECTURE.md") ?? "";
    assert.match(says, /"0 shell" for base, not "0 pure"/);
    assert.match(says, /"no row" for wire/);
    assert.deepEqual([...parseTable(row)], [["base", "0 shell"]]);
  });

  it("sees an undeclared folder", async () => {
    using mini = miniature({ "packages/stray/package.json": "{}" });
    const found = await findingsByFile(roomsStep(mini.root));
    assert.match(found.get("packages/stray") ?? "silent", /not in tools\/floors/);
  });

  it("sees broken links and headings", async () => {
    const [red, green] = await saysOf(
      linksStep,
      "README.md",
      "# A\n\n[x](gone.md) [y](B.md#c) [z](#nope)\n",
      "# A\n\n[y](B.md#c-d) [z](#a) [out](https://example.org)\n",
      { "B.md": "# B\n\n## C d\n" },
    );
    assert.equal(red, "broken link gone.md\nno heading c in B.md\nno heading nope in README.md");
    assert.equal(green, undefined);
    assert.equal(anchorOf("3a. `One` action, message"), "3a-one-action-message");
  });

  it("sees a version that is a range, and an install script that is let in", async () => {
    const reasons = "docs/dependencies.md";
    using mini = miniature({ [reasons]: readText(projectRoot, reasons) });
    assert.deepEqual(await pinsStep(mini.root).run(), []);
    mini.write({ [reasons]: "| `left-pad` | it was there |\n" });
    const says = (await findingsByFile(pinsStep(mini.root))).get(reasons) ?? "";
    assert.match(says, /no row for pino\n/);
    assert.match(says, /left-pad is not a dependency/);
    const was = readText(mini.root, "packages/host/package.json");
    mini.write({
      "packages/host/package.json": was.replace(/("pino": ")/, "$1^"),
      "pnpm-workspace.yaml": `${readText(mini.root, "pnpm-workspace.yaml")}\nallowBuilds:\n  x: true\n`,
    });
    const found = await findingsByFile(pinsStep(mini.root));
    assert.match(found.get("packages/host/package.json") ?? "silent", /pino is \^/);
    assert.match(found.get("pnpm-workspace.yaml") ?? "silent", /may run an install script/);
  });

  it("knows which licences may be shipped", async () => {
    assert.deepEqual(
      ["MIT", "(MIT OR GPL-3.0)", "MIT AND ISC", "GPL-3.0", "MIT AND GPL-3.0"].map(isAccepted),
      [true, true, true, false, false],
    );
    using mini = miniature({});
    const found = await findingsByFile(licencesStep(mini.root));
    assert.deepEqual([...found.keys()], ["LICENSE-BUSL", "LICENSE-MIT", "LICENSE-APACHE"]);
  });

  it("sees stale documents, undocumented codes and bare limits", async () => {
    const entry = '{ what: "W.", why: "Y.", next: "N", exit: 5 }';
    using mini = miniature({
      "packages/base/src/errors.ts": `${header}export const errors = { E_KNOWN: ${entry}, E_IDLE: ${entry} };\n`,
      "packages/base/src/limits.ts": `${header}\nexport const bareMax = 1;\n/** Things, in pieces. */\nexport const thingsMax = 20_000;\n`,
      "packages/base/src/use.ts": `${header}export const raise = ["E_KNOWN", "E_UNKNOWN"];\n`,
      "docs/errors.md": "old\n",
    });
    const found = await findingsByFile(documentsStep(mini.root));
    assert.match(found.get("docs/errors.md") ?? "", /npm run gen/);
    assert.match(found.get("packages/base/src/use.ts") ?? "", /E_UNKNOWN is in no catalogue/);
    assert.equal(found.get("packages/base/src/errors.ts"), "nothing raises E_IDLE");
    assert.equal(found.get("packages/base/src/limits.ts"), "bareMax has no doc comment");
  });
});

describe("helpers", () => {
  it("reads imports, not what comments and texts say", () => {
    const text = `/** from "a" */\nimport { x } from "./b.ts";\n// from "c"\nexport * from "d";\nconst e = await import("./f.ts");\n`;
    assert.deepEqual(importsOf({ file: "x.ts", text }), [
      { specifier: "./b.ts", line: 2 },
      { specifier: "d", line: 4 },
      { specifier: "./f.ts", line: 5 },
    ]);
    assert.equal(withoutComments(text).split("\n").length, text.split("\n").length);
  });

  it("accepts listed skips only, and only with a reason", () => {
    const allowed = parseAllowedSkips('[{"id":"a: b","why":"w"},{"id":"c: *","why":"w"}]');
    assert.deepEqual(
      ["a: b", "a: bc", "c: anything"].map((id) => isAllowed(allowed, id)),
      [true, false, true],
    );
    assert.throws(() => parseAllowedSkips('[{"id":"a"}]'));
  });
});
