/**
 * What waits for a person: asks of the Guardian and scopes of planned tasks. Texts are the
 * Guardian's, letter by letter; the console holds no key and answers nothing by itself.
 */
import { equalBytes, Lru, OperationError, utf8Encode } from "@ioi/base";
import { domainHash, domains } from "@ioi/crypto";
import { previewAbsence, previewFits } from "@ioi/firewall/preview";
import { nodeCrypto } from "@ioi/host/crypto";
import { decisionStatement, type pb, schema } from "@ioi/wire";
import type { Cards, DecideRequest } from "@ioi/wire/console";
import type { Handlers } from "../http/connect.ts";
import type { Kernel } from "../kernel.ts";
import { callMs, cardsMax, planMs } from "../limits.ts";
import { badRequest, offered, whereOffered } from "./optional.ts";
import type { Plan, Plans } from "./plans.ts";
import { waitingChanges } from "./policy.ts";
import { deviceLines } from "./registry.ts";

const because: Readonly<Record<string, string>> = {
  rule: "the policy's rule asks",
  default: "no rule allows it, and the policy's default is to ask",
  ungrounded: "this does not come from your own words",
  budget: "this budget is used up",
  fact: "something about it could not be found out",
  protected: "it touches a protected path",
  dynamic: "part of the command is only known when it runs",
  irreversible: "it cannot be undone",
  scope: "it leaves what the task was given",
};

const statementOf = (
  approval: pb.Approval,
  decision: "approve" | "deny",
  scope: "once" | "session" | "pattern",
): Uint8Array =>
  schema.encode(decisionStatement, {
    version: 1,
    approval: approval.id,
    session: approval.session,
    actionId: approval.actionId,
    cardHash: approval.cardHash,
    decision,
    scope,
    discharges: approval.asks.map(({ kind, id }) => ({ kind, id })),
    policyHash: approval.policyHash,
  });

const nothing = new Uint8Array(0);

/** What the card shows of the change; a text that its driver did not sign for it is none. */
const previewOf = ({ preview, actionId }: pb.Approval) => {
  if (preview === undefined) return { previewState: "none", preview: "" };
  const { state, text, statement, why } = preview;
  if (state === "there" && previewFits(nodeCrypto, { text, statement }, actionId)) {
    return { previewState: "there", preview: text };
  }
  const absent =
    state === "there" ? { state: "missing", why: "it is not of this action" } : { state, why };
  return { previewState: absent.state, preview: previewAbsence(absent) ?? "" };
};

const approvalCard = (approval: pb.Approval) => {
  const { id, session, card, cardHash, target, asks, expiresMs, sessionScope, patternScope } =
    approval;
  return {
    kind: "approval",
    id,
    session,
    text: card,
    textHash: cardHash,
    target,
    reasons: asks.map(({ kind, id: what }) => {
      const words = because[kind] ?? kind;
      return kind === "default" ? words : `${words}: ${what}`;
    }),
    statementOnce: statementOf(approval, "approve", "once"),
    statementSession: sessionScope ? statementOf(approval, "approve", "session") : nothing,
    statementPattern: patternScope ? statementOf(approval, "approve", "pattern") : nothing,
    statementDeny: statementOf(approval, "deny", "once"),
    expiresMs,
    reversible: !asks.some(({ kind }) => kind === "irreversible"),
    group: [id],
    ...previewOf(approval),
  };
};

const scopeCard = ({ session, scope, plannedMs }: Plan) => ({
  kind: "scope",
  id: session,
  session,
  text: scope?.card ?? "",
  textHash: scope?.cardHash ?? nothing,
  target: "",
  reasons: [],
  statementOnce: scope?.canonical ?? nothing,
  statementSession: nothing,
  statementPattern: nothing,
  // Nothing is signed to refuse: without a begin, nothing begins.
  statementDeny: nothing,
  expiresMs: BigInt(plannedMs + planMs),
  reversible: true,
  group: [session],
  previewState: "none",
  preview: "",
});

/** What is signed is the Guardian's statement, letter by letter; a refusal only withdraws. */
const changeCard = ({ id, card, cardHash, statement, expiresMs }: pb.PolicyChange) => ({
  kind: "policy",
  id,
  session: "",
  text: card,
  textHash: cardHash,
  target: "policy::change",
  reasons: [],
  statementOnce: statement,
  statementSession: nothing,
  statementPattern: nothing,
  statementDeny: nothing,
  expiresMs,
  reversible: true,
  group: [id],
  previewState: "none",
  preview: "",
});

/** A change of the policy, put in force or withdrawn. */
const answerChange = async (
  kernel: Kernel,
  request: Pick<DecideRequest, "id" | "statement" | "signature" | "device">,
): Promise<void> => {
  const policy = await kernel.policy();
  const { id, statement, signature, device } = request;
  if (statement.length === 0) await policy.withdrawPolicy({ id }, { deadlineMs: callMs });
  else await policy.savePolicy({ statement, signature, device }, { deadlineMs: callMs });
};

export interface CardsOptions {
  readonly kernel: Kernel;
  readonly plans: Plans;
  readonly nowMs: () => number;
  /** Of the page that these calls are answered for; its keys belong to it. */
  readonly origin: string;
  /** Begins a task whose scope was accepted. */
  readonly begin: (plan: Plan) => Promise<void>;
  readonly onChange: () => void;
  /** What a command at the terminal needs to find this data folder. */
  readonly dataOption: string;
  /** The key that a browser's approval page holds. */
  readonly onDevice: (browser: string, device: Uint8Array) => void;
}

export const deviceState = (
  devices: readonly pb.Device[],
  id: Uint8Array,
): "none" | "waiting" | "paired" => {
  const found = id.length === 0 ? undefined : devices.find((each) => equalBytes(each.id, id));
  if (found === undefined) return "none";
  return found.waits ? "waiting" : "paired";
};

/** Cards that were shown with another text than the one whose hash is signed would be a lie. */
const fits = ({ text, textHash }: { readonly text: string; readonly textHash: Uint8Array }) =>
  equalBytes(domainHash(nodeCrypto, domains.card, utf8Encode(text)), textHash);

const answerScope = async (
  { kernel, plans, begin }: CardsOptions,
  request: {
    readonly id: string;
    readonly statement: Uint8Array;
    readonly signature: Uint8Array;
    readonly device: Uint8Array;
  },
): Promise<void> => {
  const plan = plans.get(request.id);
  if (plan === undefined) {
    throw new OperationError("E_CONSOLE_PLAN_GONE", "what was planned is not there any more");
  }
  if (request.statement.length === 0) {
    const person = await kernel.person();
    const reason = "the scope was refused";
    await person.revoke({ session: plan.session, reason }, { deadlineMs: callMs });
  } else {
    const { statement, signature, device } = request;
    const scopes = await kernel.scopes();
    await scopes.acceptScope({ statement, signature, device }, { deadlineMs: callMs });
    await begin(plan);
  }
  plans.take(plan.session);
};

type Call = (signal: AbortSignal) => { readonly signal: AbortSignal; readonly deadlineMs: number };

/** What waits; where nobody showed yet what the first one would change, it is looked at once more. */
const lookAgain = (
  kernel: Kernel,
  call: Call,
): ((signal: AbortSignal) => Promise<readonly pb.Approval[]>) => {
  const looked = new Lru<string, true>(cardsMax * 4);
  const list = async (signal: AbortSignal): Promise<readonly pb.Approval[]> =>
    (await (await kernel.person()).listApprovals({}, call(signal))).approvals;
  return async (signal) => {
    const approvals = await list(signal);
    const [first] = approvals;
    if (first?.preview?.state !== "missing" || looked.has(first.id)) return approvals;
    looked.set(first.id, true);
    const { session, id: approval } = first;
    try {
      const sessions = await kernel.sessions();
      await sessions.showChange({ session, approval }, call(signal));
    } catch (error) {
      // The card says by itself that there is none.
      if (!(error instanceof OperationError)) throw error;
    }
    return await list(signal);
  };
};

const answerCard = async (
  options: CardsOptions,
  request: DecideRequest,
  signal: AbortSignal,
): Promise<void> => {
  const { kind, statement, signature, device, reason } = request;
  if (kind === "scope") await answerScope(options, request);
  else if (kind === "policy") await answerChange(options.kernel, request);
  else if (kind === "approval") {
    const person = await options.kernel.person();
    const answer = { statement, signature, device, reason };
    await person.decide(answer, { signal, deadlineMs: callMs });
  } else throw badRequest("a card is an approval, a scope or a policy");
};

export const cardCalls = (options: CardsOptions): Handlers<typeof Cards> => {
  const { kernel, plans, nowMs, onChange, onDevice, origin, dataOption } = options;
  const call = (signal: AbortSignal) => ({ signal, deadlineMs: callMs });
  const devicesOf = (signal: AbortSignal): Promise<readonly pb.Device[]> =>
    whereOffered(
      async () => (await (await kernel.devices()).listDevices({}, call(signal))).devices,
      [],
    );
  const shownAll = lookAgain(kernel, call);
  return {
    listCards: async ({ device }, { signal, browser }) => {
      const [approvals, devices, changes] = await Promise.all([
        shownAll(signal),
        devicesOf(signal),
        waitingChanges(kernel, { signal }),
      ]);
      if (device.length === 32) onDevice(browser, device);
      const planned = plans.waiting(browser, nowMs() - planMs);
      const cards = [
        ...planned.map(scopeCard),
        ...approvals.map(approvalCard),
        ...changes.map(changeCard),
      ];
      const shown = cards.filter(fits).slice(0, cardsMax);
      return {
        cards: shown,
        more: cards.length - shown.length,
        device: deviceState(devices, device),
        dataOption,
      };
    },
    decide: async (request, { signal }) => {
      await answerCard(options, request, signal);
      onChange();
      return {};
    },
    offerDevice: async ({ kind, name, publicKey, credentialId }, { signal, browser }) => {
      const offer = await offered("pairing", async () =>
        (await kernel.devices()).offerDevice(
          { kind, name, publicKey, credentialId, origin },
          call(signal),
        ),
      );
      onDevice(browser, offer.device);
      return { device: offer.device, code: offer.code, expiresMs: offer.expiresMs };
    },
    listDevices: async (_request, { signal }) => ({
      devices: deviceLines(await devicesOf(signal)),
    }),
  };
};
