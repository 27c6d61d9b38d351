/** A person's answers: what they discharge, and what they never do. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { actionId } from "@ioi/crypto";
import { type Action, action as actionSchema, schema } from "@ioi/wire";
import { decide, type DecisionContext, type Grant, sessionScopeOffered } from "../src/index.ts";
import { act, context, hashing, policy, rule, run, verdict, withSession } from "./support.ts";

const everywhere = 'where.path = { glob = "scope:/**" }';
const allowRead = rule("allow-read", "allow", "fs::read", everywhere);
const askRead = rule("ask-read", "ask", "fs::read", everywhere);
const denyRead = rule("deny-read", "deny", "fs::read", everywhere);
const a = act("fs::read", { path: "scope:/a" });

describe("grants", () => {
  const compiled = policy(allowRead + askRead);
  const id = (action: Action): Uint8Array => actionId(hashing, schema.encode(actionSchema, action));
  const grant = (changes: Partial<Grant> = {}): Grant => ({
    id: "g1",
    session: "s1",
    scope: "session",
    target: "fs::read",
    discharges: [{ kind: "rule", id: "ask-read" }],
    policyHash: compiled.hash,
    expiresMs: 0,
    ...changes,
  });
  const withGrants = (...grants: readonly Grant[]): DecisionContext => ({ ...context, grants });
  it("discharge exactly the listed sources", () => {
    const decision = decide(compiled, a, withGrants(grant()));
    assert.deepEqual(
      [decision.verdict, decision.grantsUsed, decision.discharged],
      ["allow", ["g1"], [{ kind: "rule", id: "ask-read" }]],
    );
    assert.equal(
      verdict(compiled, a, withGrants(grant({ discharges: [{ kind: "rule", id: "other" }] }))),
      "ask",
    );
    assert.equal(
      verdict(policy(askRead), a, withGrants(grant({ policyHash: policy(askRead).hash }))),
      "ask",
    );
  });
  it("hold for their session and target", () => {
    assert.equal(verdict(compiled, a, withGrants(grant({ session: "s2" }))), "ask");
    assert.equal(verdict(compiled, a, withGrants(grant({ target: "fs::list" }))), "ask");
    assert.equal(
      verdict(compiled, act("fs::read", { path: "scope:/b" }), withGrants(grant())),
      "allow",
    );
  });
  it("of once hold for exactly one action", () => {
    const once = grant({ scope: "once", actionId: id(a) });
    assert.equal(verdict(compiled, a, withGrants(once)), "allow");
    assert.equal(verdict(compiled, act("fs::read", { path: "scope:/b" }), withGrants(once)), "ask");
    const { actionId: _, ...bare } = once;
    assert.equal(verdict(compiled, a, withGrants(bare)), "ask");
    assert.equal(verdict(compiled, a, { ...withGrants(once), actionId: id(run(["x"])) }), "ask");
  });
  it("never discharge a denial", () => {
    const denied = policy(allowRead + askRead + denyRead);
    assert.equal(
      verdict(
        denied,
        a,
        withGrants(
          grant({
            policyHash: denied.hash,
            discharges: [
              { kind: "rule", id: "deny-read" },
              { kind: "rule", id: "ask-read" },
            ],
          }),
        ),
      ),
      "deny",
    );
    const outside = act("fs::read", { path: "/etc/shadow" });
    assert.equal(
      verdict(
        compiled,
        outside,
        withGrants(grant({ discharges: [{ kind: "default", id: "default" }] })),
      ),
      "deny",
    );
  });
  it("under another policy stand only if nothing more is asked", () => {
    const more = policy(allowRead + askRead + rule("new", "ask", "fs::read"));
    assert.equal(verdict(more, a, withGrants(grant())), "ask");
    assert.deepEqual(decide(more, a, withGrants(grant())).discharged, []);
    const same = policy(`${allowRead}${askRead}${rule("other", "deny", "fs::write")}`);
    assert.notDeepEqual(same.hash, compiled.hash);
    assert.equal(verdict(same, a, withGrants(grant())), "allow");
    // The control: under the policy it was given for, the listed source is discharged.
    assert.deepEqual(decide(more, a, withGrants(grant({ policyHash: more.hash }))).discharged, [
      { kind: "rule", id: "ask-read" },
    ]);
  });
  it("of a session do not answer what is asked each time", () => {
    const allowAll = policy(rule("r", "allow", "sys::exec", 'where.argv = { profile = "closed" }'));
    const dynamic = run(["sh", "-c", "$X"], "/usr/bin/dash");
    const discharges = [{ kind: "dynamic", id: "argv" }];
    const forSession = grant({ target: "sys::exec", policyHash: allowAll.hash, discharges });
    assert.equal(verdict(allowAll, dynamic, withGrants(forSession)), "ask");
    assert.equal(
      verdict(
        allowAll,
        dynamic,
        withGrants({ ...forSession, scope: "once", actionId: id(dynamic) }),
      ),
      "allow",
    );
    assert.equal(sessionScopeOffered(decide(allowAll, dynamic, context).asks, dynamic), false);
    assert.equal(sessionScopeOffered(decide(compiled, a, context).asks, a), true);
  });
  it("leave the default of a denying policy only when they list it", () => {
    const deny = policy('[defaults]\nverdict = "deny"');
    const listed = grant({
      policyHash: deny.hash,
      discharges: [{ kind: "default", id: "default" }],
    });
    assert.equal(verdict(deny, a, withGrants(listed)), "allow");
    assert.equal(verdict(deny, a, withGrants({ ...listed, discharges: [] })), "deny");
  });
});

describe("what is answered each time", () => {
  it("uses a secret: no session and no pattern stands for it, whatever a grant says", () => {
    const compiled = policy("");
    const url = "https://a.example/";
    const get = (more: object): Action => ({
      version: 1,
      target: "net::get",
      args: { url, ...more },
      facts: {},
    });
    const typed = withSession({ words: [`${url} apikey`], urls: [url] });
    const { asks } = decide(compiled, get({}), typed);
    const grant: Grant = {
      id: "g",
      session: "s1",
      scope: "session",
      target: "net::get",
      discharges: asks,
      policyHash: compiled.hash,
      expiresMs: 1,
    };
    const given = { ...typed, grants: [grant] };
    assert.equal(decide(compiled, get({}), given).verdict, "allow");
    assert.equal(decide(compiled, get({ secret: "apikey" }), given).verdict, "ask");
    const task = { groups: ["browse" as const], folders: [], sites: ["a.example"] };
    const { target: _target, ...rest } = grant;
    const ofTask: Grant = { ...rest, scope: "task", target: "", task };
    const scoped = { ...typed, grants: [ofTask] };
    assert.equal(decide(compiled, get({}), scoped).verdict, "allow");
    assert.equal(decide(compiled, get({ secret: "apikey" }), scoped).verdict, "ask");
    assert.equal(sessionScopeOffered(asks, get({})), true);
    assert.equal(sessionScopeOffered(asks, get({ secret: "apikey" })), false);
  });
});
