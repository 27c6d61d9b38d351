/** What a task was given: its limits ask, its grants spare the default's ask, and nothing else. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { actionId } from "@ioi/crypto";
import { action as actionSchema, schema } from "@ioi/wire";
import { decide, type Grant, type SessionContext, type TaskScope, widening } from "../src/index.ts";
import {
  act,
  asked,
  fileFacts,
  hashing,
  policy,
  run,
  scope,
  session,
  withSession,
} from "./support.ts";

const other = "/home/u/other";
const task: TaskScope = {
  groups: ["read", "organise"],
  folders: [
    { path: scope, access: "organise" },
    { path: other, access: "write" },
  ],
  sites: ["example.com"],
  model: "m",
};
const roots: SessionContext["roots"] = [
  { name: "scope", path: scope, access: "write" },
  { name: "scope2", path: other, access: "write" },
];
const bare = policy("");
const all = ["fs::write", "fs::move", "fs::delete", "fs::restore", "fs::mkdir", "fs::copy"];
const allowing = policy(
  `[[rule]]\nid = "all"\neffect = "allow"\ntarget = ${JSON.stringify(["fs::read", "fs::list"])}\nwhere.path = { glob = "scope:/**" }\n` +
    all
      .map((target) => {
        const names =
          target === "fs::restore"
            ? ["paths"]
            : ["fs::move", "fs::copy"].includes(target)
              ? ["path", "to"]
              : ["path"];
        const where = names.map((name) => `where.${name} = { glob = "scope:/**" }`).join("\n");
        return `[[rule]]\nid = "${target.slice(4)}"\neffect = "allow"\ntarget = "${target}"\n${where}\n`;
      })
      .join(""),
);

const grant = (changes: Partial<Grant> = {}): Grant => ({
  id: "task",
  session: session.session,
  scope: "task",
  target: "",
  task,
  discharges: [{ kind: "default", id: "default" }],
  policyHash: bare.hash,
  expiresMs: 0,
  ...changes,
});

describe("the limits of a task", () => {
  const limited = withSession({ roots, task });
  const asks = (action: Parameters<typeof decide>[1], context = limited): readonly string[] =>
    asked(decide(allowing, action, context));
  const there = { path: fileFacts(`${other}/a`) };

  it("ask about a consequential call of another group, even where a rule allows it", () => {
    assert.deepEqual(asks(act("fs::delete", { path: "scope:/a" })), ["task delete"]);
    assert.deepEqual(asks(run(["/bin/ls"])), ["task run", "default default"]);
    assert.deepEqual(asks(act("fs::delete", { path: "scope:/a" }), withSession({ roots })), []);
    const given = withSession({ roots, task: { ...task, groups: ["read", "delete"] } });
    assert.deepEqual(asks(act("fs::delete", { path: "scope:/a" }), given), []);
    assert.deepEqual(asks(act("fs::mkdir", { path: "scope:/a" }), given), ["task organise"]);
  });

  it("leave reading and undoing alone", () => {
    const nothing = withSession({ roots, task: { ...task, groups: [] } });
    assert.deepEqual(asks(act("fs::read", { path: "scope:/a" }), nothing), []);
    assert.deepEqual(asks(act("fs::restore", { counter: 1, paths: ["scope:/a"] }), nothing), []);
  });

  it("ask before contents change in a folder that may be arranged only", () => {
    const missing = { path: fileFacts(`${scope}/a`, { exists: false }) };
    assert.deepEqual(asks(act("fs::write", { path: "scope:/a" }, missing)), ["task write"]);
    assert.deepEqual(asks(act("fs::write", { path: `${other}/a` }, there)), []);
    assert.deepEqual(asks(act("fs::move", { path: "scope:/a", to: "scope:/b" })), []);
  });

  it("say why, without a word of an agent's", () => {
    const { reason } = decide(allowing, act("fs::delete", { path: "scope:/a" }), limited);
    assert.equal(reason, "fs::delete (delete) is not part of what the task was given.");
  });
});

describe("the grant of a task", () => {
  const granted = { ...withSession({ roots }), grants: [grant()] };
  const verdict = (action: Parameters<typeof decide>[1], context = granted): string => {
    const { verdict: said, asks } = decide(bare, action, context);
    return said === "ask" ? asks.map(({ kind, id }) => `${kind} ${id}`).join(", ") : said;
  };
  const gone = (path: string) => fileFacts(path, { exists: false });

  it("covers its groups in its folders, to the depth of their access", () => {
    const covered = [
      act("fs::read", { path: "scope:/a" }),
      act("fs::list", { path: "scope:/" }),
      act("fs::move", { path: "scope:/a", to: `${other}/b` }),
      act("fs::write", { path: `${other}/a` }),
    ];
    for (const action of covered) assert.equal(verdict(action), "allow", action.target);
    for (const action of covered) {
      assert.equal(verdict(action, { ...granted, grants: [] }), "default default", "control");
    }
  });

  it("covers nothing else", () => {
    const read = act("fs::read", { path: "scope:/a" });
    const cases: readonly (readonly [string, Parameters<typeof decide>[1], string])[] = [
      [
        "contents of a folder to arrange",
        act("fs::write", { path: "scope:/a" }),
        "default default",
      ],
      ["another group", act("fs::delete", { path: "scope:/a" }), "default default"],
      ["a name with a leading dot", act("fs::read", { path: "scope:/.env" }), "default default"],
      [
        "a folder with names with a leading dot in it",
        act(
          "fs::move",
          { path: "scope:/a", to: "scope:/b" },
          {
            path: fileFacts(`${scope}/a`, { kind: "directory", dotNames: true }),
            to: gone(`${scope}/b`),
          },
        ),
        "default default",
      ],
      ["outside", act("fs::read", { path: "/home/u/third/a" }), "deny"],
      [
        "what is really outside",
        act("fs::read", { path: "scope:/a" }, { path: fileFacts("/home/u/third/a") }),
        "deny",
      ],
      [
        "facts that are missing",
        act("fs::read", { path: "scope:/a" }, { path: null }),
        "fact path, default default",
      ],
      [
        "a protected path",
        act("fs::mkdir", { path: "scope:/.git" }),
        "protected path, default default",
      ],
      ["the product", act("fs::read", { path: "scope:/ioi-data/a" }), "deny"],
    ];
    for (const [what, action, expected] of cases) assert.equal(verdict(action), expected, what);
    assert.equal(
      verdict(read, { ...granted, grants: [grant({ session: "s2" })] }),
      "default default",
    );
    assert.equal(decide(policy('[defaults]\nverdict = "deny"'), read, granted).verdict, "deny");
  });

  it("names what would help, and nothing where nothing does", () => {
    const offers = (target: string, ...kinds: readonly (readonly [string, string])[]) =>
      widening(
        target,
        kinds.map(([kind, id]) => ({ kind, id })),
      ).map(({ id }) => id);
    assert.deepEqual(offers("fs::delete", ["default", "default"]), ["delete"]);
    assert.deepEqual(offers("fs::write", ["task", "write"], ["default", "default"]), ["write"]);
    assert.deepEqual(offers("sys::exec", ["task", "run"]), ["run"]);
    assert.deepEqual(offers("fs::write", ["rule", "dotfiles"], ["task", "write"]), []);
    assert.deepEqual(offers("fs::write", ["protected", "path"]), []);
    assert.deepEqual(offers("mail::send", ["default", "default"]), []);
    assert.deepEqual(offers("mcp::call", ["task", "mcp::call"]), []);
  });
});

describe("a grant for what a card named before anybody looked", () => {
  const move = act(
    "fs::mkdir",
    { path: "scope:/a" },
    { path: fileFacts(`${scope}/a`, { exists: false }) },
  );
  const named = (changes: Partial<Grant> = {}): Grant => ({
    ...grant(),
    scope: "once",
    target: "fs::mkdir",
    alikeTo: actionId(hashing, schema.encode(actionSchema, { ...move, facts: {} })),
    ...changes,
  });
  const left = (action: typeof move, given: Grant): readonly string[] =>
    asked(decide(bare, action, { ...withSession({ roots }), grants: [given] }));

  it("answers the asks that it lists, where the path leads where it says", () => {
    assert.deepEqual(left(move, named()), []);
    const elsewhere = { ...move, facts: { path: fileFacts(`${scope}/b`, { exists: false }) } };
    assert.deepEqual(left(elsewhere, named()), ["default default"]);
    assert.deepEqual(left(act("fs::mkdir", { path: "scope:/b" }), named()), ["default default"]);
  });

  it("never answers what needs its own look, even where it lists it", () => {
    const hook = act("fs::mkdir", { path: "scope:/.git" });
    const alikeTo = actionId(hashing, schema.encode(actionSchema, { ...hook, facts: {} }));
    const discharges = [
      { kind: "default", id: "default" },
      { kind: "protected", id: "path" },
    ];
    assert.deepEqual(left(hook, named({ alikeTo, discharges })), ["protected path"]);
  });
});
