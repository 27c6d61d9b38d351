/**
 * Requests before the third enforcer: egress carries what a ticket was given for and nothing else, so
 * that what the policy refuses leaves under no ticket, and its name is not even looked up.
 */
import http from "node:http";
import { once } from "node:events";
import type net from "node:net";
import type { SeededRandom } from "@ioi/base";
import type { Action } from "@ioi/wire";
import type { RealEgress } from "./egress.ts";
import { note, type Tally } from "./executed.ts";
import type { Judge } from "./judge.ts";

export const hosts: readonly string[] = [0, 1, 2, 3, 4, 5].map((at) => `h${at}.example.test`);

/** Some of the hosts. */
export const someHosts = (random: SeededRandom): readonly string[] =>
  hosts.filter(() => random.below(3) === 0);

/** Carries its requests out of a policy's hands: refused ones that a mad Guardian gave a ticket. */
export const runNet = async (judge: Judge, egress: RealEgress, tally: Tally): Promise<number> => {
  const server = http.createServer((_request, response) => response.end("here"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  const urlOf = (host: string): string => `http://${host}:${port}/`;
  const actionOf = (host: string): Action => ({
    version: 1,
    target: "net::get",
    args: { url: urlOf(host) },
    facts: {},
  });
  const decisions = hosts.map((host) => ({ host, decision: judge.decide(actionOf(host)) }));
  const allowed = decisions.filter(({ decision }) => decision.verdict === "allow");
  const refused = decisions.filter(({ decision }) =>
    decision.rules.some(({ effect, tier }) => effect === "deny" && tier === "user"),
  );
  let harm = 0;
  try {
    for (const { host } of allowed) {
      const code = await egress.fetch(actionOf(host), urlOf(host));
      tally.executed++;
      if (code === "ok") continue;
      tally.refusedDespiteAllow++;
      note(tally, `egress: ${host} is allowed, and ${code}`);
    }
    for (const { host } of refused) {
      const [other] = allowed;
      tally.executed++;
      tally.denied++;
      const before = egress.lookedUp.filter((name) => name === host).length;
      const code =
        other === undefined ? "no ticket" : await egress.fetch(actionOf(other.host), urlOf(host));
      const asked = egress.lookedUp.filter((name) => name === host).length - before;
      if (code === "ok" || asked > 0) {
        tally.admittedDespiteDeny++;
        note(tally, `egress: ${host} is refused, and ${code}, looked up ${asked} times`);
      }
      // The control: with a ticket of its own it would leave.
      if ((await egress.fetch(actionOf(host), urlOf(host))) === "ok") harm++;
    }
  } finally {
    server.closeAllConnections();
    server.close();
  }
  return harm;
};
