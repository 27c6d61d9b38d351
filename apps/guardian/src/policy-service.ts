/** `Policy` over RPC: the person reads, tries and changes the policy. */
import { OperationError, toHex } from "@ioi/base";
import type { GuardianCore, PolicyChange, PolicySide } from "@ioi/guardian";
import { vocabulary } from "@ioi/firewall";
import { type Implementation, implement } from "@ioi/host/rpc";
import { pb } from "@ioi/wire";

const none = new Uint8Array(0);

const indexOf = (value: bigint): number => {
  if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  throw new OperationError("E_RPC_MALFORMED", "an index beyond 2^53");
};

/** As JSON has it: bytes as hex, 64-bit numbers as text. */
const jsonOf = (value: unknown): string =>
  JSON.stringify(value, (_key, each: unknown) => {
    if (typeof each === "bigint") return String(each);
    return each instanceof Uint8Array ? toHex(each) : each;
  });

const changeMessage = (change: PolicyChange) => ({
  id: change.id,
  card: change.card,
  cardHash: change.cardHash,
  statement: change.statement,
  before: change.before,
  after: change.after,
  createdMs: BigInt(change.createdMs),
  expiresMs: BigInt(change.expiresMs),
  notWider: change.notWider,
});

const textReply = async (side: PolicySide, given: string) => {
  const present = await side.now();
  const { policyHash, error, origin, rules } = present;
  const shown =
    given === ""
      ? { text: present.text, hash: present.textHash }
      : await side.earlier(given.toLowerCase());
  return {
    text: shown.text,
    textHash: shown.hash,
    policyHash: policyHash ?? none,
    tier: "user",
    file: "policy.toml",
    error,
    origin,
    rules,
  };
};

export const policyService = (core: GuardianCore, side: PolicySide): Implementation => {
  const { log } = core.ports;
  return implement(pb.Policy, {
    getPolicy: async ({ textHash }) => await textReply(side, textHash),
    checkPolicy: async ({ text }) => ({ json: jsonOf(await side.check(text)) }),
    testPolicy: async ({ text, tests }) => ({ json: jsonOf(await side.test(text, tests)) }),
    tryPolicy: async ({ text, target, arguments: args, words, headless }) => ({
      json: jsonOf(await side.tryAction(text, { target, arguments: args, words, headless })),
    }),
    diffPolicy: async ({ before, after }) => ({ json: jsonOf(await side.diff(before, after)) }),
    explainPolicy: async ({ text, receipt, session, action }) => {
      const wanted = session === "" ? { receipt: indexOf(receipt) } : { session, action };
      return { json: jsonOf(await side.explain(text, wanted)) };
    },
    learnPolicy: async ({ text, sessions }) => ({ json: jsonOf(await side.learn(text, sessions)) }),
    shadowPolicy: async ({ text }) => ({ json: jsonOf(await side.shadow(text)) }),
    proposePolicy: async ({ text, baseHash }) => {
      const change = await side.propose(text, baseHash);
      log.log("info", "policy.proposed", { change: change.id });
      return { change: changeMessage(change) };
    },
    policyWords: async () => ({ json: JSON.stringify(vocabulary()) }),
    listPolicyChanges: async () => ({ changes: side.changes().map(changeMessage) }),
    savePolicy: async (request) => {
      const { index, policyHash, textHash } = await side.save(request);
      log.log("info", "policy.saved", { receipt: index, policyHash: toHex(policyHash) });
      return { receiptIndex: BigInt(index), policyHash, textHash };
    },
    withdrawPolicy: async ({ id }) => {
      const withdrawn = side.withdraw(id);
      if (withdrawn) log.log("info", "policy.withdrawn", { change: id });
      return { withdrawn };
    },
    policyHistory: async () => ({
      versions: (await side.history()).map(({ index, leaf, device, kept }) => ({
        receiptIndex: BigInt(index),
        atMs: BigInt(leaf.atMs),
        before: leaf.before,
        after: leaf.after,
        policyHash: leaf.policyHash,
        device,
        kept,
      })),
    }),
  });
};
