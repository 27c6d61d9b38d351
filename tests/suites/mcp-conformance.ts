/**
 * `suite mcp-conformance`: what an official client sees of an official server, directly and behind
 * `ioi gate mcp` under the transparent policy. Both protocol eras; every difference is a failure.
 * Beside them, not with `--quick`, the scenarios of the official conformance package for clients and
 * for servers: each check comes out the same, whatever it says of the peer.
 *
 * Controls: under the default policy the same calls of tools are denied, so that it is the gate that
 * the messages go through; an answer that is altered on the way is a difference.
 */
import {
  type Behaviour,
  everythingBehaviours,
  filesBehaviours,
  httpBehaviours,
  listenBehaviours,
  modernBehaviours,
} from "../lib/mcp/behaviours.ts";
import {
  behindGate,
  type Command,
  type McpPlace,
  openPlace,
  type Remote,
  serverOf,
  startListening,
  startRemote,
} from "../lib/mcp/place.ts";
import { officialCases } from "../lib/mcp/official-cases.ts";
import { type Play, type Played, playAll } from "../lib/mcp/play.ts";
import { Scratch, TestKernel } from "../lib/kernel.ts";
import type { Suite, SuiteCase, SuiteContext, SuiteResult } from "./suite.ts";

interface Group {
  readonly name: string;
  readonly era: "2025-11-25" | "2026-07-28";
  readonly behaviours: readonly Behaviour[];
  readonly server: (folder: string) => Command | Pick<Remote, "url">;
  /** Its client connects to the gate, instead of starting it. */
  readonly listens?: true;
}

const groupsOf = (place: McpPlace, remote: Remote): readonly Group[] => [
  {
    name: "everything",
    era: "2025-11-25",
    behaviours: everythingBehaviours,
    server: () => serverOf(place, "everything"),
  },
  {
    name: "files",
    era: "2025-11-25",
    behaviours: filesBehaviours,
    server: (folder) => serverOf(place, "filesystem", [folder]),
  },
  {
    name: "modern",
    era: "2026-07-28",
    behaviours: modernBehaviours,
    server: () => serverOf(place, "modern"),
  },
  {
    name: "http",
    era: "2025-11-25",
    behaviours: httpBehaviours,
    server: () => remote,
  },
  {
    name: "listen",
    era: "2025-11-25",
    behaviours: listenBehaviours,
    server: () => serverOf(place, "everything"),
    listens: true,
  },
];

const caseOf = (direct: Played, through: Played | undefined): SuiteCase => {
  const same = through !== undefined && direct.value === through.value;
  const passed = direct.passed && through?.passed === true && same;
  return {
    id: direct.id,
    outcome: passed ? "passed" : "failed",
    ...(passed
      ? {}
      : {
          expected: direct.value.slice(0, 600),
          actual: through?.value.slice(0, 600) ?? "nothing",
        }),
  };
};

/** What `--quick` leaves out: over HTTP on either side, what the same server is asked over its pipe anyway. */
const leftOut: ReadonlySet<string> = new Set(
  [...httpBehaviours, ...listenBehaviours]
    .map(({ id }) => id)
    .filter(
      (id) =>
        !/initialize|roots|logging|tools-list$|tool-text|at-once|sampling|read-text|progress/.test(
          id,
        ),
    ),
);

/** Without a policy that allows it, nothing of a server is called. */
const control = async (
  scratch: Scratch,
  place: McpPlace,
  kernel: TestKernel,
): Promise<SuiteCase> => {
  const folder = scratch.folder("closed");
  const direct = serverOf(place, "filesystem", [folder]);
  const server = behindGate(direct, kernel.data, "closed", ["--on-ask", "deny"]);
  const written = filesBehaviours.filter(({ id }) => id === "files/write-and-read");
  const [played] = await playAll({ place, era: "2025-11-25", server, folder }, written);
  const denied = played?.value.includes("Denied by IOI") === true;
  return {
    id: "control/default-policy-denies",
    outcome: denied && played?.passed === false ? "passed" : "failed",
    ...(denied ? {} : { expected: "Denied by IOI", actual: played?.value.slice(0, 600) ?? "" }),
  };
};

const behind = async (
  play: Omit<Play, "server">,
  data: string,
  { name, server, listens }: Group,
  wanted: readonly Behaviour[],
): Promise<readonly Played[]> => {
  const direct = server(play.folder);
  if (listens !== true || "url" in direct) {
    return await playAll({ ...play, server: behindGate(direct, data, name) }, wanted);
  }
  await using gate = await startListening(direct, data, name);
  return await playAll({ ...play, server: gate }, wanted);
};

const run = async (context: SuiteContext): Promise<SuiteResult> => {
  using scratch = new Scratch();
  const place = await openPlace(scratch);
  if (typeof place === "string") return { cases: [], unavailable: [place] };
  await using kernel = await TestKernel.start({ data: scratch.at("data") });
  const cases: SuiteCase[] = [];
  let [directPassed, throughPassed, differences] = [0, 0, 0];
  await using remote = await startRemote(place);
  for (const group of groupsOf(place, remote)) {
    const { name, era, behaviours, server } = group;
    const wanted = behaviours.filter(({ id }) =>
      context.caseId === undefined ? !context.quick || !leftOut.has(id) : context.caseId === id,
    );
    if (wanted.length === 0) continue;
    const folder = scratch.folder(`direct-${name}`);
    const direct = await playAll({ place, era, server: server(folder), folder }, wanted);
    context.progress(`${name}: ${direct.length} behaviours directly`);
    const other = scratch.folder(`through-${name}`);
    const through = await behind({ place, era, folder: other }, kernel.data, group, wanted);
    context.progress(`${name}: ${through.length} behaviours behind the gate`);
    for (const each of direct) {
      const same = through.find(({ id }) => id === each.id);
      if (each.passed) directPassed++;
      if (same?.passed === true) throughPassed++;
      if (same?.value !== each.value) differences++;
      cases.push(caseOf(each, same));
    }
  }
  const named = context.caseId ?? "official/";
  if (!context.quick && /^official\/|^control\/altered/.test(named)) {
    const official = await officialCases({ scratch, place, remote, data: kernel.data });
    context.progress(`official package: ${official.cases.length} checks`);
    cases.push(...official.cases);
    directPassed += official.directPassed;
    throughPassed += official.throughPassed;
    differences += official.differences;
  }
  cases.push(await control(scratch, place, kernel));
  return {
    cases,
    metrics: { directPassed, throughPassed, differences },
    goals: [{ metric: "differences", op: "<=", value: 0 }],
  };
};

export const suite: Suite = {
  name: "mcp-conformance",
  covers: ["firewall 6"],
  summary: "an official MCP client sees the same of official servers, directly and behind the gate",
  run,
};
