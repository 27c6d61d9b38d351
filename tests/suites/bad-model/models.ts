/** The model's side: one scripted server for each case, confirmed under the case's name. */
import { type AgentRun, openRun, startRun, stopRun } from "../../lib/agent-runs.ts";
import { type ModelReply, ModelServer } from "../../lib/model-servers/index.ts";
import { confirmModel } from "../../lib/models.ts";
import type { SuiteCase } from "../suite.ts";
import { type Came, filesIn, type Ground, inTurns, judged, wanted, workspaceOf } from "./ground.ts";

const call = (name: string, given: object | string) => ({
  name,
  arguments: typeof given === "string" ? given : JSON.stringify(given),
});

/** What a model that behaves does: it writes a file and says so. */
const sound: readonly ModelReply[] = [
  {
    type: "reply",
    text: "I write it.",
    calls: [call("fs_write", { path: "made.txt", create: "new", content: "x" })],
  },
  { type: "reply", text: "Written." },
];

interface ModelCase {
  readonly id: string;
  /** What it answers first; afterwards it behaves. */
  readonly bad: ModelReply;
  readonly times: number;
  readonly expected: string | RegExp;
  readonly quick?: true;
  /** The person stops it once the model was asked. */
  readonly stops?: true;
}

const good = (times: number): string =>
  `done; no error; model::infer*${times} fs::write*1; made.txt`;
/** Tried again by the machine, so that the same action asks twice. */
const again = good(2);
const always = Number.POSITIVE_INFINITY;

const cases: readonly ModelCase[] = [
  { id: "model-rubbish", bad: { type: "rubbish" }, times: always, expected: /^failed; E_MODEL_/ },
  {
    id: "model-html",
    bad: { type: "html" },
    times: always,
    expected: "failed; E_MODEL_MALFORMED; model::infer*1",
    quick: true,
  },
  {
    id: "model-endless",
    bad: { type: "endless" },
    times: always,
    expected: "failed; E_MODEL_TOO_LONG; model::infer*1",
  },
  {
    id: "model-endless-arguments",
    bad: { type: "endless-arguments" },
    times: always,
    expected: "failed; E_MODEL_TOO_LONG; model::infer*1",
  },
  {
    id: "model-endless-line",
    bad: { type: "endless-line" },
    times: always,
    expected: /^failed; E_MODEL_/,
  },
  {
    id: "model-never",
    bad: { type: "never" },
    times: always,
    expected: "stopped; E_SESSION_STOPPED; model::infer*1",
    quick: true,
    stops: true,
  },
  {
    id: "model-stalls",
    bad: { type: "stalls" },
    times: always,
    expected: "stopped; E_SESSION_STOPPED; model::infer*1",
    stops: true,
  },
  { id: "model-half", bad: { type: "half" }, times: 1, expected: again, quick: true },
  { id: "model-ends-early", bad: { type: "ends-early" }, times: 1, expected: again },
  { id: "model-dropped", bad: { type: "drop" }, times: 1, expected: again },
  {
    id: "model-gone",
    bad: { type: "drop" },
    times: always,
    expected: /^failed; E_MODEL_(?:UNREACHABLE|INCOMPLETE); model::infer\*1$/,
  },
  { id: "model-error-in-stream", bad: { type: "error-in-stream" }, times: 1, expected: again },
  {
    id: "model-busy",
    bad: { type: "status", status: 429 },
    times: 2,
    expected: again,
  },
  { id: "model-broken", bad: { type: "status", status: 500 }, times: 1, expected: again },
  {
    id: "model-key",
    bad: { type: "status", status: 401 },
    times: always,
    expected: "failed; E_MODEL_KEY; model::infer*1",
  },
  {
    id: "model-refuses",
    bad: { type: "status", status: 400 },
    times: always,
    expected: "failed; E_MODEL_REQUEST; model::infer*1",
  },
  { id: "model-cut-utf8", bad: { type: "cut-utf8" }, times: 1, expected: /^(?:done|failed); / },
  {
    id: "model-many-calls",
    bad: { type: "many-calls", count: 10_000 },
    times: 1,
    expected:
      /^(?:done; no error; model::infer\*3 fs::write\*1; made\.txt|failed; E_MODEL_[A-Z_]+; model::infer\*1)$/,
    quick: true,
  },
  {
    id: "model-empty",
    bad: { type: "reply" },
    times: always,
    expected: "failed; E_MODEL_REPLY; model::infer*4",
  },
  { id: "model-empty-once", bad: { type: "reply" }, times: 1, expected: good(3) },
  {
    id: "model-unknown-tool",
    bad: { type: "reply", calls: [call("format_disk", {})] },
    times: always,
    expected: "failed; E_AGENT_INVALID_CALLS; model::infer*4",
  },
  {
    id: "model-unknown-tool-once",
    bad: { type: "reply", calls: [call("fs_wriet", { path: "made.txt" })] },
    times: 1,
    expected: good(3),
  },
  {
    id: "model-unparsable-arguments",
    bad: { type: "reply", calls: [call("fs_write", '{"path": "made.txt", "create')] },
    times: 1,
    expected: good(3),
    quick: true,
  },
  {
    id: "model-asks-itself",
    bad: { type: "reply", calls: [call("model_infer", { model: "x", max_tokens: 1 })] },
    times: 1,
    expected: good(3),
  },
  {
    id: "model-loops",
    bad: { type: "reply", calls: [call("fs_list", { path: "." })] },
    times: always,
    expected: "failed; E_AGENT_LOOP; model::infer*4 fs::list*4",
    quick: true,
  },
  {
    id: "model-outside",
    bad: { type: "reply", calls: [call("fs_read", { path: "/etc/shadow" })] },
    times: 1,
    expected: "done; no error; model::infer*3 fs::read*1 fs::write*1; made.txt",
  },
  {
    id: "model-filtered",
    bad: { type: "reply", finish: "filter" },
    times: always,
    expected: "failed; E_MODEL_FILTERED; model::infer*1",
  },
];

const perform = async (
  ground: Ground,
  id: string,
  script: (index: number) => ModelReply,
  stops: boolean,
): Promise<Came> => {
  const { data } = ground;
  const workspace = workspaceOf(ground, id);
  await using server = await ModelServer.start({
    protocol: "openai",
    script: (_, index) => script(index),
  });
  await confirmModel(data, server, { id, protocol: "openai" });
  const run: AgentRun = { text: "write made.txt", workspace, model: id };
  const session = await openRun(data, run);
  const ended = startRun(data, session, run);
  if (stops) {
    while (server.asked.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    await stopRun(data, session);
  }
  return { view: await ended, files: filesIn(workspace) };
};

export const modelCases = async (ground: Ground): Promise<readonly SuiteCase[]> => {
  const chosen = cases.filter(
    ({ id, quick }) =>
      wanted(ground, id) &&
      (!ground.context.quick || quick === true || ground.context.caseId === id),
  );
  const control = await perform(
    ground,
    "model-sound",
    (index) => sound[Math.min(index, 1)] ?? { type: "never" },
    false,
  );
  const did = control.view.state === "done" && control.files.includes("made.txt");
  return await inTurns(chosen, 4, async ({ id, bad, times, expected, stops }) => {
    ground.context.progress(id);
    const script = (index: number): ModelReply =>
      index < times ? bad : (sound[Math.min(index - times, 1)] ?? bad);
    return judged(id, expected, await perform(ground, id, script, stops === true), did);
  });
};
