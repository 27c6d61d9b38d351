/** `Person` over RPC: what a person's own programs may ask of the Guardian. */
import { fromHex, OperationError } from "@ioi/base";
import { type GuardianCore, memoryCheckpoint, type PersonSide } from "@ioi/guardian";
import { type Implementation, implement } from "@ioi/host/rpc";
import { decisionStatement, pb, schema } from "@ioi/wire";
import type { Anchors } from "./anchors.ts";

const indexOf = (value: bigint): number => {
  if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  throw new OperationError("E_RPC_MALFORMED", "an index beyond 2^53");
};

const checkpointOfMemory = (core: GuardianCore) => {
  const { note, state } = memoryCheckpoint(core);
  return {
    note,
    store: fromHex(state.store) ?? new Uint8Array(0),
    commit: BigInt(state.commit),
    size: BigInt(state.size),
    root: state.root,
    indexRoot: state.indexRoot ?? new Uint8Array(0),
    atMs: BigInt(state.atMs),
  };
};

const memoryPart = ({ ledger }: GuardianCore) => {
  const { newest } = ledger.memory;
  if (newest === undefined) return {};
  const { store, size, isBroken } = newest;
  const bytes = fromHex(store) ?? new Uint8Array(0);
  return { memory: { store: bytes, size: BigInt(size), rolledBack: isBroken } };
};

export const personService = (
  core: GuardianCore,
  person: PersonSide,
  anchors: Anchors,
): Implementation =>
  implement(pb.Person, {
    utter: async (request) => {
      const uttered = await person.utter(request);
      core.ports.log.log("info", "person.uttered", { session: uttered.session });
      return uttered;
    },
    listApprovals: async () => ({
      approvals: person.approvals().map((card) => ({
        ...card,
        asks: card.asks.map(({ kind, id }) => ({ kind, id })),
        createdMs: BigInt(card.createdMs),
        expiresMs: BigInt(card.expiresMs),
      })),
    }),
    decide: async (request) => {
      const { index } = await person.decide(request);
      const statement = schema.decode(decisionStatement, request.statement);
      if (statement.ok) {
        const { session, approval, decision, scope } = statement.value;
        const fields = { session, approval, decision, scope, receipt: index };
        core.ports.log.log("info", "person.decided", fields);
      }
      return { receiptIndex: BigInt(index) };
    },
    revoke: async ({ session, reason }) => {
      await person.revoke(session, reason);
      return {};
    },
    listReceipts: async ({ from, limit, session }) => ({
      receipts: (await person.receipts(indexOf(from), limit, session)).map((receipt) => ({
        index: BigInt(receipt.index),
        leafHash: receipt.hash,
        leaf: receipt.encoded,
        display: receipt.display,
        requests: receipt.requests,
      })),
      size: BigInt(core.receipts.size),
    }),
    checkpoint: async () => {
      const { note, size, root } = await anchors.take();
      return { note, size: BigInt(size), root };
    },
    memoryCheckpoint: async () => checkpointOfMemory(core),
    guardianStatus: async () => {
      const policy = core.policy();
      let open = 0;
      for (const session of core.ledger.sessions.values()) if (session.closed === undefined) open++;
      return {
        identity: core.keys.identity.publicKey,
        bootId: core.keys.bootId,
        policyHash: policy?.hash ?? new Uint8Array(0),
        policyError: core.policyError(),
        logSize: BigInt(core.receipts.size),
        pendingApprovals: person.approvals().length,
        anchor: "software (no rollback protection)",
        durable: core.receipts.durable,
        openSessions: open,
        ...memoryPart(core),
      };
    },
  });
