/** The cases of the official conformance package: each of its checks is the same directly and behind the gate. */
import type { SuiteCase } from "../../suites/suite.ts";
import type { Scratch } from "../kernel.ts";
import {
  clientScenarios,
  type OfficialCheck,
  ownScenario,
  playClientScenario,
  playServerScenarios,
  startOpened,
} from "./official.ts";
import { behindGate, type McpPlace, type Remote, startListening } from "./place.ts";

interface Ends {
  readonly scratch: Scratch;
  readonly place: McpPlace;
  readonly remote: Remote;
  /** Data folder of the kernel that the gates use. */
  readonly data: string;
}

export interface OfficialCases {
  readonly cases: readonly SuiteCase[];
  readonly directPassed: number;
  readonly throughPassed: number;
  readonly differences: number;
}

const compared = (
  side: "client" | "server",
  direct: readonly OfficialCheck[],
  through: readonly OfficialCheck[],
): OfficialCases => {
  const ids = [...new Set([...direct, ...through].map(({ id }) => id))];
  const cases = ids.map((id): SuiteCase => {
    const of = (checks: readonly OfficialCheck[]): string =>
      checks.flatMap((each) => (each.id === id ? [each.value] : [])).join(" ") || "not checked";
    const [expected, actual] = [of(direct), of(through)];
    const same = expected === actual;
    return {
      id: `official/${side}/${id}`,
      outcome: same ? "passed" : "failed",
      ...(same ? {} : { expected: expected.slice(0, 600), actual: actual.slice(0, 600) }),
    };
  });
  return {
    cases,
    directPassed: direct.filter(({ passed }) => passed).length,
    throughPassed: through.filter(({ passed }) => passed).length,
    differences: cases.filter(({ outcome }) => outcome === "failed").length,
  };
};

const ofClients = async ({ scratch, place, data }: Ends): Promise<OfficialCases> => {
  const [direct, through]: [OfficialCheck[], OfficialCheck[]] = [[], []];
  for (const scenario of clientScenarios) {
    const gate = behindGate(undefined, data, `official-${scenario.replaceAll("_", "-")}`);
    const [near, far] = [scratch.at(`near-${scenario}`), scratch.at(`far-${scenario}`)];
    direct.push(...(await playClientScenario(place, near, scenario)));
    through.push(...(await playClientScenario(place, far, scenario, gate)));
  }
  return compared("client", direct, through);
};

const isOwn = ({ id }: OfficialCheck): boolean => id.startsWith(`${ownScenario}/`);

const allPassed = (checks: readonly OfficialCheck[]): boolean =>
  checks.every(({ passed }) => passed);

const ofServers = async (ends: Ends): Promise<OfficialCases> => {
  const { scratch, place, remote, data } = ends;
  await using gate = await startListening(remote, data, "official");
  await using opened = await startOpened(gate);
  const direct = await playServerScenarios(place, scratch.at("near-servers"), remote.url);
  const through = await playServerScenarios(place, scratch.at("far-servers"), opened.url);
  const relayed = (checks: readonly OfficialCheck[]): readonly OfficialCheck[] =>
    checks.filter((each) => !isOwn(each));
  const all = compared("server", relayed(direct), relayed(through));
  // The gate listens itself: names of others are refused, whatever the server behind it does.
  const [bare, own] = [direct.filter(isOwn), through.filter(isOwn)];
  const listener: SuiteCase = {
    ...outcomeOf(`official/listener/${ownScenario}`, own.length > 0 && allPassed(own)),
    // The server itself lets a page in that took over its name.
    control: allPassed(bare) ? "harmless" : "harmed",
  };
  const control = await altered(ends, gate, direct);
  return {
    ...all,
    cases: [...all.cases, listener, control],
  };
};

const outcomeOf = (id: string, good: boolean): SuiteCase => ({
  id,
  outcome: good ? "passed" : "failed",
});

/** An answer that is altered on the way is a difference. */
const altered = async (
  { scratch, place }: Ends,
  gate: Awaited<ReturnType<typeof startListening>>,
  direct: readonly OfficialCheck[],
): Promise<SuiteCase> => {
  const scenario = "tools-list";
  const alter = (text: string): string => text.replaceAll('"inputSchema"', '"inputSchemata"');
  await using opened = await startOpened(gate, alter);
  const folder = scratch.at("altered-servers");
  const through = await playServerScenarios(place, folder, opened.url, scenario);
  const of = direct.filter(({ id }) => id.startsWith(`${scenario}/`));
  const { differences, directPassed } = compared("server", of, through);
  return outcomeOf("control/altered-answer-differs", directPassed > 0 && differences > 0);
};

export const officialCases = async (ends: Ends): Promise<OfficialCases> => {
  const clients = await ofClients(ends);
  const servers = await ofServers(ends);
  return {
    cases: [...clients.cases, ...servers.cases],
    directPassed: clients.directPassed + servers.directPassed,
    throughPassed: clients.throughPassed + servers.throughPassed,
    differences: clients.differences + servers.differences,
  };
};
