/**
 * What the gate and the person's side of the Guardian share: keys, log, ledger, policy, the ports.
 *
 * Every change of state is a leaf: it is appended to the log and applied to the ledger in the order
 * of the log.
 */
import {
  type Clock,
  type Log,
  Lru,
  OperationError,
  type Random,
  steadyWall,
  toHex,
  type WallMs,
} from "@ioi/base";
import type { CryptoProvider } from "@ioi/crypto";
import {
  type CompiledPolicy,
  type DecisionContext,
  patternOf,
  type Root,
  type SessionContext,
  startTool,
  typedUrls,
  type UrlParser,
} from "@ioi/firewall";
import {
  type Action,
  alikeActions,
  decodeCanonical,
  type DriverKind,
  action as actionSchema,
  encodeCanonical,
  type Leaf,
  schema,
  type Scope,
  type ScopeAccess,
  scopeStatement,
} from "@ioi/wire";
import { DeviceBook } from "./device-book.ts";
import { alikeId } from "./alike.ts";
import type { GuardianKeys } from "./keys.ts";
import {
  type Ask,
  foldersOf,
  isFresh,
  Ledger,
  type Opening,
  type Sealed,
  type SessionRecord,
  picksOf,
  taskOf,
} from "./ledger.ts";
import { asksKeptMax, goneInstancesMax, reasonCharsMax } from "./limits.ts";
import type { McpRegistry, RegisteredServer } from "./mcp/registry.ts";
import { modelAmount, type ModelRegistry } from "./models.ts";
import { PolicyBook } from "./policy/book.ts";
import { Previews } from "./previews.ts";
import { originsIn } from "./origins.ts";
import type { PolicySourceReader } from "./policy-source.ts";
import type { LoggedLeaf, ReceiptLog } from "./receipt-log.ts";
import { printable, rejected } from "./rejections.ts";
import type { SecretStore } from "./secrets.ts";
import { openContent, type SealedContent, sealContent } from "./sealing.ts";

export { printable, rejected };

export interface GuardianConfig {
  /** Absolute; refused to every driver. */
  readonly productFolders: readonly string[];
  /** Absolute path behind `~`. */
  readonly home: string;
  /** Raw Ed25519 keys of the devices that may approve. */
  readonly devices: readonly Uint8Array[];
  /** Where paired browsers answer cards; none where no page is served. */
  readonly approveOrigins: readonly string[];
}

/** A driver that the launcher started and vouches for. */
export interface Instance {
  readonly publicKey: Uint8Array;
  readonly kind: DriverKind;
  readonly session: string;
  readonly profileHash: Uint8Array;
  /** Nonces that had their decision; minting burns. */
  readonly burned: Set<string>;
  /** It has ended: it proposes nothing more, but what it signed before still counts. */
  gone: boolean;
}

export interface GuardianPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly provider: CryptoProvider;
  /** The platform's WHATWG parser: which of the person's words are URLs. */
  readonly parseUrl: UrlParser;
  /** Minutes by which the machine's local time is ahead of UTC then. */
  readonly localOffsetMinutes: (atMs: number) => number;
  /** The log cannot be trusted to store anything more: the process has to begin anew. */
  readonly fatal: (error: OperationError) => void;
}

export const isAccess = (value: unknown): value is ScopeAccess =>
  value === "read" || value === "organise" || value === "write";

export class GuardianCore {
  readonly ports: GuardianPorts;
  readonly config: GuardianConfig;
  readonly keys: GuardianKeys;
  readonly ledger: Ledger = new Ledger();
  readonly deviceBook: DeviceBook = new DeviceBook();
  readonly policyBook: PolicyBook = new PolicyBook();
  /** How often this process read the policy's file: more than once, it changed meanwhile. */
  policyLoads = 0;
  readonly instances: Map<string, Instance> = new Map();
  /** What actions that ask would change; in memory only. */
  readonly previews: Previews = new Previews();
  /** What a person said with an answer, by approval: for the session that hears it, in no receipt. */
  /** Asks whose answer is on its way to the disk. */
  readonly answering: Set<string> = new Set();
  readonly reasons: Lru<string, string> = new Lru(asksKeptMax);
  /** Values that a request's lease may carry; undefined until they are opened. */
  secrets: SecretStore | undefined;
  /** The secret that authenticates with a confirmed model; empty for none. */
  secretOfModel: (model: string) => string = () => "";
  readonly #policySource: PolicySourceReader;
  readonly #steadyWall: () => WallMs;
  #receipts: ReceiptLog | undefined;
  #models: ModelRegistry | undefined;
  #mcp: McpRegistry | undefined;
  readonly #watchers: Set<(leaf: Leaf) => void> = new Set();
  /** Sessions whose end is on its way to the disk. */
  readonly #closing: Map<string, Promise<void>> = new Map();

  constructor(
    ports: GuardianPorts,
    config: GuardianConfig,
    keys: GuardianKeys,
    policySource: PolicySourceReader,
  ) {
    this.ports = ports;
    this.config = config;
    this.keys = keys;
    this.#policySource = policySource;
    this.#steadyWall = steadyWall(ports.clock);
  }

  /** Called once, with the log that handed its leaves to `restore`. */
  attach(receipts: ReceiptLog): void {
    this.#receipts = receipts;
  }

  /** Called once; without it no model may be asked. */
  attachModels(models: ModelRegistry): void {
    this.#models = models;
    this.secretOfModel = (id) => models.find(id)?.secret ?? "";
  }

  get models(): ModelRegistry {
    if (this.#models === undefined) throw new OperationError("E_GUARDIAN_KEYS", "not opened");
    return this.#models;
  }

  /** Called once; without it no server may be called. */
  attachMcp(mcp: McpRegistry): void {
    this.#mcp = mcp;
  }

  get mcp(): McpRegistry {
    if (this.#mcp === undefined) throw new OperationError("E_GUARDIAN_KEYS", "not opened");
    return this.#mcp;
  }

  /** What a person confirmed; none where no registry was opened. */
  get mcpServers(): readonly RegisteredServer[] {
    return this.#mcp?.servers ?? [];
  }

  /** What an action asks of its session's budgets, and why it may not be at all. */
  weigh(
    session: string,
    action: Action,
    policy?: CompiledPolicy,
  ): Pick<DecisionContext, "exceededBudgets" | "exceededRates" | "time" | "posted" | "starts"> &
    Partial<Pick<DecisionContext, "refusal">> {
    const amount = modelAmount(action);
    const nowMs = this.wall();
    const { budgets, rates } = this.ledger;
    const exceededBudgets = budgets.exceeded(session, nowMs, amount);
    const exceededRates = rates.exceeded(policy?.rates ?? [], session, action.target, nowMs);
    const refusal = this.#refusal(session, action, amount !== undefined);
    return {
      exceededBudgets,
      ...(exceededRates.length === 0 ? {} : { exceededRates }),
      time: { nowMs, localOffsetMinutes: this.ports.localOffsetMinutes(nowMs) },
      ...this.#posted(action),
      ...this.starts(action),
      ...(refusal === undefined ? {} : { refusal }),
    };
  }

  /** Where a call of a tool goes that leaves this machine. */
  #posted({ target, args }: Action): Pick<DecisionContext, "posted"> {
    const name = target === "mcp::call" ? args["server"] : undefined;
    const url = typeof name === "string" ? this.#mcp?.find(name)?.server.url : undefined;
    if (url === undefined || url === "") return {};
    const { address } = args;
    return { posted: typeof address === "string" ? address : url };
  }

  /** Of the start of a confirmed server: what is given to its program. */
  starts({ target, args }: Action): Pick<DecisionContext, "starts"> {
    const isStart = target === "mcp::call" && args["tool"] === startTool;
    const name = isStart ? args["server"] : undefined;
    const server = typeof name === "string" ? this.#mcp?.find(name)?.server : undefined;
    if (server === undefined) return {};
    const folders = server.roots.map((root, at) => ({ name: `folder${at + 1}`, ...root }));
    return { starts: { places: server.network ?? [], folders } };
  }

  #refusal(session: string, action: Action, asksModel: boolean): DecisionContext["refusal"] {
    if (asksModel) return this.models.refusal(action);
    if (action.target !== "mcp::call") return undefined;
    return this.mcp.refusal(action, this.ledger.sessions.get(session)?.mcpServer);
  }

  restore(leaf: Leaf, index: number): void {
    this.ledger.apply(leaf, index, this.#sealedIn(leaf));
    this.deviceBook.apply(leaf);
    this.policyBook.apply(leaf, index);
  }

  get receipts(): ReceiptLog {
    if (this.#receipts === undefined) throw new OperationError("E_GUARDIAN_KEYS", "not opened");
    return this.#receipts;
  }

  /** Never back in one life; what an earlier life made later than now counts as expired. */
  wall(): WallMs {
    return this.#steadyWall();
  }

  /** Durable, then applied. */
  async commit(leaf: Leaf, soon = false): Promise<LoggedLeaf> {
    const logged = await this.#append(leaf, soon);
    this.ledger.apply(leaf, logged.index, this.#sealedIn(leaf));
    this.deviceBook.apply(leaf);
    this.policyBook.apply(leaf, logged.index);
    for (const watcher of this.#watchers) watcher(leaf);
    return logged;
  }

  async #append(leaf: Leaf, soon: boolean): Promise<LoggedLeaf> {
    try {
      return soon ? await this.receipts.appendSoon(leaf) : await this.receipts.append(leaf);
    } catch (error) {
      if (error instanceof OperationError && error.code === "E_WAL_POISONED") {
        this.ports.fatal(error);
      }
      throw error;
    }
  }

  /** A driver ended. The newest of the ended are kept for the reports that are under way. */
  instanceGone(id: string): void {
    const instance = this.instances.get(id);
    if (instance === undefined) return;
    instance.gone = true;
    instance.burned.clear();
    this.instances.delete(id);
    this.instances.set(id, instance);
    let gone = 0;
    for (const each of this.instances.values()) if (each.gone) gone++;
    for (const [oldest, each] of this.instances) {
      if (gone <= goneInstancesMax) break;
      if (!each.gone) continue;
      this.instances.delete(oldest);
      gone--;
    }
  }

  /** Sees every leaf that is committed from now on; returns the way to stop. */
  watch(watcher: (leaf: Leaf) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** What a session was opened with; undefined where the leaf opens none. */
  openingOf(leaf: Leaf): Opening | undefined {
    if (leaf.type !== "session-open") return undefined;
    const plain = this.open(leaf.session, leaf.words);
    const value = plain === undefined ? undefined : decodeCanonical(plain);
    if (value === undefined || !value.ok) return undefined;
    const given = value.value as Partial<Record<keyof Opening, unknown>>;
    const { text, workspace, access, agentFolder, mcpServer, typed, clientAnswers } = given;
    return {
      text: typeof text === "string" ? text : "",
      workspace: typeof workspace === "string" && workspace !== "" ? workspace : undefined,
      access: isAccess(access) ? access : "write",
      ...(typed === true ? { typed } : {}),
      ...(typeof agentFolder === "string" ? { agentFolder } : {}),
      ...(typeof mcpServer === "string" ? { mcpServer } : {}),
      ...(clientAnswers === true ? { clientAnswers } : {}),
    };
  }

  /** What the fold needs of the sealed parts. */
  #sealedIn(leaf: Leaf): Sealed {
    const opening = this.openingOf(leaf);
    const scope = this.#scopeOf(leaf);
    const alike = leaf.type === "intent" ? this.alikeIn(leaf) : [];
    const origins = originsIn(this, leaf);
    return {
      ...(origins === undefined ? {} : { origins }),
      ...(opening === undefined ? {} : { opening }),
      ...(scope === undefined ? {} : { scope }),
      ...this.#patternIn(leaf),
      ...(alike.length === 0
        ? {}
        : { alike: alike.map((action) => alikeId(this.ports.provider, action)) }),
    };
  }

  /** What is like an action that asks; it follows from the action alone. */
  #patternIn(leaf: Leaf): Pick<Sealed, "pattern"> {
    if (leaf.type !== "intent" || leaf.verdict !== "ask") return {};
    const plain = this.open(leaf.session, leaf.action);
    const action = plain === undefined ? undefined : schema.decode(actionSchema, plain);
    if (action?.ok !== true) return {};
    const pattern = patternOf(action.value, leaf.asks);
    return pattern === undefined ? {} : { pattern };
  }

  /** The actions that an ask's answer is for beside its own. */
  alikeIn({ session, alike }: Extract<Leaf, { readonly type: "intent" }>): readonly Action[] {
    const plain = alike === undefined ? undefined : this.open(session, alike);
    const actions = plain === undefined ? undefined : schema.decode(alikeActions, plain);
    return actions?.ok === true ? actions.value : [];
  }

  #scopeOf(leaf: Leaf): Scope | undefined {
    if (leaf.type !== "scope") return undefined;
    const plain = this.open(leaf.session, leaf.statement);
    const statement = plain === undefined ? undefined : schema.decode(scopeStatement, plain);
    return statement?.ok === true ? statement.value.scope : undefined;
  }

  sealOpening(session: string, opening: Opening): SealedContent {
    return this.seal(
      session,
      encodeCanonical({
        text: opening.text,
        workspace: opening.workspace ?? "",
        access: opening.access,
        ...(opening.typed === undefined ? {} : { typed: opening.typed }),
        ...(opening.agentFolder === undefined ? {} : { agentFolder: opening.agentFolder }),
        ...(opening.mcpServer === undefined ? {} : { mcpServer: opening.mcpServer }),
        ...(opening.clientAnswers === undefined ? {} : { clientAnswers: true }),
      }),
    );
  }

  seal(session: string, content: Uint8Array): SealedContent {
    return sealContent(this.ports.provider, this.keys.sessionKey(session), content);
  }

  open(session: string, content: SealedContent): Uint8Array | undefined {
    return openContent(this.ports.provider, this.keys.sessionKey(session), content);
  }

  /** The policy, read again if its file changed; undefined while it does not load. */
  policy(): CompiledPolicy | undefined {
    const { policy, changed } = this.#policySource.current();
    if (changed) {
      this.policyLoads++;
      this.ports.log.log(
        policy.ok ? "info" : "error",
        policy.ok ? "policy.loaded" : "policy.invalid",
        policy.ok
          ? { policyHash: toHex(policy.value.hash) }
          : {
              code: policy.error.code,
              line: policy.error.at.line,
              column: policy.error.at.column,
            },
      );
    }
    return policy.ok ? policy.value : undefined;
  }

  /** The policy that decides in a session: a gate may have one of its own. */
  policyFor(session: SessionRecord | undefined): CompiledPolicy | undefined {
    const server = session?.mcpServer;
    const own = server === undefined ? undefined : this.mcp.policyOf(server);
    return own ?? this.policy();
  }

  /** Asks that nobody can answer any more: their minutes are over, or lie in a future set back. */
  expiredAsks(): readonly Ask[] {
    if (this.ledger.asks.size === 0) return [];
    const policy = this.policy();
    if (policy === undefined) return [];
    const nowMs = this.wall();
    const lifeMs = policy.approvalExpiresMinutes * 60_000;
    return [...this.ledger.asks.values()].filter(
      ({ atMs }) => atMs > nowMs || nowMs >= atMs + lifeMs,
    );
  }

  policyError(): string {
    const { policy } = this.#policySource.current();
    if (policy.ok) return "";
    const { at, message } = policy.error;
    return `${at.file}:${at.line}:${at.column}: ${message}`;
  }

  requireSession(id: string): SessionRecord {
    const session = this.ledger.sessions.get(id);
    if (session === undefined) throw rejected("E_SESSION_UNKNOWN", `no session ${printable(id)}`);
    const closed = this.#closing.has(id) ? "it is being closed" : session.closed;
    if (closed !== undefined) {
      throw rejected("E_SESSION_CLOSED", `session ${id} is closed: ${closed}`);
    }
    return session;
  }

  /**
   * Ends a session. From the call on nothing is permitted in it, so that no intent follows the end
   * in the log; durable when it resolves.
   */
  async closeSession(id: string, reason: string): Promise<void> {
    const session = this.ledger.sessions.get(id);
    if (session === undefined) throw rejected("E_SESSION_UNKNOWN", `no session ${printable(id)}`);
    if (session.closed !== undefined) return;
    const closing =
      this.#closing.get(id) ?? this.#close(id, reason.slice(0, reasonCharsMax).toWellFormed());
    this.#closing.set(id, closing);
    try {
      await closing;
    } finally {
      this.#closing.delete(id);
    }
  }

  async #close(session: string, reason: string): Promise<void> {
    await this.commit({ type: "revoke", atMs: this.wall(), session, reason });
  }

  roots(policy: Pick<CompiledPolicy, "workspaces">, session: SessionRecord): readonly Root[] {
    const named = policy.workspaces.map((root) => ({
      ...root,
      path:
        root.path === "~" || root.path.startsWith("~/")
          ? this.config.home + root.path.slice(1)
          : root.path,
    }));
    // What is undone is undone where it was done.
    const owner = this.ledger.sessions.get(session.vault) ?? session;
    const own = foldersOf(owner).map(({ path, access }, at): Root => ({
      name: at === 0 ? "scope" : `scope${at + 1}`,
      path,
      access: access === "read" ? "read" : "write",
    }));
    return [...named, ...own];
  }

  sessionContext(
    policy: Pick<CompiledPolicy, "workspaces">,
    session: SessionRecord,
    headless: boolean,
  ): SessionContext {
    const task = taskOf(session);
    return {
      session: session.id,
      agent: session.agent,
      roots: this.roots(policy, session),
      // A pick in a chooser is as good as typed.
      words: task === undefined ? session.words : [...session.words, ...task.sites],
      ...(session.mcpServer === undefined ? {} : { gate: true }),
      typed: session.typed,
      trusted: session.origins.trusted,
      seen: session.origins.seen,
      fresh: isFresh(session),
      urls: typedUrls(session.words, this.ports.parseUrl, session.typed),
      ...(task === undefined ? {} : { task, picks: picksOf(session) }),
      headless,
      productFolders: this.config.productFolders,
      home: this.config.home,
    };
  }
}
