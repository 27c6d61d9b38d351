/** A page that is open hears of what changed; one that is not costs nothing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Kernel } from "../src/kernel.ts";
import { Plans } from "../src/service/plans.ts";
import { Watch } from "../src/watch.ts";

interface Line {
  readonly session: string;
  readonly state: string;
  readonly text: string;
  readonly workspace: string;
  readonly createdMs: bigint;
  readonly actions: number;
  readonly undoable: number;
}

const line = (session: string, state: string, actions = 0): Line => ({
  session,
  state,
  text: "words",
  workspace: "",
  createdMs: 1n,
  actions,
  undoable: 0,
});

type Event = { readonly kind?: string; readonly text?: string; readonly session?: object };

const worldOf = () => {
  const world = {
    sessions: [] as Line[],
    approvals: [] as { readonly id: string }[],
    changes: [] as { readonly id: string }[],
    lists: 0,
    failing: undefined as Error | undefined,
    outputs: [] as string[],
  };
  const events: string[] = [];
  const bugs: unknown[] = [];
  const heard: (() => void)[] = [];
  const kernel = {
    sessions: async () => ({
      list: async () => {
        world.lists++;
        if (world.failing !== undefined) throw world.failing;
        return { sessions: world.sessions };
      },
      async *follow(_request: object, { signal }: { readonly signal: AbortSignal }) {
        for (const text of world.outputs.splice(0)) yield { output: { action: 1, text } };
        await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      },
    }),
    person: async () => ({ listApprovals: async () => ({ approvals: world.approvals }) }),
    policy: async () => ({ listPolicyChanges: async () => ({ changes: world.changes }) }),
  } as unknown as Kernel;
  const publish = (event: Event): void => {
    const { session, kind, text } = event;
    const what = session as Line | undefined;
    events.push(
      what === undefined ? `${kind} ${text ?? ""}`.trim() : `${what.session} ${what.state}`,
    );
    for (const tell of heard.splice(0)) tell();
  };
  const watch = new Watch({
    kernel,
    events: { publish: publish as never },
    plans: new Plans(),
    onBug: (error) => bugs.push(error),
  });
  const until = async (event: string): Promise<void> => {
    while (!events.includes(event)) {
      await new Promise<void>((resolve) => {
        heard.push(resolve);
      });
    }
  };
  return { world, events, bugs, watch, until };
};

test("each change is told once, and cards by their names", async (t) => {
  const { world, events, bugs, watch, until } = worldOf();
  t.after(() => watch.reading(false));
  world.sessions = [line("s-1", "done")];
  watch.reading(true);
  await until("cards");
  assert.deepEqual(events, ["s-1 done", "cards"]);
  world.sessions = [line("s-2", "performing"), line("s-1", "done")];
  watch.soon();
  await until("s-2 performing");
  world.sessions = [line("s-2", "waiting-approval", 1), line("s-1", "done")];
  world.approvals = [{ id: "a-1" }];
  watch.soon();
  await until("s-2 waiting-approval");
  // The same number of other cards is news as well.
  events.length = 0;
  world.approvals = [{ id: "a-2" }];
  watch.soon();
  await until("cards");
  assert.deepEqual([events, bugs], [["cards"], []]);
});

test("what an action writes is told while it runs", async (t) => {
  const { world, watch, until } = worldOf();
  t.after(() => watch.reading(false));
  world.sessions = [line("s-1", "performing")];
  world.outputs = ["half a line"];
  watch.reading(true);
  await until("output half a line");
});

test("nobody reads, nothing is asked", async () => {
  const { world, watch, until } = worldOf();
  watch.soon();
  assert.equal(world.lists, 0);
  watch.reading(true);
  await until("cards");
  watch.reading(false);
  const { lists } = world;
  watch.soon();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(world.lists, lists);
});
