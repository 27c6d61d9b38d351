/**
 * Lint rules, most of them computed from the floors and grades in tools/floors.ts (the third wall).
 * What oxlint cannot express is in tools/tidy.
 */
import { defineConfig, type OxlintOverride } from "oxlint";
import { forbiddenFor, rooms, type Room } from "./tools/floors.ts";

const impureGlobals = [
  { name: "Date", message: "Time is an input here: take an Instant, or the Clock port." },
  { name: "Intl", message: "Locales differ between machines." },
  { name: "performance", message: "Time is an input here." },
  { name: "setTimeout", message: "Timers are state: return a deadline, or use the Clock port." },
  { name: "setInterval", message: "Timers are state: return a deadline, or use the Clock port." },
  { name: "process", message: "The process belongs to shell code." },
  { name: "console", message: "Pure and ported code does not log." },
  { name: "Buffer", message: "Bytes are Uint8Array." },
  { name: "globalThis", message: "It opens every door that the grade closes." },
];

const pureOnlyGlobals = [{ name: "Promise", message: "Pure code is synchronous." }];

const impureProperties = [
  { object: "Math", property: "random", message: "Use the seeded generator or the Random port." },
  { property: "localeCompare", message: "Locales differ between machines: compare code points." },
  { property: "toLocaleString", message: "Locales differ between machines." },
  { property: "toLocaleLowerCase", message: "Locales differ between machines." },
  { property: "toLocaleUpperCase", message: "Locales differ between machines." },
];

type Rules = NonNullable<OxlintOverride["rules"]>;

/** Names of packages, as patterns that cover their sub-paths. */
const named = (list: readonly Room[]) => list.flatMap(({ name }) => [name, `${name}/*`]);

const floorsOf = (from: Room) => {
  const patterns = [
    {
      group: named(forbiddenFor(from)),
      message: `${from.folder} stands on floor ${from.floor} and imports only lower floors.`,
    },
  ];
  if (from.grade === "shell") return { patterns };
  return {
    patterns: [
      ...patterns,
      { group: ["node:*"], message: `${from.folder} is ${from.grade}: no Node in it.` },
    ],
  };
};

const rulesOf = (from: Room): Rules => {
  const floors: Rules = { "no-restricted-imports": ["error", floorsOf(from)] };
  if (from.grade === "shell" || from.grade === "web") return floors;
  const globals = [...impureGlobals, ...(from.grade === "pure" ? pureOnlyGlobals : [])];
  return {
    ...floors,
    "no-restricted-globals": ["error", ...globals],
    "no-restricted-properties": ["error", ...impureProperties],
    ...(from.grade === "pure" ? { "oxc/no-async-await": "error" } : {}),
  };
};

const testFloorsOf = (from: Room): Rules => ({
  "no-restricted-imports": [
    "error",
    {
      patterns: [
        {
          group: named(forbiddenFor(from)),
          message: `${from.folder} stands on floor ${from.floor} and imports only lower floors.`,
        },
      ],
    },
  ],
});

export default defineConfig({
  plugins: ["eslint", "typescript", "oxc", "import", "unicorn", "promise"],
  options: { typeAware: true, denyWarnings: true, reportUnusedDisableDirectives: "error" },
  ignorePatterns: ["packages/wire/src/gen/**", "out/**", "**/node_modules/**", ".runtime/**"],
  categories: { correctness: "error" },
  rules: {
    eqeqeq: "error",
    "no-var": "error",
    "prefer-const": "error",
    "no-eval": "error",
    "no-new-func": "error",
    "no-param-reassign": "error",
    "no-throw-literal": "error",
    "no-console": "error",
    "max-lines": ["error", { max: 500 }],
    "max-lines-per-function": ["error", { max: 70, skipBlankLines: true, skipComments: true }],
    "typescript/no-explicit-any": "error",
    "typescript/no-non-null-assertion": "error",
    "typescript/no-namespace": "error",
    "typescript/no-floating-promises": [
      "error",
      {
        // node:test collects what these return.
        allowForKnownSafeCalls: [
          {
            from: "package",
            package: "node:test",
            name: ["test", "describe", "it", "suite", "before", "after", "beforeEach", "afterEach"],
          },
        ],
      },
    ],
    "typescript/no-misused-promises": "error",
    "typescript/await-thenable": "error",
    "typescript/switch-exhaustiveness-check": [
      "error",
      { considerDefaultExhaustiveForUnions: true },
    ],
    "typescript/ban-ts-comment": "error",
    "typescript/only-throw-error": ["error", { allowThrowingUnknown: true, allowRethrowing: true }],
    "import/no-default-export": "error",
    "import/no-cycle": "error",
    "import/no-self-import": "error",
    "no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
    // Code points are what the codecs and path rules mean when they spread a string.
    "typescript/no-misused-spread": "off",
  },
  overrides: [
    ...rooms.map((from) => ({ files: [`${from.folder}/src/**/*.{ts,tsx}`], rules: rulesOf(from) })),
    {
      // Every screen works with the keyboard and a screen reader; axe looks at the result.
      files: ["apps/autopilot/src/**/*.tsx"],
      plugins: ["eslint", "typescript", "oxc", "import", "unicorn", "promise", "react", "jsx-a11y"],
    },
    // The suites that test ports are ported code, in whatever room the ports stand.
    {
      files: ["packages/*/src/compliance/**/*.ts"],
      rules: { "oxc/no-async-await": "off", "no-restricted-globals": ["error", ...impureGlobals] },
    },
    ...rooms.map((from) => ({
      files: [`${from.folder}/test/**/*.ts`],
      rules: testFloorsOf(from),
    })),
    // One module without imports, so that it can be carried anywhere.
    { files: ["packages/verifier/src/retrieval.ts"], rules: { "max-lines": ["error", 600] } },
    {
      files: ["**/test/**/*.ts", "tests/**/*.test.ts", "tools/test/**/*.ts"],
      rules: { "max-lines-per-function": "off" },
    },
    {
      files: ["tests/**/*.ts", "tools/**/*.ts", "**/test/**/*.ts", "**/bench/**/*.ts"],
      rules: { "no-console": "off" },
    },
    {
      files: ["oxlint.config.ts", "tools/lib/test-events.ts"],
      rules: { "import/no-default-export": "off" },
    },
    {
      // Written in the language of very old Node releases on purpose.
      files: ["tools/bootstrap.mjs"],
      rules: { "no-var": "off", "typescript/no-floating-promises": "off" },
    },
  ],
});
