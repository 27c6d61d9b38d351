/**
 * The gate: what the Workload may ask of the Guardian. It permits; it performs nothing.
 *
 * One proposal: check that its driver, its session and its number are real; decide; make the INTENT
 * leaf durable; only then let a ticket, an ask or a denial leave. Minting burns the nonce, whatever
 * the verdict.
 *
 * Invariants: no ticket leaves before its INTENT is durable; one nonce gets one decision; budgets
 * and once-grants are taken before the first await, so that concurrent proposals cannot share them.
 */
import { assert, equalBytes, msBetween, toHex } from "@ioi/base";
import { actionId, domainBytes, domainHash, domains, signPayload } from "@ioi/crypto";
import {
  type CompiledPolicy,
  type Decision,
  type DecisionContext,
  display,
  performs,
  targets,
} from "@ioi/firewall";
import {
  type Action,
  action as actionSchema,
  encodeCanonical,
  type Leaf,
  type Outcome,
  outcome as outcomeSchema,
  prepared as preparedSchema,
  schema,
  signed,
  type Ticket,
  ticket as ticketSchema,
} from "@ioi/wire";
import { alikePart } from "./alike.ts";
import { type GuardianCore, type Instance, rejected } from "./core.ts";
import { checkSecret, type Lease, lease, type MintedTicket } from "./leases.ts";
import type { SessionRecord } from "./ledger.ts";
import { actionBytesMax, outcomeBytesMax, pendingApprovalsMax, ticketTtlMs } from "./limits.ts";
import { housekeepingGrants } from "./mcp/housekeeping.ts";
import { checkMemory, withMemoryKey } from "./memory.ts";
import { modelAmount } from "./models.ts";
import { type Notice, Notices } from "./notices.ts";
import type { LoggedLeaf } from "./receipt-log.ts";
import type { OutcomeReport } from "./outcome-report.ts";
import type { GivenPreview } from "./previews.ts";
import { sealedOrigins } from "./origins.ts";
import { sealedRequests } from "./requests.ts";
import { decidePatiently } from "./unsigned.ts";
import { agentProfile, compileProfile, driverKinds, mcpProfile, signProfile } from "./profiles.ts";

export interface Proposal {
  readonly session: string;
  readonly sequence: bigint;
  readonly salt: Uint8Array;
  /** Canonical `action`. */
  readonly action: Uint8Array;
  readonly prepared: Uint8Array;
  readonly preparedSignature: Uint8Array;
  readonly headless: boolean;
  /** Canonical arguments of later calls to the same target. */
  readonly alike?: readonly Uint8Array[];
}

export interface ProposalReply {
  readonly verdict: "allow" | "ask" | "deny";
  /** Canonical `signed` ticket, with verdict `allow`. */
  readonly ticket: Uint8Array | undefined;
  readonly decision: Decision;
  readonly approval: string | undefined;
  readonly counter: bigint;
  readonly order: bigint;
  readonly receipt: LoggedLeaf;
  readonly display: string;
  readonly actionId: Uint8Array;
  readonly target: string;
  readonly ttlMs: number;
  /** Microseconds, by part. */
  readonly timing: { readonly decide: number; readonly sync: number; readonly sign: number };
}

interface Checked {
  readonly session: SessionRecord;
  readonly action: Action;
  readonly actionId: Uint8Array;
  readonly instance: Instance;
  readonly instanceId: Uint8Array;
  readonly nonce: Uint8Array;
  readonly order: bigint;
  /** Whom what opens the memory file is sealed to. */
  readonly sealTo: Uint8Array | undefined;
}

const invalid = (message: string): Error => rejected("E_PROPOSAL_INVALID", message);

export class Gate {
  readonly #core: GuardianCore;
  readonly #notices = new Notices();
  /** Every ticket of this boot without an outcome. */
  readonly #minted: Map<bigint, MintedTicket> = new Map();
  /** Asks on their way to the disk: not yet in the ledger. */
  #asking = 0;

  constructor(core: GuardianCore) {
    this.#core = core;
  }

  /** The Orchestrator numbered a commitment. */
  notice(notice: Notice): void {
    if (this.#notices.add(notice, this.#core.ledger.lastOrder, this.#core.wall())) return;
    const fields = { session: notice.session.slice(0, 64), order: notice.order.toString() };
    this.#core.ports.log.log("error", "gate.number-refused", fields);
  }

  openSession(id: string): {
    readonly profiles: readonly Uint8Array[];
    readonly policy: CompiledPolicy;
    readonly roots: readonly {
      readonly name: string;
      readonly path: string;
      readonly write: boolean;
    }[];
  } {
    const session = this.#core.requireSession(id);
    const policy = this.#requirePolicy(session);
    const profiles = driverKinds.map((kind) => compileProfile(this.#core, policy, session, kind));
    const { agentFolder } = session;
    const mcp = mcpProfile(this.#core, policy, session);
    const all = [
      ...(session.mcpServer === undefined ? profiles : []),
      ...(mcp === undefined ? [] : [mcp]),
      ...(agentFolder === undefined ? [] : [agentProfile(policy, session, agentFolder)]),
    ];
    return {
      profiles: all.map((profile) => signProfile(this.#core, profile).signed),
      policy,
      roots: this.#core
        .roots(policy, session)
        .map(({ name, path, access }) => ({ name, path, write: access === "write" })),
    };
  }

  async propose(proposal: Proposal): Promise<ProposalReply> {
    const { clock } = this.#core.ports;
    const started = clock.now();
    const checked = this.#check(proposal);
    checkSecret(this.#core, checked.action);
    checkMemory(this.#core, checked);
    const policy = this.#requirePolicy(checked.session);
    const context = this.#context(policy, checked, proposal.headless);
    const judged = decidePatiently(this.#core, policy, checked, context);
    const decision = withMemoryKey(this.#core, checked, judged);
    // A grant is used by what happens, not by what still asks: the log says the same.
    const used = decision.verdict === "allow" ? decision.grantsUsed : [];
    const counter = this.#core.ledger.takeCounter(used);
    const approval = decision.verdict === "ask" ? this.#newApproval(policy) : undefined;
    const leaf: Extract<Leaf, { readonly type: "intent" }> = {
      ...this.#intent(checked, policy, context, decision, counter, approval),
      ...alikePart(this.#core, policy, checked.action, decision, context, proposal.alike ?? []),
    };
    const decided = clock.now();
    const receipt = await this.#commitIntent(leaf, decision);
    const synced = clock.now();
    const ticket =
      decision.verdict === "allow" ? this.#mint(checked, leaf, decision, counter) : undefined;
    const minted = clock.now();
    return {
      verdict: decision.verdict,
      ticket,
      decision,
      approval,
      counter,
      order: checked.order,
      receipt,
      display: display(checked.action, context.session),
      actionId: checked.actionId,
      target: checked.action.target,
      ttlMs: ticketTtlMs,
      timing: {
        decide: Math.round(msBetween(started, decided) * 1000),
        sync: Math.round(msBetween(decided, synced) * 1000),
        sign: Math.round(msBetween(synced, minted) * 1000),
      },
    };
  }

  /** What an action that asks would change, before a person decides. */
  preview(given: GivenPreview): void {
    this.#core.previews.give(this.#core, given);
  }

  async report(report: OutcomeReport): Promise<LoggedLeaf> {
    const intent = this.#core.ledger.open.get(report.counter);
    if (intent === undefined || intent.session !== report.session) {
      throw rejected("E_OUTCOME_INVALID", `no ticket ${report.counter} waits for an outcome`);
    }
    const outcome =
      report.outcome === undefined ? undefined : this.#checkOutcome(report, report.outcome, intent);
    const status = outcome?.status ?? (report.status as Outcome["status"]);
    if (
      !["confirmed", "partial", "no-effect", "refused", "unknown"].includes(status) ||
      (outcome === undefined && !["workload", "person"].includes(report.reportedBy))
    ) {
      throw rejected("E_OUTCOME_INVALID", "a malformed outcome");
    }
    const origins =
      outcome?.status === "confirmed"
        ? sealedOrigins(
            this.#core,
            intent,
            outcome,
            report.origins,
            this.#minted.get(report.counter)?.trusted ?? [],
          )
        : undefined;
    return await this.#commitOutcome(intent, {
      type: "outcome",
      atMs: this.#core.wall(),
      counter: report.counter,
      session: report.session,
      // A person's word that the Workload passes on is the Workload's: nothing here shows more.
      reportedBy: outcome === undefined ? "workload" : "driver",
      status,
      resultHash: outcome?.resultHash ?? new Uint8Array(32),
      evidence: outcome?.evidence ?? {},
      ...(origins === undefined ? {} : { origins }),
      ...this.#requestsPart(report, outcome),
      ...(report.outcome === undefined
        ? {}
        : {
            report: schema.encode(signed, {
              payload: report.outcome,
              signature: report.signature,
            }),
          }),
    });
  }

  #requestsPart(
    { session, requests }: OutcomeReport,
    outcome: Outcome | undefined,
  ): Partial<Pick<Extract<Leaf, { readonly type: "outcome" }>, "requests">> {
    const sealed =
      outcome === undefined ? undefined : sealedRequests(this.#core, session, outcome, requests);
    return sealed === undefined ? {} : { requests: sealed };
  }

  /** One outcome for one ticket: the second finds nothing, unless the first cannot be written. */
  async #commitOutcome(
    intent: Extract<Leaf, { readonly type: "intent" }>,
    leaf: Extract<Leaf, { readonly type: "outcome" }>,
  ): Promise<LoggedLeaf> {
    const { open } = this.#core.ledger;
    open.delete(leaf.counter);
    try {
      const logged = await this.#core.commit(leaf, true);
      this.#minted.delete(leaf.counter);
      return logged;
    } catch (error) {
      open.set(leaf.counter, intent);
      throw error;
    }
  }

  /** What egress adds to the one request of a ticket. */
  lease(given: { readonly ticket: Uint8Array; readonly action: Uint8Array }): Lease {
    return lease(this.#core, this.#minted, given);
  }

  async closeSession(id: string, state: string): Promise<void> {
    await this.#core.closeSession(id, `closed: ${state.slice(0, 64)}`);
  }

  #requirePolicy(session: SessionRecord): CompiledPolicy {
    const policy = this.#core.policyFor(session);
    if (policy === undefined) throw rejected("E_POLICY_INVALID", this.#core.policyError());
    return policy;
  }

  #check(proposal: Proposal): Checked {
    const session = this.#core.requireSession(proposal.session);
    const { provider } = this.#core.ports;
    const order = this.#notices.take(proposal, provider);
    if (proposal.action.length > actionBytesMax) {
      throw invalid(`an action of ${proposal.action.length} bytes; at most ${actionBytesMax}`);
    }
    const prepared = schema.decode(preparedSchema, proposal.prepared);
    if (!prepared.ok) throw invalid(`prepared: ${prepared.error.message}`);
    const { instanceId, nonce, sealTo } = prepared.value;
    const instance = this.#core.instances.get(toHex(instanceId));
    if (instance === undefined || instance.gone) {
      throw invalid("the driver instance is not registered");
    }
    const signedBytes = domainBytes(domains.prepared, proposal.prepared);
    if (!provider.verify("ed25519", instance.publicKey, signedBytes, proposal.preparedSignature)) {
      throw invalid("the driver's signature does not fit");
    }
    const id = actionId(provider, proposal.action);
    if (!equalBytes(id, prepared.value.actionId)) throw invalid("another action was prepared");
    const sameSession = prepared.value.session === session.id && instance.session === session.id;
    if (!sameSession) throw invalid("the driver belongs to another session");
    const action = schema.decode(actionSchema, proposal.action);
    if (!action.ok) throw invalid(`action: ${action.error.message}`);
    const target = targets.get(action.value.target);
    if (target === undefined || !performs(instance.kind, target))
      throw invalid(`no ${instance.kind} driver performs this target`);
    const burn = toHex(nonce);
    if (instance.burned.has(burn)) throw rejected("E_NONCE_BURNED", "this nonce had its decision");
    instance.burned.add(burn);
    const by = { instance, instanceId, nonce, sealTo };
    return { session, action: action.value, actionId: id, order, ...by };
  }

  #context(
    policy: CompiledPolicy,
    { session, action, actionId: id }: Checked,
    headless: boolean,
  ): DecisionContext {
    const nowMs = this.#core.wall();
    return {
      session: this.#core.sessionContext(policy, session, headless),
      ...this.#core.weigh(session.id, action, policy),
      grants: [
        ...this.#core.ledger.liveGrants(session.id, nowMs),
        ...housekeepingGrants(action, id, session.id, policy, nowMs),
      ],
      actionId: id,
    };
  }

  async #commitIntent(
    leaf: Extract<Leaf, { readonly type: "intent" }>,
    decision: Decision,
  ): Promise<LoggedLeaf> {
    if (leaf.verdict === "allow") return await this.#commitReserved(leaf, decision);
    if (leaf.verdict === "deny") return await this.#core.commit(leaf);
    this.#asking++;
    try {
      return await this.#core.commit(leaf);
    } finally {
      this.#asking--;
    }
  }

  /** The budget is taken before the first await, and given back if the leaf cannot be written. */
  async #commitReserved(
    leaf: Extract<Leaf, { readonly type: "intent" }>,
    decision: Decision,
  ): Promise<LoggedLeaf> {
    const { budgets, rates } = this.#core.ledger;
    const approved = decision.discharged
      .filter(({ kind }) => kind === "budget")
      .map(({ id }) => id);
    const { session, counter, atMs, reserve } = leaf;
    const reserved = budgets.reserve(session, counter, atMs, approved, reserve);
    if (!reserved.ok) throw rejected("E_PROPOSAL_INVALID", reserved.error.message);
    rates.note(session, leaf.target, counter, atMs);
    try {
      return await this.#core.commit(leaf);
    } catch (error) {
      budgets.release(leaf.session, leaf.counter);
      throw error;
    }
  }

  #newApproval(policy: CompiledPolicy): string {
    const expiredMs = this.#core.wall() - policy.approvalExpiresMinutes * 60_000;
    let waiting = this.#asking;
    for (const ask of this.#core.ledger.asks.values()) if (ask.atMs > expiredMs) waiting++;
    if (waiting >= pendingApprovalsMax) {
      throw rejected("E_PROPOSAL_INVALID", "too many asks wait for a person");
    }
    return `a-${toHex(this.#core.ports.random.fill(new Uint8Array(5)))}`;
  }

  #intent(
    checked: Checked,
    policy: CompiledPolicy,
    context: DecisionContext,
    decision: Decision,
    counter: bigint,
    approval: string | undefined,
  ): Extract<Leaf, { readonly type: "intent" }> {
    const { session, action } = checked;
    const reserve = modelAmount(action);
    return {
      type: "intent",
      atMs: this.#core.wall(),
      counter,
      session: session.id,
      agent: session.agent,
      order: checked.order,
      actionId: checked.actionId,
      target: action.target,
      verdict: decision.verdict,
      rules: decision.rules.slice(0, 64).map((rule) => rule.id),
      asks: decision.asks.slice(0, 64),
      discharged: decision.discharged.slice(0, 64),
      policyHash: policy.hash,
      grantsHash: this.#grantsHash(context),
      grants: decision.grantsUsed.slice(0, 64),
      action: this.#core.seal(session.id, schema.encode(actionSchema, action)),
      ...(reserve === undefined || decision.verdict !== "allow" ? {} : { reserve }),
      ...(approval === undefined ? {} : { approval }),
    };
  }

  #grantsHash(context: DecisionContext): Uint8Array {
    const ids = context.grants.map((grant) => grant.id);
    return domainHash(this.#core.ports.provider, domains.grants, encodeCanonical(ids));
  }

  #mint(
    checked: Checked,
    leaf: Extract<Leaf, { readonly type: "intent" }>,
    decision: Decision,
    counter: bigint,
  ): Uint8Array {
    assert(
      leaf.verdict === "allow" && decision.asks.length === 0,
      "a ticket for what is not allowed",
    );
    const ticket: Ticket = {
      version: 1,
      counter,
      actionId: checked.actionId,
      target: checked.action.target,
      session: checked.session.id,
      agent: checked.session.agent,
      policyHash: leaf.policyHash,
      grantsHash: leaf.grantsHash,
      profileHash: checked.instance.profileHash,
      obligations: decision.obligations,
      instanceId: checked.instanceId,
      nonce: checked.nonce,
      ttlMs: ticketTtlMs,
    };
    const { provider } = this.#core.ports;
    this.#minted.set(counter, {
      instanceId: checked.instanceId,
      session: checked.session.id,
      actionId: checked.actionId,
      mintedAt: this.#core.ports.clock.now(),
      ttlMs: ticketTtlMs,
      addressClasses: decision.addressClasses ?? [],
      trusted: decision.obligations.flatMap((each) =>
        each.type === "origins" ? each.trusted : [],
      ),
      leased: false,
    });
    const payload = schema.encode(ticketSchema, ticket);
    return schema.encode(
      signed,
      signPayload(provider, this.#core.keys.ticketKey, domains.ticket, payload),
    );
  }

  #checkOutcome(
    report: OutcomeReport,
    encoded: Uint8Array,
    intent: Extract<Leaf, { readonly type: "intent" }>,
  ): Outcome {
    const bad = (why: string): Error => rejected("E_OUTCOME_INVALID", why);
    if (encoded.length > outcomeBytesMax) throw bad(`${encoded.length} bytes`);
    const outcome = schema.decode(outcomeSchema, encoded);
    if (!outcome.ok) throw bad(outcome.error.message);
    const { instanceId } = outcome.value;
    const instance = this.#core.instances.get(toHex(instanceId));
    const mintedFor = this.#minted.get(report.counter)?.instanceId;
    const { provider } = this.#core.ports;
    if (
      instance === undefined ||
      !provider.verify(
        "ed25519",
        instance.publicKey,
        domainBytes(domains.outcome, encoded),
        report.signature,
      )
    ) {
      throw bad("it is not signed by a registered instance");
    }
    if (
      outcome.value.counter !== report.counter ||
      mintedFor === undefined ||
      !equalBytes(instanceId, mintedFor) ||
      instance.session !== report.session ||
      !equalBytes(outcome.value.actionId, intent.actionId)
    ) {
      throw bad("it speaks of another ticket");
    }
    return outcome.value;
  }
}
