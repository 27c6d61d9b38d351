/** The Workload's way to the Guardian, through the real Orchestrator: TLS in frames, numbers beside. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { concatBytes, OperationError } from "@ioi/base";
import { domainHash, domains } from "@ioi/crypto";
import { type Credentials, nodeCrypto, wrapClient } from "@ioi/host/crypto";
import { type Channel, client, type Client, connect, MessageQueue, Tunnel } from "@ioi/host/rpc";
import { pb } from "@ioi/wire";

type Frame = MessageInitShape<typeof pb.CarryFrameSchema>;

export interface ProposalGiven {
  readonly session: string;
  readonly sequence: bigint;
  readonly action: Uint8Array;
  readonly prepared: Uint8Array;
  readonly preparedSignature: Uint8Array;
  readonly headless: boolean;
}

export class LimitsGate {
  readonly #channel: Channel;
  readonly #notices: Frame[];
  readonly gate: Client<typeof pb.Gate>;

  private constructor(channel: Channel, notices: Frame[]) {
    this.#channel = channel;
    this.#notices = notices;
    this.gate = client(pb.Gate, channel);
  }

  static async open(carrier: Channel, credentials: Credentials): Promise<LimitsGate> {
    const frames = new MessageQueue<Frame>();
    const notices: Frame[] = [];
    const tunnel = new Tunnel((bytes) => {
      for (const notice of notices.splice(0)) frames.push(notice);
      frames.push({ frame: { case: "tls", value: bytes } });
    });
    // When it is closed, what is still written to it goes nowhere.
    tunnel.on("error", () => undefined);
    const carry = async (): Promise<void> => {
      try {
        const arriving = client(pb.Carry, carrier).carry(frames, {
          deadlineMs: Number.POSITIVE_INFINITY,
        });
        for await (const { frame } of arriving) {
          if (frame.case === "tls") tunnel.receive(frame.value);
        }
      } catch (error) {
        // Both ends are killed on purpose.
        if (!(error instanceof OperationError)) throw error;
      } finally {
        tunnel.finish();
      }
    };
    void carry();
    const socket = await wrapClient(tunnel, { credentials, peer: "guardian" });
    return new LimitsGate(connect(socket), notices);
  }

  /** The number leaves with the proposal, before it. */
  async propose(given: ProposalGiven): Promise<pb.ProposeReply> {
    const salt = nodeCrypto.randomBytes(32);
    const { session, sequence, action } = given;
    const commitment = domainHash(nodeCrypto, domains.proposal, concatBytes(salt, action));
    const value = { session, sequence, length: action.length, commitment };
    this.#notices.push({ frame: { case: "notice", value } });
    return await this.gate.propose({ ...given, salt }, { deadlineMs: 60_000 });
  }

  close(): void {
    this.#channel.close();
  }
}
