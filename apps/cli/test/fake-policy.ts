/** The policy's service over a text in memory; cards are as the Guardian's, hashes real. */
import { OperationError, utf8Encode } from "@ioi/base";
import { domainBytes, domainHash, domains } from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";
import { implement } from "@ioi/host/rpc";
import { pb, policyStatement, schema } from "@ioi/wire";

const hashOf = (text: string): Uint8Array =>
  domainHash(nodeCrypto, domains.policyText, utf8Encode(text));

const json = async () => ({ json: "{}" });

interface FakeChange {
  readonly id: string;
  readonly card: string;
  readonly cardHash: Uint8Array;
  readonly statement: Uint8Array;
  readonly before: Uint8Array;
  readonly after: Uint8Array;
  readonly expiresMs: bigint;
}

export class FakePolicy {
  text = "version = 1\n";
  origin = "first";
  /** What the card says; the hash is of `signedCard`, where that is another. */
  card = "Put another text in force\n\u001b[31m";
  signedCard: string | undefined;
  readonly waiting: { readonly change: FakeChange; readonly text: string }[] = [];
  readonly saved: string[] = [];

  #propose(text: string, base: Uint8Array): FakeChange {
    const cardHash = domainHash(nodeCrypto, domains.card, utf8Encode(this.signedCard ?? this.card));
    const before = hashOf(this.text);
    if (Buffer.compare(before, base) !== 0) {
      throw new OperationError("E_POLICY_BASE", "another text is in force");
    }
    const after = hashOf(text);
    const change = {
      id: `p-${this.waiting.length}${this.saved.length}`,
      card: this.card,
      cardHash,
      statement: schema.encode(policyStatement, { version: 1, before, after, cardHash }),
      before,
      after,
      expiresMs: 1_700_000_000_000n,
    };
    this.waiting.push({ change, text });
    return change;
  }

  #take(id: string): string | undefined {
    const at = this.waiting.findIndex(({ change }) => change.id === id);
    return this.waiting.splice(at, at === -1 ? 0 : 1)[0]?.text;
  }

  service(): ReturnType<typeof implement> {
    return implement(pb.Policy, {
      getPolicy: async () => ({
        text: this.text,
        textHash: hashOf(this.text),
        policyHash: new Uint8Array(32).fill(7),
        origin: this.origin,
      }),
      checkPolicy: json,
      testPolicy: json,
      tryPolicy: json,
      diffPolicy: json,
      explainPolicy: json,
      learnPolicy: json,
      shadowPolicy: json,
      policyWords: json,
      proposePolicy: async ({ text, baseHash }) => ({ change: this.#propose(text, baseHash) }),
      listPolicyChanges: async () => ({ changes: this.waiting.map(({ change }) => change) }),
      savePolicy: async ({ statement, signature, device }) => {
        const bytes = domainBytes(domains.policyChange, statement);
        const found = this.waiting.find(
          ({ change }) => Buffer.compare(change.statement, statement) === 0,
        );
        if (!nodeCrypto.verify("ed25519", device, bytes, signature) || found === undefined) {
          throw new OperationError("E_DEVICE_SIGNATURE", "it does not fit");
        }
        this.text = this.#take(found.change.id) ?? "";
        this.saved.push(this.text);
        return { receiptIndex: 4n, policyHash: new Uint8Array(32).fill(8) };
      },
      withdrawPolicy: async ({ id }) => ({ withdrawn: this.#take(id) !== undefined }),
      policyHistory: async () => ({
        versions: this.saved.map((text) => ({
          receiptIndex: 4n,
          atMs: 1_700_000_000_000n,
          before: new Uint8Array(32),
          after: hashOf(text),
          policyHash: new Uint8Array(32).fill(8),
          device: "the terminal",
          kept: true,
        })),
      }),
    });
  }
}
