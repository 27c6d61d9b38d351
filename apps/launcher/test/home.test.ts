/** Names of folders for a chooser, and the tour's folder: within the home and of nobody else's. */
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { OperationError } from "@ioi/base";
import { listFolders, tourFolder } from "../src/home.ts";
import { foldersListedMax } from "../src/limits.ts";

const homeOf = (t: TestContext): string => {
  const made = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "ioi-home-")));
  t.after(() => fs.rmSync(made, { recursive: true, force: true }));
  return made;
};

const folder = (...parts: readonly string[]): string => {
  const made = path.join(...parts);
  fs.mkdirSync(made, { recursive: true });
  return made;
};

const refused = (run: () => unknown): boolean => {
  try {
    run();
    return false;
  } catch (error) {
    return error instanceof OperationError && error.code === "E_FOLDER_REFUSED";
  }
};

test("sub-folders and files are listed by name, without hidden ones and links", (t) => {
  const home = homeOf(t);
  for (const name of ["b", "a", "é", ".hidden"]) folder(home, name);
  fs.writeFileSync(path.join(home, "file"), "");
  fs.writeFileSync(path.join(home, ".file"), "");
  fs.symlinkSync("/etc", path.join(home, "link"));
  const listed = { path: home, names: ["a", "b", "é"], files: ["file"], truncated: false };
  assert.deepEqual(listFolders(home, [], ""), listed);
  assert.deepEqual(listFolders(home, [], home), listed);
  folder(home, "a", "below");
  assert.deepEqual(listFolders(home, [], path.join(home, "a")).names, ["below"]);
});

test("nothing outside of the home is listed, whatever the path looks like", (t) => {
  const home = homeOf(t);
  const beside = folder(`${home}-evil`);
  t.after(() => fs.rmSync(beside, { recursive: true }));
  fs.symlinkSync("/etc", path.join(home, "link"));
  fs.writeFileSync(path.join(home, "file"), "");
  for (const given of [
    "/",
    "/etc",
    beside,
    path.dirname(home),
    `${home}/..`,
    `${home}/link`,
    `${home}/file`,
    `${home}/none`,
    `${home}\0`,
    "relative",
    ".",
    "~",
    `/${"x".repeat(5000)}`,
  ]) {
    assert.equal(
      refused(() => listFolders(home, [], given)),
      true,
      given,
    );
  }
});

test("the product's own folders are neither listed nor shown", (t) => {
  const home = homeOf(t);
  const data = folder(home, "ioi-data");
  folder(data, "guardian");
  folder(home, "other");
  assert.deepEqual(listFolders(home, [data], "").names, ["other"]);
  for (const given of [data, path.join(data, "guardian")]) {
    assert.equal(
      refused(() => listFolders(home, [data], given)),
      true,
    );
  }
});

test("a folder with many folders is cut, and says so", (t) => {
  const home = homeOf(t);
  for (let n = 0; n <= foldersListedMax; n++) fs.mkdirSync(path.join(home, `f${n}`));
  const { names, truncated } = listFolders(home, [], "");
  assert.deepEqual([names.length, truncated], [foldersListedMax, true]);
});

test("the tour's folder is made once, mended, and takes nobody's place", (t) => {
  const home = homeOf(t);
  const made = tourFolder(home);
  assert.equal(made, path.join(home, "ioi-tour"));
  fs.rmSync(path.join(made, "draft.txt"));
  fs.writeFileSync(path.join(made, "welcome.txt"), "changed");
  assert.equal(tourFolder(home), made);
  assert.ok(fs.existsSync(path.join(made, "draft.txt")));
  assert.equal(fs.readFileSync(path.join(made, "welcome.txt"), "utf8"), "changed");

  const other = homeOf(t);
  folder(other, "ioi-tour");
  fs.symlinkSync(made, path.join(other, "ioi-tour-2"));
  fs.writeFileSync(path.join(other, "ioi-tour-3"), "");
  assert.equal(tourFolder(other), path.join(other, "ioi-tour-4"));
  assert.deepEqual(fs.readdirSync(path.join(other, "ioi-tour")), []);
});
