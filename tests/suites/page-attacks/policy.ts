/** Attacks on the policy through the page: who may propose another text, and who may put it in force. */
import fs from "node:fs";
import path from "node:path";
import { domains } from "@ioi/crypto";
import { policyStatement, schema } from "@ioi/wire";
import { atTerminal, BrowserKey, pairAtTerminal } from "../../lib/device-keys.ts";
import type { Answered, CallResult, Json } from "../../lib/page-client.ts";
import type { Attack, Tried } from "./attack.ts";
import type { Ground } from "./ground.ts";

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");

const show = ({ status, code, json }: CallResult): string =>
  `${status} ${code} ${JSON.stringify(json["message"] ?? "").slice(0, 200)}`;

const file = (ground: Ground): string =>
  fs.readFileSync(path.join(ground.data, "guardian/policy.toml"), "utf8");

let edits = 0;

/** The text in force with one comment more, as the page would propose it. */
const proposal = async (ground: Ground, more?: string): Promise<Json> => {
  const { json } = await ground.page.call("GetPolicy", {});
  const added = more ?? `\n# edit ${edits++}\n`;
  return { text: `${String(json["text"])}${added}`, baseHash: json["textHash"] };
};

const waiting = async (ground: Ground): Promise<readonly Json[]> => {
  const { json } = await ground.page.cards("ListCards", {});
  const cards = Array.isArray(json["cards"]) ? (json["cards"] as readonly Json[]) : [];
  return cards.filter((card) => card["kind"] === "policy");
};

const withdrawAll = async (ground: Ground): Promise<void> => {
  for (const { id } of await waiting(ground)) await ground.page.call("WithdrawPolicy", { id });
};

/** A change that waits, with its card. */
const changeOf = async (ground: Ground): Promise<Json> => {
  await withdrawAll(ground);
  await ground.page.call("ProposePolicy", await proposal(ground));
  const [card] = await waiting(ground);
  if (card === undefined) throw new Error("no change waits");
  return card;
};

const statementOf = (card: Json): Uint8Array =>
  new Uint8Array(Buffer.from(String(card["statementOnce"]), "base64"));

const answerOf = (
  card: Json,
  signed: { readonly statement: Uint8Array; readonly signature: Uint8Array; device: Uint8Array },
): Json => ({
  kind: "policy",
  id: card["id"],
  statement: base64(signed.statement),
  signature: base64(signed.signature),
  device: base64(signed.device),
});

const byTerminal = (ground: Ground, card: Json): Json =>
  answerOf(card, atTerminal(ground.data, domains.policyChange, statementOf(card)));

/** The attack changes nothing; the terminal's signature on the same card does. */
const against = async (
  ground: Ground,
  attack: (card: Json) => Json,
  ...codes: readonly string[]
): Promise<Tried> => {
  const card = await changeOf(ground);
  const before = file(ground);
  const tried = await ground.page.cards("Decide", attack(card));
  const same = file(ground) === before;
  const rightly = await ground.page.cards("Decide", byTerminal(ground, card));
  return {
    expected: `${codes.join(" or ")}, and the file is as it was`,
    refused: codes.includes(tried.code) && same,
    actual: `${show(tried)}; the same file ${same}`,
    control: rightly.status === 200 && file(ground) !== before,
  };
};

/** A raw request that proposes a change; none waits after it. */
const proposing = async (
  ground: Ground,
  ask: (body: string) => Promise<Answered>,
  ...statuses: readonly number[]
): Promise<Tried> => {
  await withdrawAll(ground);
  const body = await proposal(ground);
  const tried = await ask(JSON.stringify(body));
  const none = (await waiting(ground)).length === 0;
  const rightly = await ground.page.call("ProposePolicy", body);
  await withdrawAll(ground);
  return {
    expected: `${statuses.join(" or ")}, and no change waits`,
    refused: statuses.includes(tried.status) && none,
    actual: `${tried.status} ${tried.text.slice(0, 120)}; none waits ${none}`,
    control: rightly.status === 200,
  };
};

const call = "/ioi.console.v1.Console/ProposePolicy";

const requests: readonly Attack<Ground>[] = [
  {
    id: "policy-from-a-foreign-page",
    run: (ground) => {
      const headers = { origin: "http://evil.example", "sec-fetch-site": "cross-site" };
      const ask = (body: string) => ground.page.ask({ method: "POST", path: call, body, headers });
      return proposing(ground, ask, 403);
    },
  },
  {
    id: "policy-from-the-cards-page",
    run: (ground) => {
      const ask = (body: string) =>
        ground.page.ask({ method: "POST", place: "frame", path: call, body });
      return proposing(ground, ask, 404, 501);
    },
  },
  {
    id: "policy-without-a-cookie",
    run: (ground) => {
      const headers = { cookie: "" };
      const ask = (body: string) => ground.page.ask({ method: "POST", path: call, body, headers });
      return proposing(ground, ask, 401);
    },
  },
  {
    id: "policy-by-a-form",
    run: (ground) => {
      const headers = { "content-type": "text/plain" };
      const ask = (body: string) => ground.page.ask({ method: "POST", path: call, body, headers });
      return proposing(ground, ask, 415);
    },
  },
];

const refusedText = async (
  ground: Ground,
  more: string,
  fits: (tried: CallResult) => boolean,
): Promise<Tried> => {
  await withdrawAll(ground);
  const tried = await ground.page.call("ProposePolicy", await proposal(ground, more));
  const none = (await waiting(ground)).length === 0;
  const rightly = await ground.page.call("ProposePolicy", await proposal(ground));
  await withdrawAll(ground);
  return {
    expected: "refused with its reason, and no change waits",
    refused: fits(tried) && none,
    actual: show(tried),
    control: rightly.status === 200,
  };
};

const texts: readonly Attack<Ground>[] = [
  {
    id: "policy-with-an-error",
    run: (ground) =>
      refusedText(ground, "\nefect = 1\n", ({ code }) => code.startsWith("E_POLICY_")),
  },
  {
    id: "policy-huge",
    run: (ground) =>
      refusedText(
        ground,
        `\n#${"x".repeat(300_000)}\n`,
        ({ code }) => code === "E_POLICY_TOO_LARGE",
      ),
  },
  {
    id: "policy-endless",
    run: (ground) =>
      refusedText(ground, `\n#${"x".repeat(1_200_000)}\n`, ({ status }) => status === 413),
  },
  {
    id: "policy-nested-without-end",
    run: (ground) =>
      refusedText(ground, `\na = ${"[".repeat(50_000)}\n`, ({ code }) =>
        code.startsWith("E_POLICY_"),
      ),
  },
  {
    id: "policy-on-an-older-text",
    run: async (ground) => {
      const stale = await proposal(ground);
      const card = await changeOf(ground);
      await ground.page.cards("Decide", byTerminal(ground, card));
      const tried = await ground.page.call("ProposePolicy", stale);
      const rightly = await ground.page.call("ProposePolicy", await proposal(ground));
      await withdrawAll(ground);
      return {
        expected: "E_POLICY_BASE",
        refused: tried.code === "E_POLICY_BASE",
        actual: show(tried),
        control: rightly.status === 200,
      };
    },
  },
];

const signatures: readonly Attack<Ground>[] = [
  {
    id: "policy-by-a-browser-key",
    run: async (ground) => {
      const key = new BrowserKey();
      const code = await key.offer(ground.page);
      await pairAtTerminal(ground.data, key.device, code);
      return await against(
        ground,
        (card) => {
          const statement = statementOf(card);
          const signature = key.sign(domains.policyChange, statement);
          return answerOf(card, { statement, signature, device: key.device });
        },
        "E_DEVICE_LIMITED",
      );
    },
  },
  {
    id: "policy-by-a-stranger",
    run: (ground) =>
      against(
        ground,
        (card) => {
          const key = new BrowserKey();
          const statement = statementOf(card);
          const signature = key.sign(domains.policyChange, statement);
          return answerOf(card, { statement, signature, device: new Uint8Array(32).fill(7) });
        },
        "E_DEVICE_SIGNATURE",
      ),
  },
  {
    id: "policy-for-another-purpose",
    run: (ground) =>
      against(
        ground,
        (card) => answerOf(card, atTerminal(ground.data, domains.decision, statementOf(card))),
        "E_DEVICE_SIGNATURE",
      ),
  },
  {
    id: "policy-of-another-card",
    run: (ground) =>
      against(
        ground,
        (card) => {
          const decoded = schema.decode(policyStatement, statementOf(card));
          if (!decoded.ok) throw new Error(decoded.error.message);
          const other = { ...decoded.value, cardHash: new Uint8Array(32).fill(1) };
          const encoded = schema.encode(policyStatement, other);
          return answerOf(card, atTerminal(ground.data, domains.policyChange, encoded));
        },
        "E_POLICY_CHANGE_UNKNOWN",
      ),
  },
  {
    id: "policy-replayed",
    run: async (ground) => {
      const card = await changeOf(ground);
      const answer = byTerminal(ground, card);
      const first = await ground.page.cards("Decide", answer);
      const saved = file(ground);
      const again = await ground.page.cards("Decide", answer);
      return {
        expected: "E_POLICY_CHANGE_UNKNOWN the second time",
        refused: again.code === "E_POLICY_CHANGE_UNKNOWN" && file(ground) === saved,
        actual: show(again),
        control: first.status === 200,
      };
    },
  },
];

export const policyAttacks: readonly Attack<Ground>[] = [...requests, ...texts, ...signatures];
