/** How often and when: rates, windows of time, and what a wallet may spend in a day. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  check,
  decide,
  diffPolicies,
  type Rate,
  RateLedger,
  testPolicy,
  WalletLedger,
} from "../src/index.ts";
import { daysSince1970, windowTruth } from "../src/window.ts";
import { act, complaints, context, parseUrl, policy, rule } from "./support.ts";

const read = act("fs::read", { path: "scope:/a" });
const everywhere = 'where.path = { glob = "scope:/**" }';

describe("rates", () => {
  it("are read by target and group, and the lowest of all policies counts", () => {
    const compiled = policy(
      '[rate."fs::read"]\nper_minute = 30\nall_per_hour = 500\n[rate."net::*"]\nper_day = 9',
      ["admin", '[rate."fs::read"]\nper_minute = 10'],
    );
    assert.deepEqual(
      compiled.rates.map(({ id, max, over, windowMs }) => [id, max, over, windowMs]),
      [
        ["fs::read per_minute", 10, "session", 60_000],
        ["fs::read all_per_hour", 500, "all", 3_600_000],
        ["net::* per_day", 9, "session", 86_400_000],
      ],
    );
    assert.deepEqual(
      [...(compiled.rates[2]?.targets ?? [])],
      ["net::get", "net::post", "net::connect", "net::listen"],
    );
    // Below the user's tier too: it only restricts.
    assert.deepEqual(complaints('version = 1\n[rate."fs::read"]\nper_day = 1', "project"), []);
  });
  it("are refused where they say nothing or what nobody knows", () => {
    const one = (text: string, expected: RegExp): void =>
      assert.match(complaints(`version = 1\n${text}`).join(), expected);
    one('[rate."fs::raed"]\nper_minute = 1', /unknown target "fs::raed"; did you mean "fs::read"/);
    one('[rate."fs::read"]\nper_second = 1', /unknown key "per_second"/);
    one('[rate."fs::read"]', /says nothing/);
    one('[rate."fs::read"]\nper_minute = 10001', /an integer from 0 to 10000/);
  });
  it("ask, each time, where they are exceeded", () => {
    const compiled = policy(rule("a", "allow", "fs::read", everywhere));
    const exceeded = { ...context, exceededRates: ["fs::read per_minute"] };
    const decision = decide(compiled, read, exceeded);
    assert.deepEqual(
      [decision.verdict, decision.asks],
      ["ask", [{ kind: "rate", id: "fs::read per_minute" }]],
    );
    assert.match(decision.reason, /happens too often \(fs::read per_minute\)/);
    const grant = {
      id: "g",
      session: "s1",
      scope: "session" as const,
      target: "fs::read",
      discharges: decision.asks,
      policyHash: compiled.hash,
      expiresMs: 1,
    };
    assert.equal(decide(compiled, read, { ...exceeded, grants: [grant] }).verdict, "ask");
    assert.equal(decide(compiled, read, context).verdict, "allow");
  });
  it("are settings of a comparison", () => {
    const [one, two] = [1, 2].map((max) => policy(`[rate."fs::read"]\nper_minute = ${max}`));
    assert.ok(one !== undefined && two !== undefined);
    const changes = [diffPolicies(one, two), diffPolicies(two, one), diffPolicies(one, policy(""))];
    assert.deepEqual(
      changes.map(({ settings, notWider }) => [settings[0]?.name, settings[0]?.change, notWider]),
      [
        ["rate.fs::read per_minute", "widened", false],
        ["rate.fs::read per_minute", "narrowed", true],
        ["rate.fs::read per_minute", "widened", false],
      ],
    );
  });
  it("count what a naive count counts, in any order of sessions and targets", () => {
    const rates: readonly Rate[] = [
      { id: "a", targets: new Set(["x"]), windowMs: 60_000, max: 3, over: "session" },
      { id: "b", targets: new Set(["x", "y"]), windowMs: 3_600_000, max: 5, over: "all" },
    ];
    const step = fc.record({
      session: fc.constantFrom("s", "t"),
      target: fc.constantFrom("x", "y", "z"),
      afterMs: fc.constantFrom(0, 1, 20_000, 59_999, 60_000, 1_000_000),
      twice: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const ledger = new RateLedger();
        const noted: { session: string; target: string; atMs: number }[] = [];
        let now = 0;
        for (const [at, { session, target, afterMs, twice }] of steps.entries()) {
          now += afterMs;
          const naive = rates
            .filter(
              (rate) =>
                rate.targets.has(target) &&
                noted.filter(
                  (each) =>
                    rate.targets.has(each.target) &&
                    (rate.over === "all" || each.session === session) &&
                    each.atMs > now - rate.windowMs,
                ).length >= rate.max,
            )
            .map(({ id }) => id);
          assert.deepEqual(ledger.exceeded(rates, session, target, now), naive);
          if (naive.length > 0) continue;
          noted.push({ session, target, atMs: now });
          ledger.note(session, target, BigInt(at), now);
          if (twice) ledger.note(session, target, BigInt(at), now);
        }
      }),
      { numRuns: 200 },
    );
  });
  it("remember a bounded number, which is as many as a rate may allow", () => {
    const ledger = new RateLedger();
    const full: Rate = {
      id: "a",
      targets: new Set(["x"]),
      windowMs: 60_000,
      max: 10_000,
      over: "all",
    };
    for (let at = 0; at < 30_001; at++) ledger.note("s", "x", BigInt(at), at);
    assert.deepEqual(ledger.exceeded([full], "s", "x", 30_001), ["a"]);
    assert.deepEqual(ledger.exceeded([full], "s", "x", 80_001), []);
    ledger.close("s");
    assert.deepEqual(ledger.exceeded([{ ...full, over: "session", max: 1 }], "s", "x", 30_001), []);
  });
});

describe("a rule with a window of time", () => {
  const office = 'when = { days = ["mon", "tue"], from = "09:00", to = "17:00", zone = "+02:00" }';
  const allow = policy(rule("a", "allow", "fs::read", `${everywhere}\n${office}`));
  const at = (text: string, localOffsetMinutes = 0) => ({
    ...context,
    time: { nowMs: Date.parse(text), localOffsetMinutes },
  });

  it("counts inside of it, in its own zone", () => {
    // Monday, 5 January 2026.
    for (const [time, expected] of [
      ["2026-01-05T06:59:59Z", "ask"],
      ["2026-01-05T07:00:00Z", "allow"],
      ["2026-01-05T14:59:59Z", "allow"],
      ["2026-01-05T15:00:00Z", "ask"],
      ["2026-01-04T10:00:00Z", "ask"],
      ["2026-01-06T10:00:00Z", "allow"],
      ["2026-01-07T10:00:00Z", "ask"],
    ] as const) {
      assert.equal(decide(allow, read, at(time)).verdict, expected, time);
    }
  });
  it("allows nothing and restricts all the same where nobody knows the time", () => {
    assert.equal(decide(allow, read, context).verdict, "ask");
    const deny = policy(rule("d", "deny", "fs::read", `${everywhere}\n${office}`));
    assert.equal(decide(deny, read, context).verdict, "deny");
    assert.equal(decide(deny, read, at("2026-01-04T10:00:00Z")).verdict, "ask");
    const { evaluated } = check(deny, read, at("2026-01-04T10:00:00Z"));
    assert.deepEqual(evaluated[0]?.conditions, [
      { argument: "path", truth: "true" },
      { argument: "when", truth: "false" },
    ]);
  });
  it("runs over midnight, and follows the local zone", () => {
    const night = policy(
      rule(
        "a",
        "allow",
        "fs::read",
        `${everywhere}\nwhen = { days = ["fri"], from = "22:00", to = "06:00" }`,
      ),
    );
    for (const [time, offset, expected] of [
      ["2026-01-09T21:30:00Z", 60, "allow"],
      ["2026-01-09T21:30:00Z", 0, "ask"],
      ["2026-01-10T05:59:00Z", 0, "allow"],
      ["2026-01-10T06:00:00Z", 0, "ask"],
      ["2026-01-09T05:00:00Z", 0, "ask"],
      ["2026-01-10T23:00:00Z", 0, "ask"],
    ] as const) {
      assert.equal(decide(night, read, at(time, offset)).verdict, expected, time);
    }
  });
  it("agrees with the platform's calendar", () => {
    const names = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    fc.assert(
      fc.property(
        fc.date({ min: new Date(0), max: new Date("2100-01-01"), noInvalidDate: true }),
        fc.integer({ min: 0, max: 1439 }),
        fc.integer({ min: 1, max: 1440 }),
        fc.integer({ min: -840, max: 840 }),
        (date, from, to, offset) => {
          if (from >= to) return;
          const shifted = new Date(date.getTime() + offset * 60_000);
          const minute = shifted.getUTCHours() * 60 + shifted.getUTCMinutes();
          const day = names.indexOf(shifted.toUTCString().slice(0, 3));
          const window = { days: new Set([day]), from, to, offsetMinutes: offset };
          const time = { nowMs: date.getTime(), localOffsetMinutes: 7 };
          assert.equal(windowTruth(window, time) === 2, minute >= from && minute < to);
          const other = { ...window, days: new Set([(day + 1) % 7]) };
          assert.equal(windowTruth(other, time), 0);
        },
      ),
      { numRuns: 300 },
    );
  });
  it("is tried by tests of a policy, with the time that they say", () => {
    const test = (at: string, verdict: string): string =>
      `[[test]]\ntarget = "fs::read"\nargs = { path = "a" }\n${at}\nverdict = "${verdict}"\n`;
    const results = testPolicy(
      allow,
      "t.toml",
      `version = 1\n${test("at = 2026-01-05T09:00:00+02:00", "allow")}${test("at = 2026-01-05T08:59:59+02:00", "ask")}${test("", "ask")}`,
      parseUrl,
    );
    assert.ok(results.ok);
    assert.deepEqual(
      results.value.map(({ ok, reason }) => (ok ? "" : reason)),
      ["", "", ""],
    );
    fc.assert(
      fc.property(
        fc.date({ min: new Date("1800-01-01"), max: new Date("2400-01-01"), noInvalidDate: true }),
        (date) => {
          const days = daysSince1970(
            date.getUTCFullYear(),
            date.getUTCMonth() + 1,
            date.getUTCDate(),
          );
          assert.equal(days, Math.floor(date.getTime() / 86_400_000));
        },
      ),
      { numRuns: 300 },
    );
  });
  it("says a day, a time and a zone as they are written", () => {
    const one = (text: string, expected: RegExp): void =>
      assert.match(
        complaints(`version = 1\n${rule("a", "deny", "fs::read", `when = ${text}`)}`).join(),
        expected,
      );
    one("{}", /neither days nor times/);
    one('{ days = ["monday"] }', /expected one of/);
    one('{ from = "9:00" }', /expected a time as in/);
    one('{ to = "24:01" }', /a day ends at 24:00/);
    one('{ from = "09:00", to = "09:00" }', /begins when it ends/);
    one('{ days = ["mon"], zone = "Europe/Berlin" }', /a zone is/);
    one('{ days = ["mon"], until = "x" }', /unknown key "until"/);
  });
  it("counts as undecided in a comparison, since it may or may not count with the rest", () => {
    const timed = rule("d", "deny", "fs::read", `${everywhere}\n${office}`);
    const diff = diffPolicies(policy(""), policy(timed));
    assert.equal(diff.unchanged.includes("fs::read"), false);
    assert.deepEqual(diffPolicies(policy(timed), policy(timed)).undecided, []);
    const more = rule("b", "allow", "fs::read", everywhere);
    const wider = diffPolicies(policy(timed), policy(timed + more));
    assert.equal(wider.notWider, false);
  });
});

describe("a wallet's day", () => {
  it("never holds more than its cap, however payments lie beside each other", () => {
    const step = fc.record({
      kind: fc.constantFrom("reserve", "commit", "release"),
      counter: fc.integer({ min: 0, max: 9 }),
      amount: fc.bigInt({ min: 0n, max: 60n }),
      afterMs: fc.constantFrom(0, 1000, 43_200_000, 86_400_000),
    });
    const caps = new Map([["ETH", 100n]]);
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const ledger = new WalletLedger();
        const live = new Map<bigint, { amount: bigint; atMs: number; settled: boolean }>();
        let now = 0;
        for (const { kind, counter, amount, afterMs } of steps) {
          now += afterMs;
          const key = BigInt(counter);
          if (kind === "reserve") {
            const made = ledger.reserve(key, { asset: "ETH", amount, atMs: now }, caps);
            if (made.ok) live.set(key, { amount, atMs: now, settled: false });
          } else if (kind === "commit") {
            const known = live.get(key);
            if (ledger.commit(key).ok && known !== undefined) known.settled = true;
          } else {
            ledger.release(key);
            if (live.get(key)?.settled === false) live.delete(key);
          }
          let sum = 0n;
          for (const { amount: each, atMs, settled } of live.values()) {
            if (!settled || atMs > now - 86_400_000) sum += each;
          }
          assert.ok(sum <= 100n, `${sum}`);
        }
      }),
      { numRuns: 200 },
    );
  });
  it("has nothing for what no cap names, and no bound where there are no caps", () => {
    const ledger = new WalletLedger();
    const caps = policy('[budget.wallet.per_day]\nETH = "0.05"').walletPerDay;
    assert.deepEqual(ledger.exceeded(caps, "BTC", 1n, 0), ["wallet.per_day.BTC"]);
    assert.deepEqual(ledger.exceeded(caps, "ETH", 5n * 10n ** 28n, 0), []);
    assert.deepEqual(ledger.exceeded(caps, "ETH", 5n * 10n ** 28n + 1n, 0), ["wallet.per_day.ETH"]);
    assert.deepEqual(ledger.exceeded(undefined, "ETH", 10n ** 60n, 0), []);
    const both = policy("[budget.wallet.per_day]\nETH = 1", [
      "admin",
      "[budget.wallet.per_day]\nBTC = 0.5",
    ]);
    assert.deepEqual(
      [...(both.walletPerDay ?? [])],
      [
        ["BTC", 0n],
        ["ETH", 0n],
      ],
    );
  });
});
