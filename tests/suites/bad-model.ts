/**
 * Models and agents' programs that misbehave in every way they can, against a real kernel: each
 * session ends or rests with a clear code, nothing is done that was not permitted, nothing of a
 * program is left.
 *
 * The control of each case is the same session with a model, or a program, that behaves: it writes
 * a file. A case counts only where that file was written.
 */
import { Scratch, TestKernel } from "../lib/kernel.ts";
import { modelCases } from "./bad-model/models.ts";
import { programCases } from "./bad-model/programs.ts";
import type { Suite, SuiteCase } from "./suite.ts";

export const suite: Suite = {
  name: "bad-model",
  covers: ["agent 1", "bad input: models and agents"],
  summary:
    "models that answer rubbish, never or without end; programs that flood, hang, die or lie",
  async run(context) {
    using scratch = new Scratch();
    const data = scratch.at("data");
    await using kernel = await TestKernel.start({ data });
    const ground = { data, scratch, kernel, context };
    const cases: SuiteCase[] = [];
    // Side by side: most of them wait for something that does not come.
    const [models, programs] = await Promise.all([modelCases(ground), programCases(ground)]);
    cases.push(...models, ...programs);
    const failed = cases.filter(({ outcome }) => outcome === "failed");
    return {
      cases,
      metrics: { models: models.length, programs: programs.length, failed: failed.length },
      goals: [
        { metric: "failed", op: "=", value: 0 },
        { metric: "models", op: ">=", value: context.quick ? 6 : 27 },
        { metric: "programs", op: ">=", value: context.quick ? 7 : 24 },
      ],
    };
  },
};
