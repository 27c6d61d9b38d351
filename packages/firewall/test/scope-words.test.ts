/** What a person's words mean: folders, sites, groups; and what they never mean. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SeededRandom } from "@ioi/base";
import {
  offeredScope,
  readWords,
  type ScopeInput,
  scopeCard,
  scopeFoldersMax,
  scopeSitesMax,
} from "../src/index.ts";

const home = "/home/p";
const read = (text: string, base?: string) => readWords([text], home, base);
const brief = (text: string, base?: string) => {
  const { folders, groups, sites } = read(text, base);
  return [folders.map(({ path, access }) => `${path} ${access}`), groups.join(" "), sites];
};

describe("the words of a task", () => {
  const cases: readonly (readonly [string, readonly string[], string, readonly string[]])[] = [
    [
      "Put the invoices in ~/Downloads into one folder per month and tell me the total",
      ["/home/p/Downloads organise"],
      "read organise",
      [],
    ],
    [
      "rename the photos in '~/My Photos/2026' by date",
      ["/home/p/My Photos/2026 organise"],
      "read organise",
      [],
    ],
    ["Rename the photos in ~/My\\ Photos.", ["/home/p/My Photos organise"], "read organise", []],
    ["find duplicate files in my documents", ["/home/p/Documents read"], "read", []],
    ["Summarise the Documents folder", ["/home/p/Documents read"], "read", []],
    [
      "summarise ~/notes into a new file: write summary.md",
      ["/home/p/notes write"],
      "read organise",
      [],
    ],
    ["delete everything in /srv/old older than 30 days", ["/srv/old organise"], "read delete", []],
    [
      "tidy ~/Downloads but don't delete anything",
      ["/home/p/Downloads organise"],
      "read organise",
      [],
    ],
    [
      "tidy ~/Downloads without sending or deleting anything",
      ["/home/p/Downloads organise"],
      "read organise",
      [],
    ],
    ["draft a reply to letter.txt in ~/mail", ["/home/p/mail write"], "read organise", []],
    ["reply to the letter in ~/mail", ["/home/p/mail read"], "read send", []],
    [
      "fetch https://example.com/a?b=c and save it in ~/pages",
      ["/home/p/pages write"],
      "read organise browse",
      ["example.com"],
    ],
    [
      "read example.com and news.example.org.",
      [],
      "read browse",
      ["example.com", "news.example.org"],
    ],
    ["run the tests in ~/code/project", ["/home/p/code/project read"], "read run", []],
    [
      "sort ~/a in order of size, then order a pizza",
      ["/home/p/a organise"],
      "read organise buy",
      [],
    ],
    ["list ~/work/../../../etc", ["/etc read"], "read", []],
    ["räum ~/Schreibtisch auf", ["/home/p/Schreibtisch read"], "read", []],
    ["summarise report.md, data.csv and tool.sh", [], "read", []],
    ['find the files that say "delete and send all"', [], "read", []],
  ];
  for (const [text, folders, groups, sites] of cases) {
    it(text, () => assert.deepEqual(brief(text), [folders, groups, sites]));
  }

  it("a name without a beginning is relative to what was picked, or to the first folder", () => {
    assert.deepEqual(brief("list ./sub", "/w"), [["/w/sub read"], "read", []]);
    assert.deepEqual(brief("list '2026/may' in ~/a")[0], [
      "/home/p/a read",
      "/home/p/a/2026/may read",
    ]);
    assert.deepEqual(brief("list ./sub and/or CSV/PDF")[0], []);
  });

  const groups: readonly (readonly [string, string])[] = [
    ["Create a meeting with Anna on Friday", "read organise schedule"],
    ["How many meetings do I have?", "read"],
    ["Cancel my appointment at the dentist", "read schedule"],
    ["Change my rent from May on", "read organise buy"],
    ["Send them the difference", "read send buy"],
    ["How much rent did I pay?", "read"],
    ["Sort my invoices by month", "read organise"],
    ["Refund Anna, please", "read buy"],
    ["Do not forget to invite Anna", "read schedule"],
    ["Do not invite Anna", "read"],
    ["Read the file called 'create a meeting'", "read"],
  ];
  for (const [text, expected] of groups) {
    it(`mean ${expected}: ${text}`, () => assert.equal(brief(text)[1], expected));
  }

  it("count however long they are where somebody was seen typing them", () => {
    const long = `${"Please take your time. ".repeat(10)}delete ~/Downloads`;
    assert.deepEqual(readWords([long], home).groups, ["read"]);
    assert.deepEqual(readWords([long], home, undefined, new Set([0])).groups, ["read", "delete"]);
  });

  it("a paste names nothing", () => {
    const long = `delete ~/Downloads ${"x".repeat(200)}`;
    for (const text of ["tidy up\ndelete ~/Downloads", "a\u2028delete ~/a", long]) {
      assert.deepEqual(brief(text), [[], "read", []], JSON.stringify(text.slice(0, 20)));
      assert.equal(read(text).warnings.length, 1);
    }
    assert.deepEqual(brief(long.slice(0, 200))[0], ["/home/p/Downloads organise"], "control");
  });

  it("a name that deceives is not taken, and shown by number", () => {
    for (const name of ["~/Down\u200bloads", "~/\u202egpj.exe", "~/D\u043ewnloads", "~/a\u0000b"]) {
      const { folders, warnings } = read(`tidy ${name} now`);
      assert.deepEqual(folders, [], JSON.stringify(name));
      assert.equal(warnings.length, 1);
      // oxlint-disable-next-line no-control-regex -- what may not be there
      assert.doesNotMatch(warnings[0] ?? "", /[\u0000\u200b\u202e]/);
    }
    assert.equal(read("tidy ~/Downloads now").folders.length, 1, "control");
  });

  it("an address that is not plain is not taken", () => {
    const bad = [
      "https://a@example.com/",
      "https://example.com:8080/",
      "https://127.0.0.1/",
      "https://0x7f000001/",
      "ftp://example.com/",
      "https://exa\u0301mple.com/",
      "https://example.com\\@evil.com/",
    ];
    for (const url of bad) assert.deepEqual(read(`fetch ${url} please`).sites, [], url);
    assert.deepEqual(read("fetch HTTPS://Example.COM./x please").sites, ["example.com"], "control");
  });

  it("is bounded, and total on any text", () => {
    const many = Array.from({ length: 100 }, (_, at) => `~/f${at}`);
    const texts = many.map((path) => `tidy ${path} and read s${path.slice(3)}.com`);
    const { folders, sites, warnings } = readWords(texts, home);
    assert.equal(folders.length, scopeFoldersMax);
    assert.equal(sites.length, scopeSitesMax);
    assert.deepEqual(warnings, ["68 more sites are not taken", "84 more folders are not taken"]);
    const random = new SeededRandom("scope-words");
    const pieces = [
      "~/",
      "/",
      "'",
      '"',
      "\\ ",
      " ",
      "delete",
      "not",
      ".",
      "\u202e",
      "\ud800",
      "é",
      "https://",
      "x.com",
      "../",
    ];
    for (let at = 0; at < 2000; at++) {
      const text = Array.from(
        { length: random.below(20) },
        () => pieces[random.below(pieces.length)],
      ).join("");
      const reading = readWords([text], home);
      assert.ok(reading.groups.includes("read"), JSON.stringify(text));
      assert.ok(
        reading.folders.every(({ path }) => path.startsWith("/")),
        JSON.stringify(text),
      );
    }
  });
});

describe("the scope card", () => {
  const input: ScopeInput = {
    session: "s-1",
    words: ["Put the invoices in ~/Downloads into one folder per month and tell me the total"],
    picks: [],
    home,
    model: "X",
    microusdMax: 500_000,
    wallMinutesMax: 20,
    actionsMax: 200,
    complaint: (path) => (path.startsWith("/etc") ? "/etc belongs to the system" : undefined),
  };
  const cardOf = (more: Partial<ScopeInput>): readonly string[] => {
    const { scope, warnings } = offeredScope({ ...input, ...more });
    return scopeCard(scope, warnings, home).trimEnd().split("\n");
  };

  it("says the whole in its first line", () => {
    assert.deepEqual(cardOf({}), [
      "~/Downloads: read, sort, rename (undoable 7 days) · model X, at most $0.50 · 20 min",
      'folder    /home/p/Downloads, your words "~/Downloads"',
      "bounds    200 actions, 20 minutes",
      "asks      whatever is not on this card, and what the policy asks about",
      "session   s-1",
    ]);
  });

  it("takes picks instead of words, and says what is never given", () => {
    const picks = [
      { kind: "folder", value: "/data/in", access: "write" },
      { kind: "folder", value: "/etc/x", access: "read" },
      { kind: "site", value: "example.com", access: "" },
    ] as const;
    const { scope, warnings, pickWanted } = offeredScope({ ...input, picks });
    assert.deepEqual(scope.folders, [{ path: "/data/in", access: "write", words: "" }]);
    assert.deepEqual(scope.groups, ["read", "organise", "browse"]);
    assert.deepEqual(warnings, ["/etc/x is never given: /etc belongs to the system."]);
    assert.equal(pickWanted, false);
    assert.equal(
      cardOf({ picks, model: "", microusdMax: 0 })[0],
      "/data/in: read, sort, rename, write (undoable 7 days) · example.com: read pages · no model · 20 min",
    );
  });

  it("names picked files of its folders, and of no other", () => {
    const files = ["/home/p/Downloads/a b.pdf", "/home/p/other/c.pdf", "/home/p/Downloads2/d.pdf"];
    const picks = files.map((value) => ({ kind: "file", value, access: "" }) as const);
    const { scope, warnings } = offeredScope({ ...input, picks: [...picks, ...picks] });
    assert.deepEqual(scope.files, files.slice(0, 1));
    assert.equal(warnings.length, 4);
    assert.match(warnings[1] ?? "", /^\/home\/p\/Downloads2\/d\.pdf lies in no folder/);
    const lines = cardOf({ picks });
    assert.ok(lines.includes("file      /home/p/Downloads/a b.pdf, picked"));
    assert.equal("files" in offeredScope(input).scope, false, "control");
  });

  it("asks for a pick where the words name no folder, and warns of the whole home", () => {
    assert.equal(offeredScope({ ...input, words: ["tidy up"] }).pickWanted, true);
    assert.match(cardOf({ words: ["tidy up"] })[0] ?? "", /^no files/);
    for (const words of [["sort ~"], ["sort /home"]]) {
      assert.match(cardOf({ words }).join("\n"), /warning {3}The whole home folder is in scope/);
    }
    assert.doesNotMatch(cardOf({}).join("\n"), /warning/, "control");
  });

  it("rounds money up and bounds what it bounds", () => {
    assert.match(cardOf({ microusdMax: 1_230_001 })[0] ?? "", /at most \$1\.24/);
    const { scope } = offeredScope({ ...input, wallMinutesMax: 1e9, actionsMax: 0 });
    assert.deepEqual([scope.wallMinutesMax, scope.actionsMax], [10_080, 1]);
  });
});
