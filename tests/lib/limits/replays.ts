/**
 * Everything that permits is said again: proposals, numbers, tickets, answers, outcomes; by a
 * Workload that keeps copies, to the real Guardian, the real Orchestrator and real drivers. The first
 * use of each works, or the case shows nothing.
 */
import fs from "node:fs";
import path from "node:path";
import { unwrap } from "@ioi/base";
import { nodeCrypto } from "@ioi/host/crypto";
import { outcome as outcomeSchema, schema } from "@ioi/wire";
import type { SuiteCase } from "../../suites/suite.ts";
import { Scratch } from "../kernel.ts";
import { RealDriver } from "./driver.ts";
import { codeOf, LimitsWorld } from "./world.ts";

const policy = `version = 1
[[rule]]
id = "make"
effect = "allow"
target = ["fs::mkdir"]
where.path = { glob = "scope:/free/**" }
[[rule]]
id = "look"
effect = "allow"
target = ["fs::stat"]
where.path = { glob = "scope:/**" }
[budget.session]
actions = 1000000
wall_minutes = 20
`;

export interface Replays {
  readonly cases: readonly SuiteCase[];
  readonly replays: number;
  readonly replaysAccepted: number;
}

/** One way of saying something again. */
interface Attack {
  readonly id: string;
  /** Whether the first use worked, and what each further one came to; empty: accepted. */
  readonly run: (
    times: number,
  ) => Promise<{ readonly worked: boolean; readonly said: readonly string[] }>;
}

class Place implements AsyncDisposable {
  readonly world: LimitsWorld;
  readonly session: string;
  readonly driver: RealDriver;
  readonly #second: RealDriver;
  #made = 0;

  private constructor(world: LimitsWorld, session: string, driver: RealDriver, second: RealDriver) {
    this.world = world;
    this.session = session;
    this.driver = driver;
    this.#second = second;
  }

  static async open(folder: string): Promise<Place> {
    const world = await LimitsWorld.open(folder, policy);
    fs.mkdirSync(path.join(world.workspace, "free"), { recursive: true });
    fs.mkdirSync(path.join(world.workspace, "asked"), { recursive: true });
    const session = await world.session("make folders");
    const driver = await RealDriver.start(world, session);
    return new Place(world, session, driver, await RealDriver.start(world, session));
  }

  /** Another driver process of the same session. */
  get second(): RealDriver {
    return this.#second;
  }

  /** A folder that is not there. */
  fresh(where: "free" | "asked"): string {
    return path.join(this.world.workspace, where, `d${this.#made++}`);
  }

  prepare(driver: RealDriver, folder: string): ReturnType<RealDriver["prepare"]> {
    return driver.prepare("fs::mkdir", { path: folder });
  }

  async permitted(folder: string) {
    const prepared = await this.prepare(this.driver, folder);
    const { verdict, ticket, counter, approval } = await this.world.propose(this.session, prepared);
    return { prepared, verdict, ticket, counter, approval };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.driver[Symbol.asyncDispose]();
    await this.#second[Symbol.asyncDispose]();
    await this.world[Symbol.asyncDispose]();
  }
}

const repeat = async (
  times: number,
  once: (n: number) => Promise<string>,
): Promise<readonly string[]> => {
  const said: string[] = [];
  for (let n = 0; n < times; n++) said.push(await once(n));
  return said;
};

/** The effect of an act that should not have happened: undone, so that the next try can show it. */
const effectOf = (folder: string): string => {
  if (!fs.existsSync(folder)) return "";
  fs.rmdirSync(folder);
  return "made";
};

/** What a refused act says; empty where the effect happened. */
const acted = async (
  driver: RealDriver,
  nonce: Uint8Array,
  ticket: Uint8Array,
  folder: string,
): Promise<string> => {
  const { status, code } = await driver.act(nonce, ticket);
  return effectOf(folder) === "" ? `${status} ${code}` : "";
};

const tickets = (at: Place): readonly Attack[] => [
  {
    id: "ticket-same-nonce",
    run: async (times) => {
      const folder = at.fresh("free");
      const { prepared, ticket } = await at.permitted(folder);
      await at.driver.act(prepared.nonce, ticket);
      const worked = effectOf(folder) !== "";
      const said = await repeat(times, () => acted(at.driver, prepared.nonce, ticket, folder));
      return { worked, said };
    },
  },
  {
    id: "ticket-same-action-prepared-again",
    run: async (times) => {
      const folder = at.fresh("free");
      const { prepared, ticket } = await at.permitted(folder);
      await at.driver.act(prepared.nonce, ticket);
      const worked = effectOf(folder) !== "";
      const said = await repeat(times, async () => {
        const again = await at.prepare(at.driver, folder);
        return await acted(at.driver, again.nonce, ticket, folder);
      });
      return { worked, said };
    },
  },
  {
    id: "ticket-at-another-instance",
    run: async (times) => {
      const folder = at.fresh("free");
      const { prepared, ticket } = await at.permitted(folder);
      const said = await repeat(times, async () => {
        const other = await at.prepare(at.second, folder);
        return await acted(at.second, other.nonce, ticket, folder);
      });
      await at.driver.act(prepared.nonce, ticket);
      return { worked: effectOf(folder) !== "", said };
    },
  },
  {
    id: "ticket-concurrently",
    run: async (times) => {
      const folder = at.fresh("free");
      const { prepared, ticket } = await at.permitted(folder);
      const ends = await Promise.all(
        Array.from({ length: times + 1 }, () => at.driver.act(prepared.nonce, ticket)),
      );
      const confirmed = ends.filter(({ status }) => status === "confirmed").length;
      const worked = effectOf(folder) !== "" && confirmed >= 1;
      // One of them is the first use; every other confirmed one was accepted.
      const others = ends.map(({ status, code }) =>
        status === "confirmed" ? "" : `${status} ${code}`,
      );
      others.splice(others.indexOf(""), 1);
      return { worked, said: others };
    },
  },
];

const proposals = (at: Place): readonly Attack[] => [
  {
    id: "proposal-renumbered",
    run: async (times) => {
      const { prepared, verdict } = await at.permitted(at.fresh("free"));
      const said = await repeat(times, () => codeOf(at.world.propose(at.session, prepared)));
      return { worked: verdict === "allow", said };
    },
  },
  {
    id: "proposal-concurrently",
    run: async (times) => {
      const prepared = await at.prepare(at.driver, at.fresh("free"));
      const ends = await Promise.all(
        Array.from({ length: times + 1 }, () => codeOf(at.world.propose(at.session, prepared))),
      );
      const worked = ends.includes("");
      ends.splice(ends.indexOf(""), 1);
      return { worked, said: ends };
    },
  },
  {
    id: "proposal-of-another-session",
    run: async (times) => {
      const { prepared, verdict } = await at.permitted(at.fresh("free"));
      const other = await at.world.session("another");
      const said = await repeat(times, () => codeOf(at.world.propose(other, prepared)));
      return { worked: verdict === "allow", said };
    },
  },
];

const answers = (at: Place): readonly Attack[] => [
  {
    id: "approval-answered-again",
    run: async (times) => {
      const folder = at.fresh("asked");
      const asked = await at.permitted(folder);
      const signed = at.world.approval(await at.world.card(asked.approval));
      const first = await codeOf(at.world.person.decide(signed));
      const said = await repeat(times, () => codeOf(at.world.person.decide(signed)));
      return { worked: first === "", said };
    },
  },
  {
    id: "once-grant-used-again",
    run: async (times) => {
      const folder = at.fresh("asked");
      const asked = await at.permitted(folder);
      await at.world.person.decide(at.world.approval(await at.world.card(asked.approval)));
      const used = await at.permitted(folder);
      const said = await repeat(times, async () => {
        const { verdict } = await at.permitted(folder);
        return verdict === "allow" ? "" : verdict;
      });
      return { worked: asked.verdict === "ask" && used.verdict === "allow", said };
    },
  },
  {
    id: "approval-for-another-ask",
    run: async (times) => {
      const [one, two] = [at.fresh("asked"), at.fresh("asked")];
      const card = await at.world.card((await at.permitted(one)).approval);
      const signed = at.world.approval(card);
      const first = await codeOf(at.world.person.decide(signed));
      const other = await at.permitted(two);
      const said = await repeat(times, async () => {
        const statement = at.world.approval(await at.world.card(other.approval));
        return await codeOf(at.world.person.decide({ ...statement, signature: signed.signature }));
      });
      return { worked: first === "", said };
    },
  },
];

const outcomes = (at: Place): readonly Attack[] => [
  {
    id: "outcome-reported-again",
    run: async (times) => {
      const { prepared, ticket, counter } = await at.permitted(at.fresh("free"));
      const end = await at.driver.act(prepared.nonce, ticket);
      const report = () =>
        at.world.gate.gate.report({
          session: at.session,
          counter,
          status: "confirmed",
          reportedBy: "driver",
          outcome: end.outcome,
          outcomeSignature: end.outcomeSignature,
        });
      const first = await codeOf(report());
      const said = await repeat(times, () => codeOf(report()));
      return { worked: first === "" && end.status === "confirmed", said };
    },
  },
  {
    // A refusal gives its budget back: said for another ticket it would be a budget without end.
    id: "outcome-of-another-ticket",
    run: async (times) => {
      const first = await at.permitted(at.fresh("free"));
      const end = await at.driver.act(nodeCrypto.randomBytes(16), first.ticket);
      const said = await repeat(times, async () => {
        const { counter } = await at.permitted(at.fresh("free"));
        return await codeOf(
          at.world.gate.gate.report({
            session: at.session,
            counter,
            status: "refused",
            reportedBy: "driver",
            outcome: end.outcome,
            outcomeSignature: end.outcomeSignature,
          }),
        );
      });
      const { counter } = unwrap(schema.decode(outcomeSchema, end.outcome), "outcome");
      return { worked: counter === first.counter && end.status === "refused", said };
    },
  },
];

const judged = (id: string, worked: boolean, said: readonly string[]): SuiteCase => {
  const accepted = said.filter((each) => each === "").length;
  return {
    id: `replay-${id}`,
    outcome: accepted === 0 && said.length > 0 ? "passed" : "failed",
    expected: "every one of them refused",
    actual: `${accepted} of ${said.length} accepted (${[...new Set(said)].join(", ")})`,
    control: worked ? "harmed" : "harmless",
  };
};

/** After a restart of both: what one life permitted counts for nothing in the next. */
const afterRestart = async (folder: string, times: number) => {
  let at = await Place.open(folder);
  const target = at.fresh("free");
  const { ticket, verdict } = await at.permitted(target);
  const { session } = at;
  await at[Symbol.asyncDispose]();
  at = await Place.open(folder);
  await using place = at;
  const driver = await RealDriver.start(place.world, session);
  await using _driver = driver;
  const said = await repeat(times, async () => {
    const again = await place.prepare(driver, target);
    return await acted(driver, again.nonce, ticket, target);
  });
  return judged("ticket-of-an-earlier-life", verdict === "allow", said);
};

export const replays = async (
  times: number,
  progress: (text: string) => void,
): Promise<Replays> => {
  using scratch = new Scratch();
  const cases: SuiteCase[] = [];
  let total = 0;
  let replaysAccepted = 0;
  {
    await using at = await Place.open(scratch.folder("replays"));
    for (const attack of [...tickets(at), ...proposals(at), ...answers(at), ...outcomes(at)]) {
      progress(`replay: ${attack.id}`);
      const { worked, said } = await attack.run(times);
      total += said.length;
      replaysAccepted += said.filter((each) => each === "").length;
      cases.push(judged(attack.id, worked, said));
    }
  }
  progress("replay: a ticket of an earlier life");
  const restarted = await afterRestart(scratch.folder("lives"), times);
  total += times;
  if (restarted.outcome !== "passed") replaysAccepted++;
  return { cases: [...cases, restarted], replays: total, replaysAccepted };
};
