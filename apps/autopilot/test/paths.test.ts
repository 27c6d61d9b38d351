import assert from "node:assert/strict";
import { test } from "node:test";
import { absolute, folderOf, isListed, join, trimmed } from "../src/pure/paths.ts";
import { tourSteps } from "../src/pure/tour.ts";

test("a typed folder is spelled out", () => {
  assert.equal(absolute("~", "/home/ada"), "/home/ada");
  assert.equal(absolute(" ~/x ", "/home/ada"), "/home/ada/x");
  assert.equal(absolute("~root/x", "/home/ada"), "~root/x");
  assert.equal(absolute("/tmp", "/home/ada"), "/tmp");
  assert.equal(folderOf("/home/ada/Dow"), "/home/ada");
  assert.equal(folderOf("/ho"), "/");
  assert.equal(join("/", "etc"), "/etc");
  assert.equal(join("/home", "ada"), "/home/ada");
  assert.equal(trimmed("/home/ada//"), "/home/ada");
  assert.equal(trimmed("/"), "/");
});

test("the tour shows one of each, and only direct commands", () => {
  assert.deepEqual(
    tourSteps.map(({ id }) => id),
    ["allow", "ask", "deny", "undo", "verify"],
  );
  assert.ok(tourSteps.every(({ command, id }) => command.startsWith("/") || id === "verify"));
});

test("names are completed in the home and nowhere else", () => {
  for (const typed of ["", "~/Down", "/home/a/x/y", "notes"]) {
    assert.equal(isListed(typed, "/home/a"), true, typed);
  }
  for (const typed of ["/tmp/x", "/home/ab/x", "/home/b/"]) {
    assert.equal(isListed(typed, "/home/a"), false, typed);
  }
  assert.equal(isListed("~/x", ""), false);
});
