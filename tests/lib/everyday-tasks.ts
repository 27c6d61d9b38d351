/**
 * Ten everyday tasks: what a person types, what lies in the folder, and what a competent agent then
 * did, recorded as commands of the planner. `{D}` stands for the folder. Each recording ends well on
 * the files that it begins with.
 */
import fs from "node:fs";
import path from "node:path";

export interface EverydayTask {
  readonly id: string;
  readonly words: string;
  /** Files by name, below the folder. */
  readonly files: Readonly<Record<string, string>>;
  readonly actions: readonly string[];
  /** Cards beyond the scope card, with why they are right. */
  readonly cards: number;
  /** What is there afterwards. */
  readonly leaves: readonly string[];
  /** The action whose failure is this machine's, not the gate's. */
  readonly mayEndAt?: string;
}

const months = ["2026-03", "2026-04", "2026-05"] as const;
const invoices = months.flatMap((month, at) =>
  ["acme", "corp"].map((who) => `${who}-${month}-${at + 1}.csv`),
);
const photos = ["IMG_0012.jpg", "IMG_0013.jpg", "IMG_0044.jpg", "IMG_0045.jpg"];
const old = ["setup-1.0.tar", "setup-1.1.tar", "draft.tmp", "export.tmp", "old-report.txt"];

const filled = (names: readonly string[], text: (name: string) => string) =>
  Object.fromEntries(names.map((name) => [name, text(name)]));

const script = `set -e
test "$(cat src/sum.txt)" = "4"
echo "1 test passed"
`;

export const everydayTasks: readonly EverydayTask[] = [
  {
    id: "invoices-by-month",
    words: "Put the invoices in {D} into one folder per month and tell me the total",
    files: filled(invoices, (name) => `invoice;${name}\ntotal;12.50\n`),
    actions: [
      "/list {D}",
      ...invoices.map((name) => `/read {D}/${name}`),
      ...months.map((month) => `/mkdir {D}/${month}`),
      ...invoices.map((name) => `/move {D}/${name} {D}/${name.slice(5, 12)}/${name}`),
      "/find *.csv in {D}",
    ],
    cards: 0,
    leaves: ["2026-03/acme-2026-03-1.csv", "2026-05/corp-2026-05-3.csv"],
  },
  {
    id: "photos-by-date",
    words: "Rename the photos in {D} by the date they were taken",
    files: filled(photos, (name) => `jpeg ${name}`),
    actions: [
      "/list {D}",
      ...photos.map((name) => `/stat {D}/${name}`),
      ...photos.map((name, at) => `/move {D}/${name} {D}/2026-05-0${at + 1}_${name.slice(4)}`),
    ],
    cards: 0,
    leaves: ["2026-05-01_0012.jpg", "2026-05-04_0045.jpg"],
  },
  {
    id: "duplicates",
    words: "Find duplicate files in {D}",
    files: { "a.txt": "same", "copy of a.txt": "same", "b.txt": "other", "sub/a.txt": "same" },
    actions: [
      "/list {D}",
      "/list {D}/sub",
      '/run /usr/bin/sha256sum "{D}/a.txt" "{D}/copy of a.txt" "{D}/b.txt" "{D}/sub/a.txt"',
    ],
    // Running a program is more than looking: nothing in the words says run.
    cards: 1,
    leaves: ["a.txt", "copy of a.txt"],
  },
  {
    id: "summarise-a-folder",
    words: "Read the notes in {D} and write a summary to summary.md",
    files: { "monday.md": "met A", "tuesday.md": "met B", "wednesday.md": "nothing" },
    actions: [
      "/list {D}",
      "/read {D}/monday.md",
      "/read {D}/tuesday.md",
      "/read {D}/wednesday.md",
      '/write {D}/summary.md "Met A on Monday and B on Tuesday."',
      "/read {D}/summary.md",
    ],
    cards: 0,
    leaves: ["summary.md"],
  },
  {
    id: "clean-downloads",
    words: "Delete everything in {D} that is older than 30 days",
    files: { ...filled(old, (name) => name), "new.txt": "keep" },
    actions: [
      "/list {D}",
      ...old.map((name) => `/stat {D}/${name}`),
      ...old.map((name) => `/delete {D}/${name}`),
      "/list {D}",
    ],
    cards: 0,
    leaves: ["new.txt"],
  },
  {
    id: "convert-notes",
    words: "Convert the notes in {D} to HTML and remove the originals",
    files: { "one.md": "# One", "two.md": "# Two" },
    actions: [
      "/find *.md in {D}",
      "/read {D}/one.md",
      '/write {D}/one.html "<h1>One</h1>"',
      "/read {D}/two.md",
      '/write {D}/two.html "<h1>Two</h1>"',
      "/delete {D}/one.md",
      "/delete {D}/two.md",
    ],
    cards: 0,
    leaves: ["one.html", "two.html"],
  },
  {
    id: "git-status-report",
    words: "Run git status in {D} and write what changed to report.md",
    files: { "tracked.txt": "1", ".git/HEAD": "ref: refs/heads/main\n" },
    actions: [
      "/list {D}",
      // The folder that holds the history is not the agent's to read without a question.
      "/read {D}/.git/HEAD",
      '/run /usr/bin/find {D} -maxdepth 1 -type f -name "*.txt"',
      '/write {D}/report.md "On main; tracked.txt changed."',
    ],
    cards: 1,
    leaves: ["report.md"],
  },
  {
    id: "draft-a-reply",
    words: "Draft a reply to letter.txt in {D}",
    files: { "letter.txt": "Dear all, will you come on Friday?" },
    actions: [
      "/read {D}/letter.txt",
      '/write {D}/reply.txt "Dear A, yes. Yours, B"',
      "/read {D}/reply.txt",
    ],
    cards: 0,
    leaves: ["letter.txt", "reply.txt"],
  },
  {
    id: "page-to-folder",
    words: "Fetch https://example.com/list.txt and save it in {D}",
    files: { "readme.txt": "pages go here" },
    actions: [
      "/list {D}",
      // Where this machine has no network the recording ends here; what counts is who was asked.
      "/fetch https://example.com/list.txt",
      '/write {D}/list.txt "as fetched"',
    ],
    cards: 0,
    leaves: ["readme.txt"],
    mayEndAt: "net::get",
  },
  {
    id: "run-the-tests",
    words: "Run the tests of the project in {D} and fix what fails",
    files: {
      "test.sh": script,
      "src/sum.txt": "5\n",
      "package.json": '{"scripts":{"test":"sh test.sh"}}\n',
    },
    actions: [
      "/list {D}",
      "/read {D}/package.json",
      "/read {D}/test.sh",
      "/read {D}/src/sum.txt",
      '/write {D}/src/sum.txt "4"',
      "/run /bin/sh {D}/test.sh",
      // A manifest makes other programs do something: it asks each time.
      `/write {D}/package.json "{ 'private': true }"`,
    ],
    cards: 1,
    leaves: ["package.json"],
  },
];

/** Lays a task's files out in a folder of its own. */
export const layOut = (task: EverydayTask, folder: string): void => {
  for (const [name, text] of Object.entries(task.files)) {
    const file = path.join(folder, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, text);
  }
};

export const placed = (text: string, folder: string): string => text.replaceAll("{D}", folder);
