/** Programs with a network: which rule allows them, where they may go under their own ticket. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Action, action as actionSchema, type FlowHost, schema } from "@ioi/wire";
import { actionId } from "@ioi/crypto";
import { card, decide, interceptedPlaces, diffPolicies, lint } from "../src/index.ts";
import { complaints, context, fileFacts, hashing, policy, rule, scope } from "./support.ts";

const exec = (network?: "egress"): Action => ({
  version: 1,
  target: "sys::exec",
  args: {
    argv: ["/usr/bin/curl", "https://a.example/"],
    cwd: scope,
    ...(network === undefined ? {} : { network }),
  },
  facts: {
    program: { ...fileFacts("/usr/bin/curl"), sha256: new Uint8Array(32) },
    cwd: { ...fileFacts(scope), kind: "directory" },
  },
});

const idOf = (action: Action): Uint8Array => actionId(hashing, schema.encode(actionSchema, action));

const anyProgram = `where.argv = { profile = "closed" }\nwhere.cwd = { glob = "scope:/**" }`;
const withNetwork = (network: string, more = ""): ReturnType<typeof policy> =>
  policy(rule("npm", "allow", "sys::exec", `${anyProgram}\nnetwork = ${network}`) + more);

const hostsOf = (
  compiled: ReturnType<typeof policy>,
  action: Action,
): readonly FlowHost[] | undefined => {
  const flow = decide(compiled, action, context).obligations.find(({ type }) => type === "flow");
  return flow?.type === "flow" ? flow.hosts : undefined;
};

const terminal = (more: Action["args"] = {}): Action => ({
  version: 1,
  target: "sys::shell",
  args: { do: "open", cwd: scope, ...more },
  facts: { cwd: { ...fileFacts(scope), kind: "directory" } },
});

describe("a terminal with a network", () => {
  const inside = `where.cwd = { glob = "scope:/**" }`;
  const open = terminal({ network: "egress" });
  it("is not what a rule without places allows, and reaches those of a rule that has some", () => {
    const closed = policy(rule("t", "allow", "sys::shell", inside));
    assert.equal(decide(closed, terminal(), context).verdict, "allow");
    assert.equal(hostsOf(closed, terminal()), undefined);
    assert.equal(decide(closed, open, context).verdict, "ask");
    const places = `${inside}\nnetwork = [{ host = "a.test" }, { host = "never.test" }]`;
    const never = rule("no", "deny", "net::connect", `where.host = { equals = "never.test" }`);
    const named = policy(rule("t", "allow", "sys::shell", places) + never);
    assert.equal(decide(named, open, context).verdict, "allow");
    assert.deepEqual(hostsOf(named, open), [{ host: "a.test", port: 443, classes: ["public"] }]);
    assert.equal(hostsOf(named, terminal()), undefined);
  });
  it("asks with a card that says where it goes, and that all else is refused", () => {
    const ask = rule("ask", "ask", "sys::shell", `where.do = { equals = "open" }`);
    const places = `${inside}\nnetwork = [{ host = "a.test" }]`;
    const asking = policy(ask + rule("t", "allow", "sys::shell", places));
    const shown = card(open, decide(asking, open, context), context);
    assert.match(shown, /can run anything inside: .*; a network/);
    assert.match(shown, /a\.test:443.* without asking; any other host is refused/);
    const without = terminal();
    assert.match(card(without, decide(asking, without, context), context), /; no network/);
  });
});

describe("a program with a network", () => {
  it("is not what a rule without places allows", () => {
    const closed = policy(rule("compute", "allow", "sys::exec", anyProgram));
    assert.equal(decide(closed, exec(), context).verdict, "allow");
    assert.equal(hostsOf(closed, exec()), undefined);
    const asked = decide(closed, exec("egress"), context);
    assert.equal(asked.verdict, "ask");
    // Who is asked says yes to a network, not to a host.
    assert.deepEqual(hostsOf(closed, exec("egress")), []);
  });
  it("reaches the places of the rule that allows it", () => {
    const npm = withNetwork(
      `[{ host = "packages.example.com" }, { host = "127.0.0.1", port = 8080 }]`,
    );
    assert.equal(decide(npm, exec("egress"), context).verdict, "allow");
    assert.deepEqual(hostsOf(npm, exec("egress")), [
      { host: "packages.example.com", port: 443, classes: ["public"] },
      { host: "127.0.0.1", port: 8080, classes: ["loopback"] },
    ]);
    // The same rule allows it without a network, which then is none.
    assert.equal(hostsOf(npm, exec()), undefined);
    assert.equal(decide(npm, exec(), context).verdict, "allow");
  });
  it("reaches nothing unasked where the list is empty", () => {
    assert.deepEqual(hostsOf(withNetwork("[]"), exec("egress")), []);
    assert.equal(decide(withNetwork("[]"), exec("egress"), context).verdict, "allow");
  });
  it("does not reach under its own ticket what another rule refuses or asks about", () => {
    for (const effect of ["deny", "ask"] as const) {
      const more = rule("no", effect, "net::connect", `where.host = { host = "*.corp.example" }`);
      const places = `[{ host = "a.corp.example" }, { host = "a.test" }]`;
      const hosts = hostsOf(withNetwork(places, more), exec("egress"));
      assert.deepEqual(
        hosts?.map(({ host }) => host),
        ["a.test"],
      );
      // Control: without that rule it does.
      assert.equal(hostsOf(withNetwork(places), exec("egress"))?.length, 2);
    }
  });
  it("opens a host by consent: under the lease where no rule says more of requests than their host", () => {
    const place = `[{ host = "a.example", intercept = true }]`;
    const modeOf = (more = ""): string | undefined =>
      hostsOf(withNetwork(place, more), exec("egress"))?.[0]?.intercept;
    assert.equal(modeOf(), "leased");
    const deletes = `where.url = { host = "a.example" }\nwhere.method = { equals = "DELETE" }`;
    assert.equal(modeOf(rule("no", "deny", "net::post", deletes)), "judged");
    const words = `where.content = { contains = "x" }`;
    assert.equal(modeOf(rule("no", "deny", "net::post", words)), "judged");
    // Control: a rule on another host changes nothing.
    const other = `where.url = { host = "b.example" }`;
    assert.equal(modeOf(rule("no", "deny", "net::get", other)), "leased");
    const compiled = withNetwork(place);
    const shown = card(exec("egress"), decide(compiled, exec("egress"), context), context);
    assert.match(shown, /opens +its encrypted connections to a\.example:443: each request is read/);
  });
  it("opens what its action names, each request an action of its own", () => {
    const base = exec("egress");
    const named = { ...base, args: { ...base.args, intercept: "a.example:443 127.0.0.1:8443" } };
    assert.deepEqual(hostsOf(withNetwork("[]"), named), [
      { host: "a.example", port: 443, classes: ["public"], intercept: "judged" },
      { host: "127.0.0.1", port: 8443, classes: ["loopback"], intercept: "judged" },
    ]);
    for (const text of ["a.example", "a.example:0", "A.example:443", "a.example:443  b:1", ""]) {
      assert.equal(interceptedPlaces(text), undefined, text);
    }
  });
  it("says which methods, and which addresses a name may lead to", () => {
    const places = `[{ host = "nas.example", port = 80, methods = ["GET"], address = ["private"] }]`;
    assert.deepEqual(hostsOf(withNetwork(places), exec("egress")), [
      { host: "nas.example", port: 80, methods: ["GET"], classes: ["private"] },
    ]);
  });
  it("asks about each tunnel beyond, and refuses what no rule may open", () => {
    const connect = (host: string): Action => ({
      version: 1,
      target: "net::connect",
      args: { host, port: 443 },
      facts: {},
    });
    const empty = policy("");
    assert.equal(decide(empty, connect("a.example"), context).verdict, "ask");
    assert.equal(decide(empty, connect("169.254.169.254"), context).verdict, "deny");
    assert.equal(decide(empty, connect("localhost"), context).verdict, "deny");
  });
});

describe("a yes to a tunnel", () => {
  const connect = (host: string): Action => ({
    version: 1,
    target: "net::connect",
    args: { host, port: 443 },
    facts: {},
  });
  const compiled = policy("");
  const grant = {
    id: "g",
    session: context.session.session,
    target: "net::connect",
    discharges: decide(compiled, connect("a.example"), context).asks,
    policyHash: compiled.hash,
    expiresMs: 1,
  };
  it("is for this host, and for no session", () => {
    const once = { ...grant, scope: "once" as const, actionId: idOf(connect("a.example")) };
    const granted = { ...context, grants: [once] };
    assert.equal(decide(compiled, connect("a.example"), granted).verdict, "allow");
    assert.equal(decide(compiled, connect("b.example"), granted).verdict, "ask");
    const session = { ...context, grants: [{ ...grant, scope: "session" as const }] };
    assert.equal(decide(compiled, connect("a.example"), session).verdict, "ask");
    assert.match(
      card(connect("a.example"), decide(compiled, connect("a.example"), context), context),
      /^answers +once$/m,
    );
  });
});

describe("the places of a rule", () => {
  const refused = (text: string, message: RegExp): void => {
    const found = complaints(`version = 1\n${text}`).join("\n");
    assert.match(found, message);
  };
  it("are read strictly", () => {
    const of = (network: string): string =>
      rule("a", "allow", "sys::exec", `${anyProgram}\nnetwork = ${network}`);
    refused(of(`[{ host = "EXAMPLE.com" }]`), /one spelling/);
    refused(of(`[{ host = "*.example.com" }]`), /one spelling/);
    refused(of(`[{ host = "0x7f.1" }]`), /one spelling/);
    refused(of(`[{ host = "a.example", port = 0 }]`), /1 to 65535/);
    refused(of(`[{ host = "a.example", prot = 1 }]`), /unknown key "prot"; did you mean "port"/);
    refused(of(`[{ port = 443 }]`), /without "host"/);
    refused(of(`[{ host = "240.0.0.1" }]`), /no host has/);
    refused(of(`[{ host = "a.example", methods = ["CONNECT"] }]`), /expected one of/);
    refused(of(`"a.example"`), /expected a table/);
    const many = Array.from({ length: 65 }, (_, at) => `{ host = "a${at}.example" }`).join(",");
    refused(of(`[${many}]`), /more than 64/);
  });
  it("stand only where they mean something", () => {
    const network = `network = [{ host = "a.example" }]`;
    refused(rule("a", "deny", "sys::exec", network), /allows programs .* and nothing else/);
    refused(
      rule("a", "allow", "fs::read", `where.path = { glob = "scope:/**" }\n${network}`),
      /allows programs .* and nothing else/,
    );
  });
});

describe("what compares and judges policies", () => {
  const general = rule("compute", "allow", "sys::exec", `${anyProgram}\nnetwork = []`);
  const one = rule(
    "npm",
    "allow",
    "sys::exec",
    `${anyProgram}\nnetwork = [{ host = "packages.example.com" }]`,
  );
  it("sees that a rule lets programs reach more, though it allows no more of them", () => {
    const wider = diffPolicies(policy(general), policy(general + one));
    assert.deepEqual(wider.widened, []);
    assert.equal(wider.notWider, false);
    assert.deepEqual(wider.settings, [
      {
        name: "network.npm packages.example.com:443, public",
        before: "asks",
        after: "without asking",
        change: "widened",
      },
    ]);
    assert.equal(diffPolicies(policy(general + one), policy(general)).notWider, true);
    assert.deepEqual(diffPolicies(policy(general + one), policy(general + one)).settings, []);
  });
  it("does not call such a rule needless", () => {
    const needless = lint(policy(general + one)).filter(({ code }) => code === "unreachable");
    assert.equal(
      needless.some((finding) => finding.rule === "npm"),
      false,
    );
    // Control: the same rule without a place is.
    const twice = general + general.replace("compute", "again");
    assert.equal(
      lint(policy(twice)).some(({ code }) => code === "unreachable"),
      true,
    );
  });
});
