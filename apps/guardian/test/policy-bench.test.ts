// Left to npm test: it takes seconds.
/** The thread that judges texts of the policy: it answers, it is ended when late, and begins anew. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultPolicy } from "@ioi/firewall";
import type { PolicyTask } from "@ioi/guardian/policy-tasks";
import { PolicyThread } from "../src/policy-bench.ts";

const policy = (text: string) => ({ file: "policy.toml", text });
const check: PolicyTask = { type: "check", policy: policy(defaultPolicy) };

test("questions are answered in turn, by the text that each is about", async () => {
  await using thread = new PolicyThread();
  const answers = await Promise.all([
    thread.run(check),
    thread.run({ type: "check", policy: policy("version = 1\nefect = 1\n") }),
    thread.run({ type: "diff", before: policy(defaultPolicy), after: policy(defaultPolicy) }),
  ]);
  const values = answers.map((answer) =>
    answer.type === "value" ? (answer.value as { readonly ok?: boolean }) : undefined,
  );
  assert.deepEqual([values[0]?.ok, values[1]?.ok], [true, false]);
  assert.deepEqual((values[2] as { readonly notWider: boolean }).notWider, true);
});

test("a question that takes too long ends with the thread, and the next is answered", async () => {
  // No thread starts within no time.
  await using late = new PolicyThread(0);
  await assert.rejects(late.run(check), { code: "E_POLICY_SLOW" });
  await using thread = new PolicyThread();
  assert.equal((await thread.run(check)).type, "value");
  assert.equal((await thread.run(check)).type, "value");
});

test("more questions than may wait are refused at once", async () => {
  await using thread = new PolicyThread();
  const asked = Array.from({ length: 40 }, () => thread.run(check));
  const settled = await Promise.allSettled(asked);
  const refused = settled.filter(({ status }) => status === "rejected");
  assert.equal(refused.length, 24);
  assert.ok(
    refused.every(
      (each) =>
        each.status === "rejected" &&
        (each.reason as { readonly code: string }).code === "E_POLICY_SLOW",
    ),
  );
});
