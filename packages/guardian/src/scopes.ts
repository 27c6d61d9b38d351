/**
 * The scope of a task: offered from the person's words and picks, granted by a device's signature.
 *
 * Invariants: only what was offered in this life, byte for byte, can be accepted, and once; what is
 * accepted is durable before it counts. Words and picks are the person's; no agent has a way here.
 */
import { Lru, toHex, utf8Encode } from "@ioi/base";
import { domainHash, domains } from "@ioi/crypto";
import {
  normalisePath,
  offeredScope,
  pathComplaint,
  scopeCard,
  type ScopePick,
  visible,
  personOf,
} from "@ioi/firewall";
import { type Scope, scopeStatement, schema } from "@ioi/wire";
import { type GuardianCore, isAccess, printable, rejected } from "./core.ts";
import { verifiedByDevice } from "./device-signature.ts";
import type { SessionRecord } from "./ledger.ts";
import { offeredScopesMax } from "./limits.ts";
import type { LoggedLeaf } from "./receipt-log.ts";
import { workspaceComplaint } from "./workspace.ts";

export interface ScopeRequest {
  readonly session: string;
  readonly picks: readonly {
    readonly kind: string;
    readonly value: string;
    readonly access: string;
  }[];
  /** Empty or 0: as proposed. */
  readonly model: string;
  readonly microusdMax: number;
  readonly wallMinutesMax: number;
  readonly actionsMax: number;
}

export interface ScopeOffer {
  readonly scope: Scope;
  readonly card: string;
  readonly cardHash: Uint8Array;
  /** Canonical `scopeStatement`: what a device signs. */
  readonly canonical: Uint8Array;
  readonly needless: boolean;
  readonly warnings: readonly string[];
  readonly pickWanted: boolean;
}

export interface ScopeAnswer {
  readonly statement: Uint8Array;
  readonly signature: Uint8Array;
  readonly device: Uint8Array;
}

/** How long the grants of a scope may be used at most. */
const scopeGrantMs = 24 * 3_600_000;
/** Money of a task where nobody says otherwise, in millionths of a dollar. */
const microusdDefault = 500_000;
const picksMax = 64;
const hostShape = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$/;

const pickOf = (pick: ScopeRequest["picks"][number]): ScopePick => {
  const { kind, value, access } = pick;
  if (access !== "" && !isAccess(access)) {
    throw rejected("E_SCOPE_INVALID", `access ${printable(access)}: read, organise or write`);
  }
  if (kind === "folder") return { kind, value, access };
  // The same plain spelling as a driver's: nothing that leads elsewhere, nothing unseen.
  if (kind === "file" && pathComplaint(value) === undefined && normalisePath(value) === value) {
    return { kind, value, access: "" };
  }
  if (kind === "site" && value.length <= 253 && hostShape.test(value)) {
    return { kind, value, access: "" };
  }
  if (kind === "person" && personOf(value) !== undefined) return { kind, value, access: "" };
  if (kind === "person") {
    const why = `${printable(value)} is no mail address, telephone number or account`;
    throw rejected("E_SCOPE_INVALID", why);
  }
  throw rejected("E_SCOPE_INVALID", `a pick of ${printable(kind)}: ${printable(value)}`);
};

export class ScopeSide {
  readonly #core: GuardianCore;
  /** Statements that were offered, by their hash. */
  readonly #offered: Lru<string, string> = new Lru(offeredScopesMax);

  constructor(core: GuardianCore) {
    this.#core = core;
  }

  propose(request: ScopeRequest): ScopeOffer {
    const session = this.#core.requireSession(request.session);
    const policy = this.#core.policy();
    if (policy === undefined) throw rejected("E_POLICY_INVALID", this.#core.policyError());
    const { home, productFolders } = this.#core.config;
    const model = this.#modelOf(request, session);
    const { scope, warnings, pickWanted } = offeredScope({
      session: session.id,
      words: session.words,
      typed: session.typed,
      picks: this.#picksOf(request, session),
      home,
      model: model.id,
      remark: model.remark,
      microusdMax: request.microusdMax || policy.budgets.modelMicrousd || microusdDefault,
      wallMinutesMax: request.wallMinutesMax || policy.budgets.wallMinutes,
      actionsMax: request.actionsMax || policy.budgets.actions,
      complaint: (path) => workspaceComplaint(path, productFolders),
    });
    const card = scopeCard(scope, warnings, home);
    const { provider } = this.#core.ports;
    const cardHash = domainHash(provider, domains.card, utf8Encode(card));
    const canonical = schema.encode(scopeStatement, {
      version: 1,
      scope,
      cardHash,
      policyHash: policy.hash,
    });
    this.#offered.set(this.#keyOf(canonical), session.id);
    return {
      scope,
      card,
      cardHash,
      canonical,
      // Every effect of a direct request stands in the words themselves.
      needless: session.agent === "planner",
      warnings,
      pickWanted,
    };
  }

  async accept(answer: ScopeAnswer): Promise<LoggedLeaf> {
    if (!verifiedByDevice(this.#core, domains.scope, answer)) {
      throw rejected("E_APPROVAL_INVALID", "the scope is not signed by a paired device");
    }
    const key = this.#keyOf(answer.statement);
    const offered = this.#offered.get(key);
    const statement = schema.decode(scopeStatement, answer.statement);
    if (offered === undefined || !statement.ok || statement.value.scope.session !== offered) {
      throw rejected("E_SCOPE_UNKNOWN", "this scope was not offered, or was accepted already");
    }
    const { scope, policyHash } = statement.value;
    const session = this.#core.requireSession(scope.session);
    const policy = this.#core.policy();
    if (policy === undefined) throw rejected("E_POLICY_INVALID", this.#core.policyError());
    if (toHex(policy.hash) !== toHex(policyHash)) {
      throw rejected("E_SCOPE_UNKNOWN", "the policy has changed since this scope was offered");
    }
    // Taken before the first await: a second answer finds nothing.
    this.#offered.delete(key);
    const nowMs = this.#core.wall();
    return await this.#core.commit({
      type: "scope",
      atMs: nowMs,
      session: session.id,
      actionsMax: scope.actionsMax,
      wallMinutesMax: scope.wallMinutesMax,
      microusdMax: scope.microusdMax,
      policyHash,
      expiresMs: nowMs + scopeGrantMs,
      statement: this.#core.seal(session.id, answer.statement),
      device: answer.device,
      signature: answer.signature,
    });
  }

  /** The model that the person chose, or the confirmed default where a model decides the steps. */
  #modelOf(
    { model }: ScopeRequest,
    { agent }: SessionRecord,
  ): { readonly id: string; readonly remark: string } {
    if (model === "" && agent !== "model") return { id: "", remark: "" };
    const { models } = this.#core.models;
    const found =
      model === ""
        ? models.find(({ isDefault }) => isDefault)
        : models.find(({ id }) => id === model);
    if (found === undefined) {
      const id = model.slice(0, 128).toWellFormed();
      return { id, remark: id === "" ? "" : `Nobody confirmed a model ${visible(id)}.` };
    }
    const { id, loopback, name } = found;
    const remark = loopback
      ? ""
      : `${visible(name)} is not on this machine: what the task reads goes there as it is.`;
    return { id, remark };
  }

  /** A folder picked at the beginning stays picked where no other one is. */
  #picksOf(request: ScopeRequest, session: SessionRecord): readonly ScopePick[] {
    if (request.picks.length > picksMax) {
      throw rejected("E_SCOPE_INVALID", `${request.picks.length} picks; at most ${picksMax}`);
    }
    const picks = request.picks.map(pickOf);
    const { workspace } = session;
    if (workspace === undefined || picks.some(({ kind }) => kind === "folder")) return picks;
    return [...picks, { kind: "folder", value: workspace, access: "" }];
  }

  #keyOf(statement: Uint8Array): string {
    return toHex(domainHash(this.#core.ports.provider, domains.scope, statement));
  }
}
