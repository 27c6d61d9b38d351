/**
 * The person's side of the Guardian: the words, the answers, the receipts.
 *
 * Only what comes over this side counts as the person's words or the person's answer. An answer is
 * signed by a device over the text of the card, so that what was seen is what is approved.
 */
import { equalBytes, toHex, utf8Encode } from "@ioi/base";
import { domainHash, domains } from "@ioi/crypto";
import {
  card,
  type CompiledPolicy,
  decide,
  type DecisionContext,
  display,
  patternMinutesMax,
  patternOf,
  sessionScopeOffered,
} from "@ioi/firewall";
import {
  type Action,
  action as actionSchema,
  type AskSource,
  type DecisionStatement,
  decisionStatement,
  type Leaf,
  schema,
} from "@ioi/wire";
import { alikeText } from "./alike.ts";
import { offersOf, pauseText } from "./cards.ts";
import { type GuardianCore, isAccess, printable, rejected } from "./core.ts";
import type { Ask, SessionRecord } from "./ledger.ts";
import {
  abandonedSessionMs,
  gateActionsMax,
  gateWallMinutesMax,
  openSessionsMax,
  reasonCharsMax,
  receiptsPageMax,
  wordsCharsMax,
} from "./limits.ts";
import { requestLines } from "./requests.ts";
import type { LoggedLeaf, SignedCheckpoint } from "./receipt-log.ts";
import type { ShownPreview } from "./previews.ts";
import type { AnyDeviceKind } from "./device-book.ts";
import { countsFor, deviceVerdict } from "./device-signature.ts";
import { agentFolderComplaint, workspaceComplaint } from "./workspace.ts";

export interface Utterance {
  /** Empty: a new session. */
  readonly session: string;
  readonly text: string;
  /** Absolute real path; empty: no folder. */
  readonly workspace: string;
  /** read | organise | write; empty: write. */
  readonly access?: string;
  /** Absolute real path of the folder that holds the agent; empty: a built-in one. */
  readonly agentFolder?: string;
  /** The confirmed server that the session is a gate before; empty: it is a task. */
  readonly mcpServer?: string;
  /** Of a gate that nobody watches: its client may answer for what can be undone. */
  readonly clientAnswers?: boolean;
  /** Somebody saw it being typed; else a long text counts as a paste. */
  readonly typed?: boolean;
  readonly agent: string;
  /** The session that this one undoes; empty: none. */
  readonly undoes: string;
}

export interface ApprovalCard {
  readonly id: string;
  readonly session: string;
  readonly actionId: Uint8Array;
  readonly target: string;
  readonly card: string;
  readonly cardHash: Uint8Array;
  readonly asks: readonly AskSource[];
  readonly policyHash: Uint8Array;
  readonly createdMs: number;
  readonly expiresMs: number;
  readonly sessionScope: boolean;
  /** Whether "alike" is offered. */
  readonly patternScope: boolean;
  readonly preview: ShownPreview;
}

export interface Answer {
  /** Canonical `decisionStatement`. */
  readonly statement: Uint8Array;
  readonly signature: Uint8Array;
  readonly device: Uint8Array;
  /** What the agent is told; not signed. */
  readonly reason?: string;
}

export interface ReceiptView extends LoggedLeaf {
  readonly leaf: Leaf;
  readonly encoded: Uint8Array;
  /** What the sealed part says. */
  readonly display: string;
  /** Of a program's outcome: its requests, one a line. */
  readonly requests: string;
}

const sessionGrantMs = 24 * 3_600_000;

const modelBudgetsOf = ({ budgets: { modelMicrousd, modelTokens } }: CompiledPolicy) => ({
  ...(modelMicrousd === undefined ? {} : { modelMicrousdMax: modelMicrousd }),
  ...(modelTokens === undefined ? {} : { modelTokensMax: modelTokens }),
});

export class PersonSide {
  readonly #core: GuardianCore;
  /** New sessions on their way to the disk: not yet in the ledger. */
  #opening = 0;

  constructor(core: GuardianCore) {
    this.#core = core;
  }

  async utter(
    utterance: Utterance,
  ): Promise<{ readonly session: string; readonly policyHash: Uint8Array }> {
    const policy = this.#core.policy();
    if (policy === undefined) throw rejected("E_POLICY_INVALID", this.#core.policyError());
    const before =
      utterance.session === "" ? undefined : this.#core.requireSession(utterance.session);
    const length = (before?.words ?? []).reduce(
      (sum, text) => sum + text.length,
      utterance.text.length,
    );
    if (length > wordsCharsMax) {
      throw rejected("E_WORDS_TOO_LONG", `${length} characters; at most ${wordsCharsMax}`);
    }
    if (!/^[a-z0-9][a-z0-9._-]{0,63}$/.test(utterance.agent)) {
      throw rejected("E_WORKSPACE_REFUSED", `agent ${printable(utterance.agent)} is no name`);
    }
    const undone = utterance.undoes === "" ? undefined : this.#knownSession(utterance.undoes);
    const picked = utterance.workspace === "" ? undefined : utterance.workspace;
    // What is undone is undone where it was done.
    const workspace = undone === undefined ? picked : undone.workspace;
    if (workspace !== undefined) {
      const complaint = workspaceComplaint(workspace, this.#core.config.productFolders);
      if (complaint !== undefined) throw rejected("E_WORKSPACE_REFUSED", complaint);
    }
    const { access = "", agentFolder = "" } = utterance;
    const folderComplaint = agentFolder === "" ? undefined : agentFolderComplaint(agentFolder);
    if (folderComplaint !== undefined) throw rejected("E_WORKSPACE_REFUSED", folderComplaint);
    if (access !== "" && !isAccess(access)) {
      throw rejected("E_WORKSPACE_REFUSED", `access ${printable(access)}: read, organise or write`);
    }
    const { mcpServer = "" } = utterance;
    if (mcpServer !== "" && this.#core.mcp.find(mcpServer) === undefined) {
      throw rejected("E_MCP_UNKNOWN", `no server ${printable(mcpServer)} was confirmed`);
    }
    if (before === undefined) {
      await this.#forgetAbandoned();
      this.#checkRoom();
    }
    const session = before?.id ?? `s-${toHex(this.#core.ports.random.fill(new Uint8Array(6)))}`;
    const leaf: Leaf = {
      type: "session-open",
      atMs: this.#core.wall(),
      session,
      agent: utterance.agent,
      policyHash: policy.hash,
      // A gate is no task: it lives as long as its client does.
      actionsMax: mcpServer === "" ? policy.budgets.actions : gateActionsMax,
      wallMinutesMax: mcpServer === "" ? policy.budgets.wallMinutes : gateWallMinutesMax,
      ...modelBudgetsOf(policy),
      ...(undone === undefined ? {} : { undoes: undone.vault }),
      words: this.#core.sealOpening(session, {
        text: utterance.text,
        workspace,
        access: undone?.access ?? (access === "" ? "write" : access),
        ...(utterance.typed === true ? { typed: true } : {}),
        ...(agentFolder === "" ? {} : { agentFolder }),
        ...(mcpServer === "" ? {} : { mcpServer }),
        ...(mcpServer !== "" && utterance.clientAnswers === true ? { clientAnswers: true } : {}),
      }),
    };
    if (before === undefined) this.#opening++;
    try {
      await this.#core.commit(leaf);
    } finally {
      if (before === undefined) this.#opening--;
    }
    return { session, policyHash: policy.hash };
  }

  #knownSession(id: string): SessionRecord {
    const session = this.#core.ledger.sessions.get(id);
    if (session === undefined) throw rejected("E_SESSION_UNKNOWN", `no session ${printable(id)}`);
    return session;
  }

  /**
   * Words that never became a task (a page closed before its scope card, a command that was killed)
   * end when the room is needed: nothing was permitted in them, and nothing waits.
   */
  async #forgetAbandoned(): Promise<void> {
    const { sessions, budgets } = this.#core.ledger;
    const open = [...sessions.values()].filter(({ closed }) => closed === undefined);
    if (open.length + this.#opening < openSessionsMax) return;
    const nowMs = this.#core.wall();
    const idle = ({ id, cards, openedMs }: SessionRecord): boolean => {
      const { actionsSpent = 0, actionsReserved = 0 } = budgets.state(id, nowMs) ?? {};
      const unused = actionsSpent + actionsReserved + cards.length === 0;
      return unused && nowMs - openedMs >= abandonedSessionMs;
    };
    for (const { id } of open.filter(idle)) await this.#core.closeSession(id, "never begun");
  }

  #checkRoom(): void {
    let open = this.#opening;
    for (const session of this.#core.ledger.sessions.values())
      if (session.closed === undefined) open++;
    if (open >= openSessionsMax) throw rejected("E_SESSIONS_FULL", `${open} sessions are open`);
  }

  /** What waits for a person, oldest first; expired asks are left out. */
  approvals(): readonly ApprovalCard[] {
    const cards: ApprovalCard[] = [];
    for (const ask of this.#core.ledger.asks.values()) {
      const shown = this.#cardOf(ask);
      if (shown !== undefined && this.#waits(shown)) cards.push(shown);
    }
    return cards;
  }

  /** Not expired, nor made in a future that a clock set back has not reached again. */
  #waits({ createdMs, expiresMs }: ApprovalCard): boolean {
    const nowMs = this.#core.wall();
    return createdMs <= nowMs && nowMs < expiresMs;
  }

  #actionOf(session: string, leaf: Extract<Leaf, { readonly type: "intent" }>): Action | undefined {
    const plain = this.#core.open(session, leaf.action);
    const action = plain === undefined ? undefined : schema.decode(actionSchema, plain);
    return action?.ok === true ? action.value : undefined;
  }

  #cardOf(ask: Ask): ApprovalCard | undefined {
    const session = this.#core.ledger.sessions.get(ask.session);
    const policy = this.#core.policyFor(session);
    const action = this.#actionOf(ask.session, ask.intent);
    if (policy === undefined || session === undefined || action === undefined) return undefined;
    const context: DecisionContext = {
      session: this.#core.sessionContext(policy, session, false),
      ...this.#core.weigh(session.id, action, policy),
      grants: [],
      actionId: ask.actionId,
    };
    const decision = decide(policy, action, context);
    const { head, added } = this.#pauseOf(ask, session, decision.asks);
    const text = head + card(action, decision, context) + alikeText(this.#core.alikeIn(ask.intent));
    const asks = [...decision.asks, ...added];
    const offered = added.some(({ kind }) => kind === "task");
    return {
      id: ask.approval,
      session: ask.session,
      actionId: ask.actionId,
      target: ask.target,
      card: text,
      cardHash: domainHash(this.#core.ports.provider, domains.card, utf8Encode(text)),
      asks,
      policyHash: policy.hash,
      createdMs: ask.atMs,
      expiresMs: ask.atMs + policy.approvalExpiresMinutes * 60_000,
      sessionScope: sessionScopeOffered(decision.asks, action) || offered,
      patternScope: patternOf(action, decision.asks) !== undefined,
      preview: this.#core.previews.of(ask, this.#core.wall()),
    };
  }

  /** What a card that pauses its task has beside the action itself. */
  #pauseOf(
    ask: Ask,
    session: SessionRecord,
    own: readonly AskSource[],
  ): { readonly head: string; readonly added: readonly AskSource[] } {
    const limit = ask.asks.find(({ kind }) => kind === "cards");
    if (limit === undefined) return { head: "", added: [] };
    const earlier = session.cards.filter(({ intent }) => intent.approval !== ask.approval);
    const offers = offersOf([...earlier, { intent: ask.intent }]);
    const asked = earlier.map(({ intent }) => {
      const action = this.#actionOf(session.id, intent);
      return action === undefined ? intent.target : display(action);
    });
    const has = (each: AskSource): boolean =>
      own.some(({ kind, id }) => kind === each.kind && id === each.id);
    const added = [limit, ...offers.filter((each) => !has(each))];
    return { head: pauseText(limit, asked, offers), added };
  }

  async decide(answer: Answer): Promise<LoggedLeaf> {
    const { statement, kind } = this.#verified(answer);
    const ask = this.#core.ledger.asks.get(statement.approval);
    if (ask === undefined) {
      throw rejected("E_APPROVAL_UNKNOWN", `no ask ${printable(statement.approval)} waits`);
    }
    this.#core.requireSession(ask.session);
    const shown = this.#cardOf(ask);
    if (shown === undefined) throw rejected("E_POLICY_INVALID", this.#core.policyError());
    if (!this.#waits(shown)) {
      throw rejected("E_APPROVAL_EXPIRED", `ask ${ask.approval} has expired`);
    }
    this.#checkStatement(statement, shown);
    if (statement.decision === "approve" && !countsFor(kind, ask.target)) {
      throw rejected("E_DEVICE_LIMITED", `a browser's key does not approve ${ask.target}`);
    }
    // Taken before the first await: a second answer to the same ask finds nothing.
    if (this.#core.answering.has(ask.approval)) {
      throw rejected("E_APPROVAL_UNKNOWN", `ask ${ask.approval} is being answered`);
    }
    this.#core.answering.add(ask.approval);
    try {
      const logged = await this.#commitAnswer(ask, shown, statement, answer);
      this.#core.previews.forget(ask.approval);
      return logged;
    } finally {
      this.#core.answering.delete(ask.approval);
    }
  }

  async #commitAnswer(
    ask: Ask,
    shown: ApprovalCard,
    statement: DecisionStatement,
    answer: Answer,
  ): Promise<LoggedLeaf> {
    const nowMs = this.#core.wall();
    const reason = (answer.reason ?? "").slice(0, reasonCharsMax).toWellFormed();
    if (reason !== "") this.#core.reasons.set(ask.approval, reason);
    return await this.#core.commit({
      type: "decision",
      atMs: nowMs,
      session: ask.session,
      approval: ask.approval,
      actionId: ask.actionId,
      decision: statement.decision,
      scope: statement.scope,
      discharges: statement.discharges,
      policyHash: statement.policyHash,
      expiresMs:
        statement.scope === "once"
          ? Math.max(shown.expiresMs, nowMs + 60_000)
          : nowMs + (statement.scope === "pattern" ? patternMinutesMax * 60_000 : sessionGrantMs),
      device: answer.device,
      signature: answer.signature,
    });
  }

  #verified(answer: Answer): {
    readonly statement: DecisionStatement;
    readonly kind: AnyDeviceKind;
  } {
    const verdict = deviceVerdict(this.#core, domains.decision, answer);
    if (!verdict.ok) throw rejected("E_APPROVAL_INVALID", verdict.why);
    const statement = schema.decode(decisionStatement, answer.statement);
    if (!statement.ok) throw rejected("E_APPROVAL_INVALID", statement.error.message);
    return { statement: statement.value, kind: verdict.kind };
  }

  #checkStatement(statement: DecisionStatement, shown: ApprovalCard): void {
    const differs = (what: string): Error =>
      rejected("E_APPROVAL_INVALID", `${what} differs from the ask`);
    if (statement.session !== shown.session) throw differs("the session");
    if (!equalBytes(statement.actionId, shown.actionId)) throw differs("the action");
    if (!equalBytes(statement.cardHash, shown.cardHash)) throw differs("the card");
    if (!equalBytes(statement.policyHash, shown.policyHash)) throw differs("the policy");
    if (statement.decision === "deny") return;
    const key = (ask: AskSource): string => `${ask.kind}\u0000${ask.id}`;
    const offered = new Set(shown.asks.map(key));
    if (!statement.discharges.every((each) => offered.has(key(each))))
      throw differs("what it answers");
    if (statement.scope === "pattern" && !shown.patternScope) {
      throw rejected("E_APPROVAL_INVALID", "nothing is like this action: answer it alone");
    }
    if (statement.scope === "session" && !shown.sessionScope) {
      throw rejected(
        "E_APPROVAL_INVALID",
        "this ask can be answered once only, not for the session",
      );
    }
  }

  async revoke(session: string, reason: string): Promise<void> {
    await this.#core.closeSession(session, reason);
  }

  async receipts(from: number, limit: number, session: string): Promise<readonly ReceiptView[]> {
    const views: ReceiptView[] = [];
    const max = Math.min(limit === 0 ? receiptsPageMax : limit, receiptsPageMax);
    for await (const { index, hash, leaf, encoded } of this.#core.receipts.read(from)) {
      if (views.length >= max) break;
      if (session !== "" && (!("session" in leaf) || leaf.session !== session)) continue;
      const requests = requestLines(this.#core, leaf);
      views.push({ index, hash, leaf, encoded, display: this.#displayOf(leaf), requests });
    }
    return views;
  }

  #displayOf(leaf: Leaf): string {
    if (leaf.type === "intent") {
      const action = this.#actionOf(leaf.session, leaf);
      return action === undefined ? "" : display(action);
    }
    return "";
  }

  async checkpoint(): Promise<SignedCheckpoint> {
    return await this.#core.receipts.checkpoint();
  }
}
