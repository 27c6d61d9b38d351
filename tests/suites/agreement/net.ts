/**
 * Requests before the third enforcer: egress carries what a ticket was given for and nothing else, so
 * that what the policy refuses leaves under no ticket, and its name is not even looked up.
 */
import type { SeededRandom } from "@ioi/base";
import {
  codeOf,
  fetchWith,
  ok,
  rawServer,
  requestOf,
  worldOf,
} from "../../../apps/egress/test/support.ts";
import { note, type Tally } from "./executed.ts";
import type { Judge } from "./judge.ts";

export const hosts: readonly string[] = [0, 1, 2, 3, 4, 5].map((at) => `h${at}.example.test`);

/** Some of the hosts. */
export const someHosts = (random: SeededRandom): readonly string[] =>
  hosts.filter(() => random.below(3) === 0);

export interface NetTally {
  carried: number;
  /** The control: a refused request with a ticket of its own, as a mad Guardian would give it. */
  harm: number;
}

export const runNet = async (judge: Judge, tally: Tally): Promise<NetTally> => {
  await using server = await rawServer((socket) => socket.end(ok("here")));
  const names = Object.fromEntries(hosts.map((host) => [host, ["127.0.0.1"]]));
  const urlOf = (host: string): string => `http://${host}:${server.port}/`;
  const verdictOf = (host: string) =>
    judge.decide({ version: 1, target: "net::get", args: { url: urlOf(host) }, facts: {} });
  const allowed = hosts.filter((host) => verdictOf(host).verdict === "allow");
  const refused = hosts.filter((host) =>
    verdictOf(host).rules.some(({ effect, tier }) => effect === "deny" && tier === "user"),
  );
  let harm = 0;
  for (const host of allowed) {
    const world = worldOf({ classes: ["loopback"], names });
    const code = await codeOf(fetchWith(world, requestOf({ url: urlOf(host) })));
    tally.executed++;
    if (code === "ok") continue;
    tally.refusedDespiteAllow++;
    note(tally, `egress: ${host} is allowed, and ${code}`);
  }
  for (const host of refused) {
    const world = worldOf({ classes: ["loopback"], names });
    const [other] = allowed;
    tally.executed++;
    tally.denied++;
    if (other !== undefined) {
      const request = requestOf({ url: urlOf(other), ask: { url: urlOf(host) } });
      const code = await codeOf(fetchWith(world, request));
      if (code === "ok" || world.lookedUp.length > 0) {
        tally.admittedDespiteDeny++;
        note(
          tally,
          `egress: ${host} is refused, and ${code}, looked up ${world.lookedUp.join(" ")}`,
        );
      }
    }
    const mad = await codeOf(fetchWith(world, requestOf({ url: urlOf(host) })));
    if (mad === "ok") harm++;
  }
  return { carried: allowed.length, harm };
};
