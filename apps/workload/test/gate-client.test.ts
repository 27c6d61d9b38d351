/** The way to the Guardian: TLS carried as frames, notices ahead of proposals, renewed when it ends. */
import assert from "node:assert/strict";
import fs from "node:fs";
import { duplexPair } from "node:stream";
import test from "node:test";
import { concatBytes, equalBytes, OperationError } from "@ioi/base";
import { domainHash, domains } from "@ioi/crypto";
import {
  issueCertificate,
  makeCertificateAuthority,
  nodeCrypto,
  wrapServer,
} from "@ioi/host/crypto";
import {
  bulkShape,
  makePlanes,
  type Planes,
  regionBytes,
  SharedRegion,
  takePlanes,
} from "@ioi/host/dataplane";
import { inheritedSocket } from "@ioi/host/process";
import { type CallContext, connect, implement, MessageQueue, serve, Tunnel } from "@ioi/host/rpc";
import { pb } from "@ioi/wire";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { GateClient } from "../src/gate-client.ts";
import { quiet } from "./doubles.ts";

type Frame = MessageInitShape<typeof pb.CarryFrameSchema>;

const authority = makeCertificateAuthority("test");
const workload = issueCertificate(authority, "workload");

interface Seen {
  readonly notices: pb.Notice[];
  readonly proposals: pb.ProposeRequest[];
  /** Every byte that the carrier saw. */
  readonly carried: Uint8Array[];
  /** Of those the pieces that stood in memory. */
  readonly bulk: Uint8Array[];
  /** Resolves at the connection of that number, from 1. */
  connected(count: number): Promise<void>;
}

/** The Orchestrator and the Guardian in one; `name` is on the Guardian's certificate. */
const otherSide = (
  name: string,
  planes?: { readonly ours: Planes; readonly theirs: Planes },
  onBulk: () => void = () => undefined,
): { readonly seen: Seen; readonly gate: GateClient } => {
  const connections = [1, 2].map(() => Promise.withResolvers<void>());
  let count = 0;
  const seen: Seen = {
    notices: [],
    proposals: [],
    carried: [],
    bulk: [],
    connected: async (number) => await connections[number - 1]?.promise,
  };
  const credentials = issueCertificate(authority, name);
  const gateService = implement(pb.Gate, {
    openSession: async () => ({ policyHash: new Uint8Array(32) }),
    propose: async (request) => {
      seen.proposals.push(request);
      return {
        verdict: "deny",
        reason: "no",
        receiptIndex: 3n,
        receiptLeafHash: new Uint8Array(32),
      };
    },
    preview: async () => ({}),
    report: async () => {
      throw new OperationError("E_OUTCOME_INVALID", "no ticket waits for an outcome");
    },
    async *watchDecisions() {
      yield { session: "s-1", approval: "a-1", approved: true };
    },
    describeTools: async () => ({}),
    answerUnsigned: async () => ({}),
    closeSession: async () => ({}),
  });
  async function* carry(frames: AsyncIterable<pb.CarryFrame>, context: CallContext) {
    connections[count]?.resolve();
    count += 1;
    const out = new MessageQueue<Frame>();
    const tunnel = new Tunnel((bytes) => out.push({ frame: { case: "tls", value: bytes } }));
    context.signal.addEventListener("abort", () => tunnel.finish());
    const receive = async (): Promise<void> => {
      for await (const { frame } of frames) {
        if (frame.case === "notice") seen.notices.push(frame.value);
        if (frame.case === "bulk") {
          onBulk();
          const bytes = await planes?.theirs.in?.take(frame.value);
          assert.ok(bytes !== undefined);
          seen.bulk.push(bytes);
          seen.carried.push(bytes);
          tunnel.receive(bytes);
        }
        if (frame.case !== "tls") continue;
        seen.carried.push(frame.value);
        tunnel.receive(frame.value);
      }
    };
    void receive().catch(() => out.finish());
    void wrapServer(tunnel, { credentials, peer: "workload" }).then(
      (socket) => serve(socket, [gateService]),
      () => out.finish(),
    );
    yield* out;
  }
  const [near, far] = duplexPair();
  serve(far, [implement(pb.Carry, { carry })]);
  const gate = new GateClient({
    carrier: connect(near),
    credentials: workload,
    log: quiet,
    ...(planes === undefined ? {} : { planes: planes.ours }),
  });
  return { seen, gate };
};

const proposal = {
  session: "s-1",
  sequence: 7,
  action: new TextEncoder().encode("canary-4711"),
  prepared: new Uint8Array(8),
  preparedSignature: new Uint8Array(64),
  headless: false,
} as const;

test("a proposal is numbered by its commitment, and its carrier cannot read it", async () => {
  const { seen, gate } = otherSide("guardian");
  const { signal } = new AbortController();
  const verdict = await gate.propose(proposal, signal);
  assert.equal(verdict.verdict, "deny");
  assert.equal(verdict.receipt?.index, 3n);
  const [notice] = seen.notices;
  const [request] = seen.proposals;
  assert.ok(notice !== undefined && request !== undefined);
  assert.deepEqual([notice.session, notice.sequence, notice.length], ["s-1", 7n, 11]);
  const opened = concatBytes(request.salt, request.action);
  assert.ok(equalBytes(notice.commitment, domainHash(nodeCrypto, domains.proposal, opened)));
  assert.ok(!Buffer.concat(seen.carried).includes("canary-4711"));
  // The control: the same bytes are there where they are meant to be.
  assert.ok(Buffer.from(request.action).includes("canary-4711"));
  gate.close();
});

test("sessions, decisions and rejections keep their meaning over the tunnel", async () => {
  const { gate } = otherSide("guardian");
  const { signal } = new AbortController();
  const opened = await gate.openSession("s-1", signal);
  assert.equal(opened.profiles.size, 0);
  for await (const decision of gate.decisions(signal)) {
    assert.deepEqual([decision.approval, decision.approved], ["a-1", true]);
    break;
  }
  const report = {
    session: "s-1",
    counter: 1n,
    status: "confirmed",
    reportedBy: "workload",
  } as const;
  await assert.rejects(gate.report(report, signal), (error) => {
    assert.ok(error instanceof OperationError);
    assert.deepEqual([error.code, error.retryable], ["E_OUTCOME_INVALID", false]);
    return true;
  });
  gate.close();
});

test("a peer that is not the guardian is never spoken to", async () => {
  const { seen, gate } = otherSide("orchestrator");
  const { signal } = new AbortController();
  const asked = gate.propose(proposal, signal).catch((error: unknown) => error);
  // The second connection begins only after the first was refused.
  await seen.connected(2);
  assert.equal(seen.proposals.length, 0);
  assert.ok(!Buffer.concat(seen.carried).includes("canary-4711"));
  gate.close();
  const error = await asked;
  assert.ok(error instanceof OperationError);
  assert.ok(["E_GATE_UNAVAILABLE", "E_RPC_CANCELLED"].includes(error.code), error.code);
});

/** Memory between both, and a third view of what the Workload writes. */
const sharedMemory = () => {
  const [near, far] = makePlanes("ioi-test-gate");
  const seen = fs.openSync(`/proc/self/fd/${near.outMemory}`, "r+");
  return {
    hostile: SharedRegion.open(seen, regionBytes(bulkShape)),
    planes: {
      ours: takePlanes(near, inheritedSocket, quiet),
      theirs: takePlanes(far, inheritedSocket, quiet),
    },
  };
};
const end = ({ ours, theirs }: { readonly ours: Planes; readonly theirs: Planes }): void => {
  for (const each of [ours, theirs]) {
    each.out?.close();
    each.in?.close();
  }
};
const largeProposal = {
  ...proposal,
  action: new Uint8Array(200_000).fill(7),
};

test("a large proposal goes through memory, sealed all the same; a small one does not", async () => {
  const { planes } = sharedMemory();
  const { seen, gate } = otherSide("guardian", planes);
  const { signal } = new AbortController();
  assert.equal((await gate.propose(proposal, signal)).verdict, "deny");
  assert.equal(seen.bulk.length, 0);
  assert.equal((await gate.propose(largeProposal, signal)).verdict, "deny");
  assert.ok(equalBytes(seen.proposals[1]?.action ?? new Uint8Array(), largeProposal.action));
  assert.ok(Buffer.concat(seen.bulk).length > 190_000);
  assert.ok(!Buffer.concat(seen.bulk).includes(new Uint8Array(64).fill(7)));
  gate.close();
  end(planes);
});

test("memory that is changed on the way costs that proposal; the next goes as frames", async () => {
  const { planes, hostile } = sharedMemory();
  let scribbles = false;
  const { seen, gate } = otherSide("guardian", planes, () => {
    if (scribbles) hostile.bytes.fill(1, 65_536);
  });
  const { signal } = new AbortController();
  await seen.connected(1);
  scribbles = true;
  await assert.rejects(gate.propose(largeProposal, signal));
  assert.equal(seen.proposals.length, 0);
  await seen.connected(2);
  assert.equal((await gate.propose(largeProposal, signal)).verdict, "deny");
  assert.ok(equalBytes(seen.proposals[0]?.action ?? new Uint8Array(), largeProposal.action));
  assert.equal(seen.bulk.length, 0);
  gate.close();
  end(planes);
});
