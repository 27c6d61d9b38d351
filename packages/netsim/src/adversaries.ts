/**
 * Malicious hosts, by name. Each has a sound Guardian, which it may ask for anything, and its links, on
 * which it may say anything; it cannot forge a signature.
 */
import type { SeededRandom } from "@ioi/base";
import type { GuardianRequest, HostRule } from "@ioi/consensus";
import { nothing } from "@ioi/consensus/testing";
import type { ConsensusMessage, DivergenceProof, Envelope } from "@ioi/wire";
import { lieNames, lied as liedAbout } from "./lies.ts";
import { heardMax } from "./limits.ts";
import type { Network } from "./network.ts";

export const adversaryNames = [
  "equivocator",
  "withholder",
  "liar",
  "twins",
  "flooder",
  "stale",
  "forger",
  "mutator",
] as const;
export type AdversaryName = (typeof adversaryNames)[number];

/** What such a host leaves out of its own rules. */
export const rulesWithout = (name: AdversaryName): readonly HostRule[] => {
  switch (name) {
    case "liar":
    case "mutator":
      return ["R2-lock", "R4-own-vote", "R5-nack", "R7-resend"];
    case "withholder":
      return ["R7-resend"];
    case "equivocator":
    case "twins":
    case "flooder":
    case "stale":
    case "forger":
      return [];
  }
};

interface Malice {
  readonly network: Network;
  readonly host: number;
  readonly random: SeededRandom;
  /** What it sent, the newest last. */
  readonly sent: ConsensusMessage[];
}

type Sends = (
  malice: Malice,
  to: number,
  message: ConsensusMessage,
) => ConsensusMessage | undefined;

const near = (view: bigint, random: SeededRandom): bigint => {
  const moved = view + BigInt(random.below(5)) - 2n;
  return moved < 1n ? 1n : moved;
};

/** What the Guardian is asked for, and says, in place of what it was to say. */
const signedAnew = ({ network, host, random }: Malice, envelope: Envelope): Envelope => {
  if (envelope.kind === "freeze") return envelope;
  const { view, digest, high, kind } = envelope;
  const request: GuardianRequest = {
    type: "sign",
    kind,
    view: near(view, random),
    digest,
    just: kind === "timeout" ? nothing : { ...high, view: near(high.view, random) - 1n },
    seen: random.chance(1, 2) ? high : { ...high, view: 0n },
  };
  const answer = network.node(host).signer.ask(request);
  return typeof answer === "string" ? envelope : answer;
};

const mutated = (malice: Malice, message: ConsensusMessage): ConsensusMessage => {
  const { random } = malice;
  switch (message.type) {
    case "vote":
    case "timeout":
      return { ...message, envelope: signedAnew(malice, message.envelope) };
    case "proposal": {
      const { block } = message;
      const header = { ...block.header, view: near(block.header.view, random) };
      return { ...message, block: { ...block, header } };
    }
    case "qc":
      return { ...message, qc: { ...message.qc, view: near(message.qc.view, random) } };
    case "tc":
      return { ...message, tc: { ...message.tc, view: near(message.tc.view, random) } };
    case "nack":
    case "fetch":
    case "block":
    case "divergence":
    case "freeze":
    case "guard":
    case "guarded":
      return message;
  }
};

/** Without its Guardian: what it declares does not fit what was signed. */
const lied = ({ random }: Malice, message: ConsensusMessage): ConsensusMessage => {
  if (message.type !== "vote" && message.type !== "timeout") return message;
  const { envelope } = message;
  const high = { ...envelope.high, view: near(envelope.high.view, random) };
  const justView = near(envelope.justView, random);
  return { ...message, envelope: { ...envelope, high, justView } };
};

const forged = ({ network, random, sent }: Malice): DivergenceProof | undefined => {
  const said = sent.flatMap((each) => ("envelope" in each ? [each.envelope] : []));
  if (said.length < 2) return undefined;
  const [first, second] = [random.pick(said), random.pick(said)];
  const victim = random.below(network.judge.set.size);
  const kind = random.pick(["K1", "K2", "K3", "K4", "K5", "K8"] as const);
  const registration = network.judge.set.registration(victim, network.judge.context.epoch);
  return { version: 1, kind, registration, first, second };
};

const sends: { readonly [name in AdversaryName]: Sends } = {
  equivocator: (_malice, to, message) => {
    if (message.type !== "proposal" || to % 2 === 0) return message;
    const { block } = message;
    const header = { ...block.header, timeMs: block.header.timeMs + 1 };
    return { ...message, block: { ...block, header } };
  },
  withholder: ({ random }, _to, message) => (random.chance(2, 3) ? undefined : message),
  liar: (malice, _to, message) => (malice.random.chance(1, 2) ? lied(malice, message) : message),
  // Its second host is what is malicious.
  twins: (_malice, _to, message) => message,
  flooder: ({ network, host, random, sent }, to, message) => {
    for (let i = 0; i < 3; i++) network.inject(to, random.pick(sent), host);
    return message;
  },
  stale: ({ random, sent }, _to, message) => (random.chance(1, 2) ? random.pick(sent) : message),
  forger: (malice, to, message) => {
    const proof = malice.random.chance(1, 4) ? forged(malice) : undefined;
    if (proof !== undefined) malice.network.inject(to, { type: "divergence", proof }, malice.host);
    return message;
  },
  mutator: (malice, _to, message) =>
    malice.random.chance(1, 3) ? mutated(malice, message) : message,
};

/** From now on those hosts are malicious. */
export const corrupt = (network: Network, hosts: ReadonlyMap<number, AdversaryName>): void => {
  const malices = new Map(
    [...hosts].map(([host, name]) => {
      const random = network.random.fork(`malice ${host}`);
      return [host, { name, malice: { network, host, random, sent: [] as ConsensusMessage[] } }];
    }),
  );
  const random = network.random.fork("lies");
  network.mangle = (from, to, message) => {
    const found = malices.get(from);
    if (found === undefined) return message;
    const { sent } = found.malice;
    if (sent.push(message) > heardMax) sent.shift();
    return sends[found.name](found.malice, to, message);
  };
  network.lie = (from, _to, chunk) => {
    const found = malices.get(from);
    if (found === undefined) return chunk;
    return liedAbout(random.pick(lieNames), random, chunk);
  };
  network.partLie = (from, _to, bytes) => {
    if (!malices.has(from)) return bytes;
    return random.chance(1, 3)
      ? undefined
      : bytes.with(random.below(bytes.length), random.below(256));
  };
};
