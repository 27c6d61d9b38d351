/**
 * The window of evidence (R8), tried: a Guardian votes too late to be in any certificate, every honest host
 * crashes, and then a copy of it votes for another block. That late vote is all that speaks against it, and
 * the log that an engine starts from has certificates only.
 */
import { assert } from "@ioi/base";
import { anchorCert, tenureViews } from "@ioi/consensus";
import {
  blockOn,
  digestOf,
  genesis,
  member,
  Signer,
  type TestProvider,
} from "@ioi/consensus/testing";
import type { ConsensusMessage } from "@ioi/wire";
import { Network } from "./network.ts";
import type { NetworkOptions } from "./options.ts";

/** Of four validators; the last one has the copy. */
const honest = [0, 1, 2];
const offender = 3;
/** They have committed so much, and are still near enough to the offence to listen. */
const blocks = 5;

/** How it is after the copy's vote was heard. */
export const runRemembered = async (
  seed: string,
  provider: TestProvider,
  options: Partial<NetworkOptions> = {},
): Promise<Network> => {
  const members = Array.from({ length: 4 }, (_, index) => member(`${index}`, 1n));
  const network = new Network({
    members,
    seed,
    provider,
    engine: { leaders: { views: tenureViews, leader: () => 0 } },
    ...options,
  });
  const { judge, random } = network;
  const own = members[offender];
  assert(own !== undefined, "the offender");
  let late: ConsensusMessage | undefined;
  network.mangle = (from, _to, message) => {
    if (from !== offender) return message;
    if (message.type === "vote") late ??= message;
    return undefined;
  };
  network.demand(true);
  await network.run(5000, () => network.least(honest) >= blocks);
  assert(late !== undefined, "it voted");
  network.stop(offender);
  network.demand(false);
  for (const host of honest) network.inject(host, late, offender);
  await network.run(50);
  for (const host of random.shuffle([...honest])) {
    await network.run(random.below(40));
    network.crash(host, 20 + random.below(200));
  }
  await network.run(400);
  const first = anchorCert(judge.context, genesis);
  const rival = blockOn(judge, genesis, first, 1n, { payloadRoot: digestOf(9) });
  const envelope = new Signer(judge, own, provider).vote(rival);
  for (const host of honest) network.inject(host, { type: "vote", envelope }, offender);
  await network.run(500);
  return network;
};
