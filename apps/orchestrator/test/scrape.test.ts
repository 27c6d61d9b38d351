/** The series of the other processes: asked once for all who ask, and never waited for too long. */
import assert from "node:assert/strict";
import { duplexPair } from "node:stream";
import { mock, test } from "node:test";
import { client, connect, MessageQueue, serve } from "@ioi/host/rpc";
import { pb } from "@ioi/wire";
import { scrapeMs } from "../src/limits.ts";
import { Scrapes } from "../src/scrape.ts";

type Reply = { readonly prometheus: string };

const launcherOf = (scrapes: Scrapes) => {
  const [near, far] = duplexPair();
  const served = serve(far, [scrapes.service], { peer: "launcher" });
  const channel = connect(near);
  const replies = new MessageQueue<Reply>();
  const questions = client(pb.Scrape, channel)
    .gather(replies, { deadlineMs: Number.POSITIVE_INFINITY })
    [Symbol.asyncIterator]();
  return {
    questions,
    replies,
    [Symbol.asyncDispose]: async (): Promise<void> => {
      replies.finish();
      channel.close();
      await served.closed;
    },
  };
};

/** Asks until the launcher's call has arrived. */
const asked = async (scrapes: Scrapes, launcher: ReturnType<typeof launcherOf>) => {
  const question = launcher.questions.next();
  for (;;) {
    const answer = scrapes.others();
    const first = await Promise.race([question, answer.then(() => undefined)]);
    if (first !== undefined) return { answer };
    await new Promise((resolve) => setImmediate(resolve));
  }
};

test("without a launcher there is nothing to add", async () => {
  assert.equal(await new Scrapes().others(), "");
});

test("one question for all who ask at once, and the next one anew", async () => {
  const scrapes = new Scrapes();
  await using launcher = launcherOf(scrapes);
  const { answer: first } = await asked(scrapes, launcher);
  const second = scrapes.others();
  launcher.replies.push({ prometheus: "one 1\n" });
  assert.deepEqual(await Promise.all([first, second]), ["one 1\n", "one 1\n"]);
  const third = scrapes.others();
  await launcher.questions.next();
  launcher.replies.push({ prometheus: "two 2\n" });
  assert.equal(await third, "two 2\n");
});

test("a reply that comes too late is not taken for the next one", async () => {
  const scrapes = new Scrapes();
  await using launcher = launcherOf(scrapes);
  const { answer: warm } = await asked(scrapes, launcher);
  launcher.replies.push({ prometheus: "warm\n" });
  await warm;
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const late = scrapes.others();
    mock.timers.tick(scrapeMs);
    assert.equal(await late, "");
  } finally {
    mock.timers.reset();
  }
  await launcher.questions.next();
  const next = scrapes.others();
  await launcher.questions.next();
  launcher.replies.push({ prometheus: "late\n" });
  launcher.replies.push({ prometheus: "next\n" });
  assert.equal(await next, "next\n");
});

test("who asks while the launcher goes is answered", async () => {
  const scrapes = new Scrapes();
  const launcher = launcherOf(scrapes);
  const { answer } = await asked(scrapes, launcher);
  await launcher[Symbol.asyncDispose]();
  assert.equal(await answer, "");
  assert.equal(await scrapes.others(), "");
});
