/** Goals, and the folders in which they are pursued. What the policy denies is denied for real. */
export interface Scenario {
  readonly id: string;
  readonly goal: string;
  /** Content by name; a name that ends with a slash is a folder. */
  readonly files: Readonly<Record<string, string>>;
  readonly quick?: true;
}

const notes = { "a.txt": "one\n", "b.txt": "two\n", "sub/c.txt": "three\n" } as const;

const command = (id: string, goal: string, files: Scenario["files"] = notes): Scenario => ({
  id,
  goal,
  files,
});
const quick = (scenario: Scenario): Scenario => ({ ...scenario, quick: true });

const longPath = "x".repeat(5000);

export const scenarios: readonly Scenario[] = [
  command("list", "/list"),
  command("read", "/read a.txt && /stat b.txt"),
  quick(command("write-read", '/write n.txt "new text" && /read n.txt && /list .')),
  command("mkdir-move", "/mkdir d && /move a.txt d/a.txt && /move b.txt d/b.txt"),
  command("copy-delete", "/copy a.txt z.txt && /delete a.txt && /list"),
  command("find-name", "/find *.txt && /find name c.* in sub"),
  command("find-text", "/find two && /find text three in sub"),
  command("run", "/run true && /list"),
  command("run-fails", "/run false && /write never.txt x"),
  command("run-writes", "/run touch made.txt && /list && /undo"),
  command("missing", "/read missing.txt && /write never.txt x"),
  quick(command("denied", "/write before.txt x && /read /etc/shadow && /write never.txt x")),
  command("denied-first", "/delete /etc/hosts && /list"),
  command("exists", "/move a.txt b.txt && /list"),
  command("undo-one", "/write a.txt changed && /undo && /read a.txt"),
  command("undo-many", "/mkdir d && /move a.txt d/a.txt && /delete b.txt && /undo && /list"),
  command("undo-nothing", "/list && /undo && /write never.txt x"),
  command("undo-twice", "/write n.txt x && /undo && /undo"),
  quick(
    command("quotes", `/write "two words.txt" 'single  "kept"' back\\ slash "esc \\" \\\\ end"`),
  ),
  command("quoted-command", `"/list"`),
  command("unknown", "/raed a.txt"),
  command("open-quote", '/write a.txt "never closed'),
  command("operator", "/read a.txt ; /delete a.txt"),
  command("nothing-after", "/list &&"),
  quick(command("invalid", `/mkdir ${longPath} && /list`)),
  command("help", "/help && /list"),
  command("unicode", "/write ünï.txt äöü€😀 && /read ünï.txt && /move ünï.txt 名.txt"),
  command("thrice", "/read a.txt && /read a.txt && /read a.txt"),
];

/** What is done where agents are not compared with each other but with something else. */
export const controlGoal: Scenario = command("control", "/mkdir control");

const sort = (id: string, files: Scenario["files"]): Scenario => ({
  id: `sort-${id}`,
  goal: "sort the files by their ending",
  files,
});

export const sortScenarios: readonly Scenario[] = [
  quick(sort("plain", { "a.pdf": "1", "b.PDF": "2", "c.txt": "3", noext: "4" })),
  sort("empty", { "only/": "" }),
  sort("collision", { "a.txt": "1", "txt/a.txt": "other", "b.txt": "2" }),
  sort("in-the-way", { "a.txt": "1", txt: "a file with the folder's name", "b.md": "2" }),
  sort("names", { ".hidden": "1", "two words.txt": "2", "名.PDF": "3", "end.": "4", "a.b.c": "5" }),
];
