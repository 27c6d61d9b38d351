/** Attacks on the answer itself: who signs it, what it says, how often it counts. */
import { decisionStatement, schema, type DecisionStatement } from "@ioi/wire";
import { BrowserKey, pairAtTerminal, revokeAtTerminal } from "../../lib/device-keys.ts";
import type { CallResult, Json } from "../../lib/page-client.ts";
import type { Attack, Tried } from "./attack.ts";
import { type AskedCard, type Ground, within } from "./ground.ts";

const show = ({ status, code, json }: CallResult): string =>
  `${status} ${code} ${JSON.stringify(json["message"] ?? "")}`;

const pairedKey = async (ground: Ground): Promise<BrowserKey> => {
  const key = new BrowserKey();
  const code = await key.offer(ground.page);
  await pairAtTerminal(ground.data, key.device, code);
  return key;
};

const waits = async (ground: Ground, { id }: AskedCard): Promise<boolean> =>
  (await ground.waiting()).some((card) => card.id === id);

/** One key and one card for all that must leave the card waiting, and the right answer at hand. */
class Bench {
  readonly key: BrowserKey;
  /** An answer given rightly counts: asked once, since it takes its card away. */
  readonly control: boolean;
  #card: AskedCard | undefined;

  private constructor(key: BrowserKey, control: boolean) {
    this.key = key;
    this.control = control;
  }

  static async of(ground: Ground): Promise<Bench> {
    const known = benches.get(ground);
    if (known !== undefined) return known;
    const key = await pairedKey(ground);
    const card = await ground.ask();
    const { status } = await ground.page.cards("Decide", key.decision(card.once));
    const bench = new Bench(key, status === 200 && !(await waits(ground, card)));
    benches.set(ground, bench);
    return bench;
  }

  /** The card that waits; a new one where an attack took it. */
  async card(ground: Ground): Promise<AskedCard> {
    if (this.#card === undefined || !(await waits(ground, this.#card))) {
      this.#card = await ground.ask();
    }
    return this.#card;
  }
}

const benches: WeakMap<Ground, Bench> = new WeakMap();

/** The attack leaves the card waiting; the same answer given rightly takes one away. */
const against = async (
  ground: Ground,
  attack: (card: AskedCard, key: BrowserKey) => Promise<Json>,
  code = "E_APPROVAL_INVALID",
): Promise<Tried> => {
  const bench = await Bench.of(ground);
  const card = await bench.card(ground);
  const tried = await ground.page.cards("Decide", await attack(card, bench.key));
  const stays = await waits(ground, card);
  return {
    expected: `${code}, and the card waits on`,
    refused: tried.code === code && stays,
    actual: `${show(tried)}; waits ${stays}`,
    control: bench.control,
  };
};

/** The canonical statement, changed and encoded again. */
const changed = (card: AskedCard, changes: Partial<DecisionStatement>): string => {
  const decoded = schema.decode(decisionStatement, Buffer.from(card.once, "base64"));
  if (!decoded.ok) throw new Error(decoded.error.message);
  const encoded = schema.encode(decisionStatement, { ...decoded.value, ...changes });
  return Buffer.from(encoded).toString("base64");
};

export const answerAttacks: readonly Attack<Ground>[] = [
  {
    id: "key-nobody-paired",
    run: (ground) =>
      against(ground, async (card) => {
        const stranger = new BrowserKey();
        await stranger.offer(ground.page);
        return stranger.decision(card.once);
      }),
  },
  {
    id: "key-revoked",
    run: (ground) =>
      against(ground, async (card) => {
        const revoked = await pairedKey(ground);
        await revokeAtTerminal(ground.data, revoked.device);
        return revoked.decision(card.once);
      }),
  },
  {
    id: "key-of-another",
    run: (ground) =>
      against(ground, async (card, key) => {
        const stranger = new BrowserKey();
        return stranger.decision(card.once, {
          device: Buffer.from(key.device).toString("base64"),
        });
      }),
  },
  {
    id: "nothing-signed",
    run: (ground) =>
      against(ground, async (card, key) => key.decision(card.once, { signature: "" })),
  },
  {
    id: "card-forged",
    run: (ground) =>
      against(ground, async (card, key) =>
        key.decision(changed(card, { cardHash: new Uint8Array(32).fill(1) })),
      ),
  },
  {
    id: "action-swapped",
    run: (ground) =>
      against(ground, async (card, key) =>
        key.decision(changed(card, { actionId: new Uint8Array(32).fill(1) })),
      ),
  },
  {
    id: "policy-swapped",
    run: (ground) =>
      against(ground, async (card, key) =>
        key.decision(changed(card, { policyHash: new Uint8Array(32).fill(1) })),
      ),
  },
  {
    id: "answered-more-than-asked",
    run: (ground) =>
      against(ground, async (card, key) =>
        key.decision(changed(card, { discharges: [{ kind: "rule", id: "another" }] })),
      ),
  },
  {
    id: "denial-as-approval",
    run: (ground) =>
      against(ground, async (card, key) =>
        key.decision(card.once, { signature: key.decision(card.deny).signature }),
      ),
  },
  {
    id: "scope-as-approval",
    run: (ground) =>
      against(
        ground,
        async (card, key) => ({ ...key.decision(card.once), kind: "scope", id: card.session }),
        "E_CONSOLE_PLAN_GONE",
      ),
  },
  {
    id: "decision-replayed",
    run: async (ground) => {
      const key = await pairedKey(ground);
      const first = await ground.ask();
      const answer = key.decision(first.once);
      const given = await ground.page.cards("Decide", answer);
      const again = await ground.page.cards("Decide", answer);
      // The same question anew: the old answer is none to it.
      const next = await ground.ask();
      const onNext = await ground.page.cards("Decide", { ...answer, id: next.id });
      const stays = await waits(ground, next);
      await ground.page.cards("Decide", key.decision(next.deny));
      return {
        expected: "E_APPROVAL_UNKNOWN, twice",
        refused:
          again.code === "E_APPROVAL_UNKNOWN" && onNext.code === "E_APPROVAL_UNKNOWN" && stays,
        actual: `${show(again)}; on the next ${show(onNext)}`,
        control: given.status === 200,
      };
    },
  },
  {
    id: "two-tabs-answer",
    run: async (ground) => {
      const key = await pairedKey(ground);
      const card = await ground.ask();
      const answers = await Promise.all([
        ground.page.cards("Decide", key.decision(card.once)),
        ground.page.cards("Decide", key.decision(card.deny)),
      ]);
      const counted = answers.filter(({ status }) => status === 200).length;
      return {
        expected: "one of the two counts",
        refused: counted === 1,
        actual: answers.map(show).join("; "),
      };
    },
  },
  {
    id: "pairing-code-guessed",
    run: async (ground) => {
      const key = new BrowserKey();
      const code = await key.offer(ground.page);
      let wrong = 0;
      for (let guess = 0; wrong < 10; guess++) {
        const guessed = String(guess).padStart(6, "0");
        if (guessed === code) continue;
        await pairAtTerminal(ground.data, key.device, guessed).catch(() => undefined);
        wrong++;
      }
      const late = await pairAtTerminal(ground.data, key.device, code).then(
        () => "paired",
        (error: unknown) => String((error as { readonly code?: unknown }).code),
      );
      const again = await key.offer(ground.page);
      const control = await pairAtTerminal(ground.data, key.device, again).then(
        () => true,
        () => false,
      );
      if (control) await revokeAtTerminal(ground.data, key.device);
      return {
        expected: "E_DEVICE_CODE, though it is the right one, after ten wrong ones",
        refused: late === "E_DEVICE_CODE",
        actual: late,
        control,
      };
    },
  },
  {
    id: "answer-after-stop",
    run: async (ground) => {
      const key = await pairedKey(ground);
      const card = await ground.ask();
      await ground.page.call("Stop", { session: card.session });
      const late = await ground.page.cards("Decide", key.decision(card.once));
      const state = await within("an end", () => ground.state(card.session));
      const refused = late.code === "E_APPROVAL_UNKNOWN" || late.code === "E_SESSION_CLOSED";
      return {
        expected: "the answer counts no more, the session is stopped",
        refused: refused && state === "stopped",
        actual: `${show(late)}; ${state}`,
      };
    },
  },
];
