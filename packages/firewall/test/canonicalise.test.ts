import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { utf8Encode } from "@ioi/base";
import {
  canonicalise,
  normalisePath,
  pathComplaint,
  type RawValue,
  targets,
} from "../src/index.ts";
import { hashing, home, parseUrl, scope, session } from "./support.ts";

/** `npm run check` looks at fewer; `npm test` at all. */
const inner = process.env["IOI_TEST"] === "inner";

const env = {
  roots: [...session.roots, { name: "docs", path: "/home/u/Docs", access: "read" as const }],
  home,
  hashing,
  parseUrl,
};

const path = (raw: string): string => {
  const made = canonicalise("fs::read", { path: raw }, env);
  return made.ok ? (made.value.args["path"] as string) : made.error.code;
};

const code = (target: string, raw: RawValue): string => {
  const made = canonicalise(target, raw, env);
  return made.ok ? "ok" : made.error.code;
};

describe("paths", () => {
  it("come out absolute, normal and in NFC", () => {
    for (const [raw, expected] of [
      ["a.txt", `${scope}/a.txt`],
      [".", scope],
      ["./a//b/./c/", `${scope}/a/b/c`],
      ["a/../b", `${scope}/b`],
      ["../../../etc/shadow", "/etc/shadow"],
      ["/../../etc", "/etc"],
      ["/etc/shadow", "/etc/shadow"],
      ["scope:/a", `${scope}/a`],
      ["docs:/x/../y", "/home/u/Docs/y"],
      ["scope:/../x", "/home/u/x"],
      ["~", home],
      ["~/x", `${home}/x`],
      ["./~", `${scope}/~`],
      ["a~", `${scope}/a~`],
      ["./docs:/x", `${scope}/docs:/x`],
      ["cafe\u0301", `${scope}/caf\u00e9`],
      ["a\u202eb", `${scope}/a\u202eb`],
      ["/proc/self/root/etc", "/proc/self/root/etc"],
    ] as const) {
      assert.equal(path(raw), expected, raw);
    }
  });
  it("that cannot be are refused", () => {
    for (const [raw, expected] of [
      ["", "E_ARGUMENT_PATH"],
      ["a\0b", "E_ARGUMENT_PATH"],
      ["a\nb", "E_ARGUMENT_PATH"],
      ["a\u0085b", "E_ARGUMENT_PATH"],
      ["a\ud800b", "E_ARGUMENT_PATH"],
      ["~root/x", "E_ARGUMENT_PATH"],
      ["x".repeat(256), "E_ARGUMENT_PATH"],
      ["\u00e9".repeat(128), "E_ARGUMENT_PATH"],
      ["x/".repeat(3000), "E_ARGUMENT_PATH"],
      ["nope:/x", "E_ARGUMENT_ROOT"],
    ] as const) {
      assert.equal(path(raw), expected, raw.slice(0, 20));
    }
    const none = canonicalise("fs::read", { path: "a" }, { ...env, roots: [] });
    assert.equal(none.ok ? "" : none.error.code, "E_ARGUMENT_NO_SCOPE");
  });
  it("of any text are canonical or refused, and stay as they are", () => {
    // As fast-check's own "binary", which lists all code points before the first.
    const unit = fc
      .nat(0x10ffff)
      .filter((code) => code < 0xd800 || code > 0xdfff)
      .map((code) => String.fromCodePoint(code));
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 30 }), (raw) => {
        const made = canonicalise("fs::read", { path: raw }, env);
        if (!made.ok) return;
        const made1 = made.value.args["path"] as string;
        assert.equal(pathComplaint(made1), undefined);
        assert.equal(normalisePath(made1).normalize("NFC"), made1);
        assert.equal(path(made1), made1);
      }),
      { seed: Number(process.env["IOI_SEED"] ?? 31), numRuns: inner ? 200 : 2000 },
    );
  });
});

describe("arguments", () => {
  it("fit the schema of their target, and nothing else is among them", () => {
    assert.equal(code("fs::read", { path: "a" }), "ok");
    assert.equal(code("fs::read", {}), "E_ARGUMENTS_SCHEMA");
    assert.equal(code("fs::read", { path: 3 }), "E_ARGUMENTS_SCHEMA");
    assert.equal(code("fs::read", { path: null }), "E_ARGUMENTS_SCHEMA");
    assert.equal(code("fs::read", { path: "a", mode: 1 }), "E_ARGUMENTS_SCHEMA");
    assert.equal(code("fs::read", { path: "a", offset: -1 }), "E_ARGUMENTS_SCHEMA");
    assert.equal(code("fs::read", { path: "a", offset: 1.5 }), "E_ARGUMENTS_SCHEMA");
    assert.equal(code("fs::read", [] as unknown as RawValue), "E_ARGUMENTS_SCHEMA");
    assert.equal(
      code("fs::write", { path: "a", content: "x", create: "maybe" }),
      "E_ARGUMENTS_SCHEMA",
    );
    assert.equal(code("fs::restore", { counter: 1, paths: [] }), "E_ARGUMENTS_SCHEMA");
    assert.equal(code("fs::red", { path: "a" }), "E_TOOL_UNKNOWN");
    assert.equal(code("net::get", { url: "x" }), "E_ARGUMENT_URL");
    assert.equal(code("net::listen", { url: "x" }), "E_TARGET_NOT_AVAILABLE");
    const unknown = canonicalise("fs::read", { pth: "a" }, env);
    assert.match(unknown.ok ? "" : unknown.error.message, /"pth"; did you mean "path"\?/);
  });
  it("come as JSON too, read strictly", () => {
    assert.equal(code("fs::read", '{"path": "a"}'), "ok");
    assert.equal(code("fs::read", '{"path": "a", "path": "b"}'), "E_ARGUMENTS_JSON");
    assert.equal(code("fs::read", '{"path": "\\ud800"}'), "E_ARGUMENTS_JSON");
    assert.equal(code("fs::read", '{"path": "a"} x'), "E_ARGUMENTS_JSON");
    assert.equal(code("fs::read", ""), "E_ARGUMENTS_JSON");
    assert.equal(code("fs::read", '{"path": "a", "offset": 9007199254740992}'), "E_ARGUMENTS_JSON");
    assert.equal(code("fs::read", '"{}"'), "E_ARGUMENTS_SCHEMA");
    assert.equal(code("fs::read", "null"), "E_ARGUMENTS_SCHEMA");
    assert.equal(code("fs::read", '{"path": "a", "__proto__": 1}'), "E_ARGUMENTS_SCHEMA");
  });
  it("of a program keep the name, resolve a path, and never choose the folder", () => {
    const argv = (given: RawValue): unknown => {
      const made = canonicalise("sys::exec", { argv: given }, env);
      return made.ok ? made.value.args : made.error.code;
    };
    assert.deepEqual(argv(["git", "log", "a\nb"]), { argv: ["git", "log", "a\nb"], cwd: scope });
    assert.deepEqual(argv(["./x", "~"]), { argv: [`${scope}/x`, "~"], cwd: scope });
    assert.deepEqual(argv(["/usr/bin/../bin/git"]), { argv: ["/usr/bin/git"], cwd: scope });
    assert.equal(argv([]), "E_ARGUMENTS_SCHEMA");
    assert.equal(argv([""]), "E_ARGUMENT_PATH");
    assert.equal(argv(["a", "b\0c"]), "E_ARGUMENTS_SCHEMA");
    assert.equal(argv("git log"), "E_ARGUMENTS_SCHEMA");
    assert.equal(argv(["x", "y".repeat(200_000)]), "E_ARGUMENTS_SCHEMA");
    assert.equal(code("sys::exec", { argv: ["ls"], cwd: "/" }), "E_ARGUMENTS_SCHEMA");
    const inside = canonicalise("sys::exec", { argv: ["ls"] }, { ...env, cwd: "/home/u/Docs" });
    assert.equal(inside.ok ? inside.value.args["cwd"] : "", "/home/u/Docs");
  });
  it("commit to content by hash, length and its first characters", () => {
    const write = (
      content: RawValue,
    ): Extract<ReturnType<typeof canonicalise>, { ok: true }>["value"] => {
      const made = canonicalise("fs::write", { path: "a", content }, env);
      assert.ok(made.ok, JSON.stringify(made));
      return made.value;
    };
    const bytes = utf8Encode("h\u00e9llo");
    const made = write("h\u00e9llo");
    assert.deepEqual(made.args, {
      path: `${scope}/a`,
      content: { sha256: hashing.sha256(bytes), length: 6, head: "h\u00e9llo" },
      create: "any",
    });
    assert.deepEqual(made.content, bytes);
    const head = (content: RawValue): unknown =>
      (write(content).args["content"] as { head: string }).head;
    assert.equal(head(new Uint8Array([0xff, 0xfe])), "");
    assert.equal(head(new Uint8Array([0x61, 0xc3])), "");
    assert.equal(head("\u{1f600}".repeat(600)), "\u{1f600}".repeat(256));
    assert.equal(head(`a${"\u{1f600}".repeat(600)}`), `a${"\u{1f600}".repeat(255)}`);
    assert.equal(code("fs::write", { path: "a", content: "\ud800" }), "E_ARGUMENTS_SCHEMA");
    assert.equal(code("fs::write", { path: "a", content: 3 }), "E_ARGUMENTS_SCHEMA");
  });
});

describe("the registry", () => {
  it("has every target of the language once, with its driver where there is one", () => {
    assert.equal(targets.size, 52);
    const driven = [...targets.values()].filter(({ driver }) => driver !== undefined);
    assert.deepEqual(
      driven.map(({ name }) => name),
      [
        "fs::stat",
        "fs::list",
        "fs::search",
        "fs::read",
        "fs::write",
        "fs::mkdir",
        "fs::copy",
        "fs::move",
        "fs::delete",
        "fs::restore",
        "sys::exec",
        "sys::shell",
        "model::infer",
        "model::embed",
        "net::get",
        "net::post",
        "net::connect",
        "mcp::call",
        "memory::remember",
        "memory::recall",
        "memory::forget",
        "memory::share",
      ],
    );
  });
});
