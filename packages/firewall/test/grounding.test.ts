import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ungrounded } from "../src/grounding/native.ts";
import { wordsTokens } from "../src/grounding/words.ts";
import { session } from "./support.ts";
import { type ArgumentSpec, targets } from "../src/targets.ts";

const spec = (role: ArgumentSpec["role"]): ArgumentSpec => ({
  name: "to",
  type: "text",
  charsMax: 100,
  role,
  what: "whom",
});
const left = (
  role: ArgumentSpec["role"],
  text: string,
  ...words: readonly string[]
): readonly string[] =>
  ungrounded([spec(role)], new Map([["to", { type: "text", text }]]), { ...session, words });

describe("grounding", () => {
  it("wants destinations, credentials and selectors to be the person's own words", () => {
    for (const role of ["destination", "credential", "selector"] as const) {
      assert.deepEqual(left(role, "ann@x.org", "Send it to ann@x.org."), []);
      assert.deepEqual(left(role, "ann@x.org", "Send it to ann@x.organic"), ["to"]);
      assert.deepEqual(left(role, "ann@x.org"), ["to"]);
    }
    assert.deepEqual(left("path", "/x"), []);
  });
  it("takes a picked person for the person's own, in every spelling of the address, and no other", () => {
    const to = (text: string, picks: readonly string[]): readonly string[] =>
      ungrounded([spec("destination")], new Map([["to", { type: "text", text }]]), {
        ...session,
        words: [],
        picks,
      });
    assert.deepEqual(to("Ann@X.org", ["ann@x.org"]), []);
    assert.deepEqual(to("ann@x.org", []), ["to"], "control");
    assert.deepEqual(to("ann@x.org.evil.org", ["ann@x.org"]), ["to"]);
    assert.deepEqual(to("+49 30 123-4567", ["+49301234567"]), []);
  });
  it("takes a paste and a short identifier for no words", () => {
    assert.deepEqual(left("destination", "ann@x.org", "to\nann@x.org"), ["to"]);
    assert.deepEqual(left("destination", "ann@x.org", `ann@x.org ${"x".repeat(200)}`), ["to"]);
    assert.deepEqual(left("destination", "ann", "to ann"), ["to"]);
  });
  it("leaves the marks around words out", () => {
    assert.deepEqual(
      [...wordsTokens(['Put "a.pdf" into ~/Docs/, (now)!'])],
      ["Put", "a.pdf", "into", "~/Docs/", "now"],
    );
  });
  it("asks nothing about files and programs: none of their arguments leaves the machine", () => {
    for (const { driver, arguments: specs } of targets.values()) {
      if (driver !== undefined) assert.deepEqual(ungrounded(specs, new Map(), session), []);
    }
  });
});
