/** A stream that is cut goes on where it was, or is told to begin anew. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { eventsKeptMax, streamsPerBrowserMax } from "../src/limits.ts";
import { readStream, TestSite } from "./support.ts";

const idsOf = (text: string): string[] =>
  [...text.matchAll(/^id: (.+)$/gm)].map((found) => found[1] ?? "");

const kindsOf = (text: string): string[] =>
  [...text.matchAll(/^data: (.+)$/gm)].map(
    (found) => (JSON.parse(found[1] ?? "") as { readonly kind: string }).kind,
  );

const publish = (site: TestSite, count: number): void => {
  for (let n = 0; n < count; n++) site.events.publish({ kind: "output", text: `n${n}` });
};

test("a new reader is told where it stands, then every event once, in order", async () => {
  await using site = await TestSite.open();
  publish(site, 3);
  const { text: first, close } = await readStream(site, "app", "", '"reset"');
  assert.deepEqual([idsOf(first), kindsOf(first)], [["ab.3"], ["reset"]]);
  close();
  publish(site, 2);
  const { text, close: end } = await readStream(site, "app", "ab.3", "ab.5");
  assert.deepEqual(
    [idsOf(text), kindsOf(text)],
    [
      ["ab.4", "ab.5"],
      ["output", "output"],
    ],
  );
  end();
});

test("what was missed and is gone, of another life, or nonsense, begins anew", async () => {
  await using site = await TestSite.open();
  publish(site, eventsKeptMax + 10);
  const newest = `ab.${eventsKeptMax + 10}`;
  for (const lastId of ["ab.9", "cd.12", "ab.999999", "ab", "x", "ab.-1", "ab.1e3"]) {
    const { text, close } = await readStream(site, "app", lastId, "data:");
    assert.deepEqual([idsOf(text), kindsOf(text)], [[newest], ["reset"]], lastId);
    close();
  }
  // The oldest that is kept still joins on.
  const { text, close } = await readStream(site, "app", "ab.10", newest);
  assert.equal(idsOf(text).length, eventsKeptMax);
  close();
});

test("the approval page hears of cards, not of sessions", async () => {
  await using site = await TestSite.open();
  site.events.publish({ kind: "output", text: "secret of a session" });
  site.events.publish({ kind: "cards", pendingCards: 1 });
  for (const place of ["approve", "frame"] as const) {
    const { text, close } = await readStream(site, place, "ab.0", "ab.2");
    assert.deepEqual(kindsOf(text), ["cards"]);
    assert.doesNotMatch(text, /secret/);
    close();
  }
  const { text, close } = await readStream(site, "app", "ab.0", "ab.2");
  assert.match(text, /secret/);
  close();
});

test("one browser has so many streams, another its own; a place that is free is taken", async () => {
  await using site = await TestSite.open();
  const open = (browser: string) => readStream(site, "app", "", "reset", browser);
  const streams = await Promise.all(
    Array.from({ length: streamsPerBrowserMax }, () => open("a".repeat(32))),
  );
  assert.equal((await site.ask({ path: "/events" })).status, 429);
  const other = await open("b".repeat(32));
  assert.equal(site.events.readers, streamsPerBrowserMax + 1);
  for (const { close } of [...streams, other]) close();
  while (site.events.readers > 0) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(site.reading, [true, false]);
  (await open("a".repeat(32))).close();
});
