/** Bad input: the policy, and arguments of the command line. */
import fs from "node:fs";
import { Scratch } from "../kernel.ts";
import { answered, type BadInputCase, judged, type Means, show } from "./case.ts";
import { sharedPlace } from "./paths.ts";

const lint = async ({ ioi }: Means, text: string | Buffer) => {
  using scratch = new Scratch();
  const file = scratch.at("policy.toml");
  fs.writeFileSync(file, text);
  return await ioi(["policy", "lint", file]);
};

const lintCase = (
  id: string,
  text: string | Buffer,
  ...texts: readonly (string | RegExp)[]
): BadInputCase => ({
  id,
  run: async (means) => {
    const result = await lint(means, text);
    const verdict = answered(result, result.code, ...texts);
    // A policy that does not load is a usage error or a finding, never a success.
    return { ...verdict, ok: verdict.ok && [2, 5, 6].includes(result.code) };
  },
});

const rule = (body: string): string => `version = 1\n\n[[rule]]\nid = "r"\n${body}\n`;

/** On a kernel whose policy it gives back; nobody else may ask it meanwhile. */
export const policyOfRunning: BadInputCase = {
  id: "policy-changes-while-running",
  run: async ({ ioi }) => {
    const { data, workspace } = await sharedPlace();
    const read = () =>
      ioi(["run", "--data", data, "--workspace", workspace, "--json", "/read a.txt"]);
    const policy = `${data}/guardian/policy.toml`;
    const before = await read();
    const shipped = fs.readFileSync(policy, "utf8");
    const denial =
      '\n[[rule]]\nid = "no-reading"\neffect = "deny"\ntarget = ["fs::read"]\nreason = "Not today."\n';
    fs.writeFileSync(policy, shipped + denial);
    const denied = await read();
    fs.writeFileSync(policy, `${shipped}\nefect = 1\n`);
    const broken = await read();
    fs.writeFileSync(policy, shipped);
    const after = await read();
    return judged(
      "0, then 3 by no-reading, then E_POLICY_INVALID with a position, then 0",
      before.code === 0 &&
        denied.code === 3 &&
        denied.stdout.includes("no-reading") &&
        broken.code === 5 &&
        /E_POLICY_INVALID.*policy\.toml:\d+:\d+/s.test(broken.stdout) &&
        after.code === 0,
      [before, denied, broken, after].map(show).join(" | "),
    );
  },
};

export const policyCases: readonly BadInputCase[] = [
  lintCase(
    "policy-unknown-key",
    rule('efect = "allow"\ntarget = ["fs::read"]'),
    "E_POLICY_UNKNOWN_KEY",
    ":5:1",
    "efect",
    'did you mean "effect"',
  ),
  lintCase("policy-malformed-toml", "version = 1\n[[rule]\nid = 3\n", /policy\.toml:[23]:\d+/),
  lintCase("policy-unterminated-string", 'version = 1\nx = "abc\n', /policy\.toml:2:\d+/),
  lintCase("policy-newer-version", "version = 2\n", /policy\.toml:1:\d+/, "version"),
  lintCase("policy-not-utf8", Buffer.from([0x76, 0xff, 0xfe, 0x0a]), /policy/),
  lintCase("policy-empty-target", rule('effect = "allow"\ntarget = []'), /policy\.toml:\d+:\d+/),
  lintCase(
    "policy-allow-unconstrained",
    rule('effect = "allow"\ntarget = ["fs::move"]\nwhere.path = { glob = "scope:/**" }'),
    /policy\.toml:\d+:\d+/,
    "to",
  ),
  lintCase("policy-default-allow", 'version = 1\n[defaults]\nverdict = "allow"\n', /:3:\d+/),
  lintCase(
    "policy-match-fails",
    rule(
      'effect = "allow"\ntarget = ["fs::read"]\nwhere.path = { glob = "scope:/a/**" }\n' +
        'match = [{ target = "fs::read", path = "scope:/b/c" }]',
    ),
    /policy\.toml:\d+:\d+/,
    "match",
  ),
  lintCase("policy-deep", `version = 1\nx = ${"[".repeat(5000)}${"]".repeat(5000)}\n`, /policy/),
  lintCase("policy-huge", `version = 1\n# ${"x".repeat(2_000_000)}\n`, /policy/),
  {
    id: "policy-missing-file",
    run: async ({ ioi }) => {
      using scratch = new Scratch();
      const result = await ioi(["policy", "lint", scratch.at("none.toml")]);
      return answered(result, result.code === 0 ? 5 : result.code, /E_[A-Z_]+/, "none.toml");
    },
  },
  ...[
    "{",
    "[]",
    '{"target":7}',
    '{"target":"fs::read","args":{"path":7}}',
    '{"target":"fs::read","args":{"path":"a","bogus":1}}',
    '{"target":"fs::read","args":{"path":"a","path":"b"}}',
    '{"target":"fs::read","args":{"path":"\\ud800"}}',
    `{"target":"fs::read","args":${"[".repeat(10_000)}${"]".repeat(10_000)}}`,
  ].map((text, index): BadInputCase => ({
    id: `arguments-not-fitting-json-${index}`,
    run: async ({ ioi }) => {
      using scratch = new Scratch();
      const workspace = scratch.folder("work");
      const args = ["policy", "check", "--workspace", workspace, "--data", scratch.at("data")];
      return answered(await ioi([...args, "--json", "--action", text]), 2, /"code":\s*"E_[A-Z_]+"/);
    },
  })),
  {
    id: "arguments-fitting-json-control",
    run: async ({ ioi }) => {
      using scratch = new Scratch();
      const workspace = scratch.folder("work");
      const text = '{"target":"fs::read","args":{"path":"a"}}';
      const args = ["policy", "check", "--workspace", workspace, "--data", scratch.at("data")];
      return answered(await ioi([...args, "--json", "--action", text]), 0, '"verdict":"allow"');
    },
  },
  {
    id: "command-unknown",
    run: async ({ ioi }) => answered(await ioi(["rnu", "/help"]), 2, "E_", "run"),
  },
  {
    id: "option-unknown",
    run: async ({ ioi }) => answered(await ioi(["run", "--wrokspace", "/", "/help"]), 2, "E_"),
  },
];
