/**
 * The MCP servers that a person confirmed, in `guardian/mcp-servers`: what each is, and the tools
 * that it had when it was first seen. A call of anything else, or of a tool whose definition has
 * changed since, is refused whatever the policy says.
 *
 * The first list of a confirmed server pins its tools. After that, what is new or changed waits until
 * a person takes it by its hash; a server that is confirmed to be followed has it taken and noted.
 *
 * The file begins with its format; after it stands a canonical record. Bounds: `mcp*Max`.
 */
import {
  concatBytes,
  equalBytes,
  err,
  type Files,
  ok,
  OperationError,
  type Result,
  toHex,
  utf8Decode,
  utf8Encode,
} from "@ioi/base";
import { type CryptoProvider, domainHash, domains } from "@ioi/crypto";
import {
  type CompiledPolicy,
  compilePolicy,
  type DecisionContext,
  connectTool,
  startTool,
} from "@ioi/firewall";
import { type Action, type Infer, type McpServer, mcpServer, schema } from "@ioi/wire";
import {
  mcpDefinitionsBytesMax,
  mcpPolicyCharsMax,
  mcpServersBytesMax,
  mcpServersMax,
  mcpToolsMax,
} from "../limits.ts";
import { printable, rejected } from "../rejections.ts";
import {
  argumentsComplaint,
  type Definition,
  readDefinition,
  unknownArgument,
} from "./definitions.ts";
import { collidesWithNative, isServerName, isToolName, skeletonOf } from "./names.ts";
import { leadsInside, serverComplaint } from "./server-shape.ts";

const { array, bool, bytes, oneOf, record, text } = schema;

const pinnedTool = record({ name: text(128), hash: bytes(32), definition: text(65_536) });
const waitingTool = record({
  name: text(128),
  hash: bytes(32),
  definition: text(65_536),
  /** Why it can never be taken; empty: a person may. */
  why: text(256),
});
export type WaitingTool = Infer<typeof waitingTool>;
export type PinnedTool = Infer<typeof pinnedTool>;

const registered = record({
  server: mcpServer,
  pinning: oneOf("strict", "follow"),
  /** Text of the policy that its gates are judged by; empty: the person's own. */
  policy: text(mcpPolicyCharsMax),
  seen: bool,
  tools: array(pinnedTool, mcpToolsMax),
  waiting: array(waitingTool, mcpToolsMax),
});
export type RegisteredServer = Infer<typeof registered>;

const registryFile = record({ servers: array(registered, mcpServersMax) });

const path = "mcp-servers";
const format = "ioi.mcp-servers/1\n";

const damaged = (why: string): OperationError =>
  new OperationError("E_MCP_FILE", `guardian/${path}: ${why}`);

const readFile = (given: Uint8Array): readonly RegisteredServer[] => {
  const end = given.indexOf(10) + 1;
  const head = utf8Decode(given.subarray(0, end)) ?? "";
  const version = /^ioi\.mcp-servers\/(\d{1,9})\n$/.exec(head)?.[1];
  if (version === undefined) throw damaged("it does not begin with its format");
  if (head !== format) {
    const message = `guardian/${path} has format ${version}; this version knows 1`;
    throw new OperationError("E_MCP_FORMAT", message);
  }
  const decoded = schema.decode(registryFile, given.subarray(end));
  if (!decoded.ok) throw damaged(decoded.error.message);
  return decoded.value.servers;
};

/** Name and address are what a person entered; everything else is checked where it is used. */
const checkedServer = (
  provider: Pick<CryptoProvider, "sha256">,
  given: McpServer,
): Result<McpServer, string> => {
  if (!isServerName(given.name)) {
    return err(
      `${printable(given.name)} is no name for a server: a-z, 0-9, _ and -, from a letter`,
    );
  }
  const complaint = serverComplaint(given);
  if (complaint !== undefined) return err(complaint);
  // Values of variables are tokens that are renewed; their names are part of who it is.
  const env = Object.fromEntries(Object.keys(given.env).map((name) => [name, ""]));
  const nameless = { ...given, env, name: "", identity: new Uint8Array(32) };
  const identity = domainHash(provider, domains.mcpServer, schema.encode(mcpServer, nameless));
  return ok({ ...given, identity });
};

export interface Withheld {
  readonly name: string;
  readonly state: "changed" | "new" | "refused";
  readonly why: string;
}

export interface Described {
  readonly withheld: readonly Withheld[];
  /** Tools that this very list pinned. */
  readonly pinned: number;
}

/** What a gate judges beside tools, named by its method: no tool's name begins like this. */
const methodMark = "#";

/** Of a tool that a server does not list. */
const noDefinition = new Uint8Array(32);

interface Seen {
  readonly name: string;
  readonly hash: Uint8Array;
  readonly text: string;
}

export class McpRegistry {
  readonly #files: Files;
  readonly #provider: Pick<CryptoProvider, "sha256">;
  #servers: readonly RegisteredServer[];
  /** By server: the text that was compiled, and what came of it. */
  readonly #policies: Map<string, { readonly text: string; readonly policy: CompiledPolicy }> =
    new Map();
  /** One change at a time. */
  #changing: Promise<void> = Promise.resolve();

  private constructor(
    files: Files,
    provider: Pick<CryptoProvider, "sha256">,
    servers: readonly RegisteredServer[],
  ) {
    this.#files = files;
    this.#provider = provider;
    this.#servers = servers;
  }

  static async open(files: Files, provider: Pick<CryptoProvider, "sha256">): Promise<McpRegistry> {
    const there = await files.stat(path);
    const servers =
      there === undefined ? [] : readFile(await files.readFile(path, mcpServersBytesMax));
    return new McpRegistry(files, provider, servers);
  }

  get servers(): readonly RegisteredServer[] {
    return this.#servers;
  }

  find(name: string): RegisteredServer | undefined {
    return this.#servers.find(({ server }) => server.name === name);
  }

  /** Adds one. The same server again changes nothing; another one of that name needs `replace`. */
  async confirm(
    given: McpServer,
    options: {
      readonly pinning: "strict" | "follow";
      readonly policy: string;
      readonly replace: boolean;
    },
  ): Promise<RegisteredServer> {
    const checked = checkedServer(this.#provider, given);
    if (!checked.ok) throw rejected("E_MCP_INVALID", checked.error);
    const { pinning, policy } = options;
    if (policy !== "") this.#compiled(given.name, policy);
    const server = checked.value;
    return await this.#change((servers) => {
      const { name } = server;
      const near = servers.find(
        (each) => each.server.name !== name && skeletonOf(each.server.name) === skeletonOf(name),
      );
      if (near !== undefined) {
        throw rejected("E_MCP_INVALID", `${name} looks like the server ${near.server.name}`);
      }
      const known = servers.find((each) => each.server.name === name);
      const same = known !== undefined && equalBytes(known.server.identity, server.identity);
      if (known !== undefined && same && known.pinning === pinning && known.policy === policy) {
        const renewed = { ...known, server };
        const kept = sameEnv(known.server, server);
        return kept ? [servers, known] : [servers.map((e) => (e === known ? renewed : e)), renewed];
      }
      if (known !== undefined && !options.replace) {
        const what = same
          ? "its policy or its pinning does"
          : "its command, files or folders differ";
        throw rejected("E_MCP_CHANGED", `${name} is not the server that was confirmed: ${what}`);
      }
      const others = servers.filter((each) => each.server.name !== name);
      if (others.length >= mcpServersMax) {
        throw rejected("E_MCP_INVALID", `more than ${mcpServersMax} servers`);
      }
      const tools = known?.tools ?? [];
      const seen = known?.seen ?? false;
      const made = { server, pinning, policy, seen, tools, waiting: [] };
      return [[...others, made], made];
    });
  }

  /** The policy that a gate before this server is judged by; undefined: the person's own. */
  policyOf(name: string): CompiledPolicy | undefined {
    const known = this.find(name);
    if (known === undefined || known.policy === "") return undefined;
    const compiled = this.#policies.get(name);
    return compiled?.text === known.policy ? compiled.policy : this.#compiled(name, known.policy);
  }

  #compiled(name: string, policyText: string): CompiledPolicy {
    if (policyText.length > mcpPolicyCharsMax) {
      throw rejected("E_MCP_INVALID", `its policy has more than ${mcpPolicyCharsMax} characters`);
    }
    const file = `the policy of ${printable(name)}`;
    const source = { tier: "user", file, text: policyText } as const;
    const compiled = compilePolicy([source], this.#provider);
    if (!compiled.ok) {
      const [first] = compiled.error;
      const at = first === undefined ? "" : `:${first.at.line}:${first.at.column}`;
      throw rejected("E_POLICY_INVALID", `${file}${at}: ${first?.message ?? "does not load"}`);
    }
    this.#policies.set(name, { text: policyText, policy: compiled.value });
    return compiled.value;
  }

  async remove(name: string): Promise<boolean> {
    if (this.find(name) === undefined) return false;
    await this.#change((servers) => [
      servers.filter((each) => each.server.name !== name),
      undefined,
    ]);
    return true;
  }

  /** Takes what waits, where it is still what the person was shown. */
  async pin(
    name: string,
    shown: readonly { readonly name: string; readonly hash: Uint8Array }[],
  ): Promise<RegisteredServer> {
    return await this.#change((servers) => {
      const known = this.#known(servers, name);
      const taken = shown.map((each) => {
        const waits = known.waiting.find((tool) => tool.name === each.name);
        if (waits === undefined || !equalBytes(waits.hash, each.hash)) {
          throw rejected("E_MCP_REVIEW", `${printable(each.name)} is not what was shown any more`);
        }
        if (waits.why !== "") throw rejected("E_MCP_REVIEW", `${waits.name}: ${waits.why}`);
        const { why: _why, ...tool } = waits;
        return tool;
      });
      const names = new Set(taken.map((each) => each.name));
      const made = {
        ...known,
        tools: [...known.tools.filter((each) => !names.has(each.name)), ...taken],
        waiting: known.waiting.filter((each) => !names.has(each.name)),
      };
      return [servers.map((each) => (each === known ? made : each)), made];
    });
  }

  /** What a server says its tools are. */
  async describe(name: string, seen: readonly Seen[]): Promise<Described> {
    if (seen.length > mcpToolsMax) {
      throw rejected("E_MCP_TOOLS", `${name} lists ${seen.length} tools; at most ${mcpToolsMax}`);
    }
    const size = seen.reduce((sum, each) => sum + each.text.length, 0);
    if (size > mcpDefinitionsBytesMax) {
      throw rejected("E_MCP_TOOLS", `the definitions of ${name} have ${size} characters`);
    }
    // The usual list, whose every tool is pinned, writes nothing.
    const known = this.#known(this.#servers, name);
    const first = this.#judged(known, seen);
    if (first.made === undefined) return first.described;
    return await this.#change((servers) => {
      const now = this.#known(servers, name);
      const { made, described } = this.#judged(now, seen);
      const next = made === undefined ? servers : servers.map((e) => (e === now ? made : e));
      return [next, described];
    });
  }

  #judged(
    known: RegisteredServer,
    seen: readonly Seen[],
  ): { readonly made?: RegisteredServer; readonly described: Described } {
    const withheld: Withheld[] = [];
    const waiting: WaitingTool[] = [];
    const taken: PinnedTool[] = [];
    const takes = !known.seen || known.pinning === "follow";
    const names = new Set<string>();
    for (const each of seen) {
      const read = readDefinition(this.#provider, each);
      const why = read.ok ? this.#complaint(known, each.name, names) : read.error;
      names.add(skeletonOf(each.name));
      const pinned = known.tools.find((tool) => tool.name === each.name);
      if (pinned !== undefined && equalBytes(pinned.hash, each.hash)) continue;
      const state = pinned === undefined ? "new" : "changed";
      if (why !== undefined) withheld.push({ name: each.name, state: "refused", why });
      else if (!takes) withheld.push({ name: each.name, state, why: waitsText(known, state) });
      if (!read.ok) continue;
      const tool = toolOf(read.value);
      if (why === undefined && takes) taken.push(tool);
      else waiting.push({ ...tool, why: (why ?? "").slice(0, 256) });
    }
    const described = { withheld, pinned: taken.length };
    const still = known.waiting.filter(({ name }) => !seen.some((each) => each.name === name));
    const next = [...still, ...waiting].slice(-mcpToolsMax);
    if (taken.length === 0 && known.seen && sameWaiting(next, known.waiting)) return { described };
    const fresh = new Set(taken.map((each) => each.name));
    const tools = [...known.tools.filter((each) => !fresh.has(each.name)), ...taken];
    if (tools.length > mcpToolsMax) throw rejected("E_MCP_TOOLS", `more than ${mcpToolsMax} tools`);
    return { made: { ...known, seen: true, tools, waiting: next }, described };
  }

  /** Why no person may take a tool of this name either. */
  #complaint(
    known: RegisteredServer,
    name: string,
    before: ReadonlySet<string>,
  ): string | undefined {
    if (!isToolName(name)) return "its name holds more than letters, digits and _ . - /";
    if (before.has(skeletonOf(name))) return "its name looks like another one of this server";
    if (collidesWithNative(name)) return "its name is, or looks like, a tool of IOI's own";
    for (const { server, tools } of this.#servers) {
      if (server.name === known.server.name) continue;
      const near = tools.find(
        (tool) => tool.name !== name && skeletonOf(tool.name) === skeletonOf(name),
      );
      if (near !== undefined) return `its name looks like ${near.name} of ${server.name}`;
    }
    return undefined;
  }

  /** Why a call may not be made, whatever the policy says; `gate`: the one server of the session. */
  refusal({ target, args, facts }: Action, gate: string | undefined): DecisionContext["refusal"] {
    if (target !== "mcp::call") return undefined;
    const name = typeof args["server"] === "string" ? args["server"] : "";
    const tool = typeof args["tool"] === "string" ? args["tool"] : "";
    const hash = args["definition"] instanceof Uint8Array ? args["definition"] : noDefinition;
    const known = this.find(name);
    if (known === undefined || (gate !== undefined && gate !== name)) {
      const names = this.#servers.map(({ server }) => server.name);
      return refused(
        "server",
        gate === undefined || known === undefined
          ? `The server ${printable(name)} was not confirmed by the person.`
          : `This gate stands before ${printable(gate)} alone.`,
        names.length === 0 ? "" : `Call one of: ${names.join(", ")}.`,
      );
    }
    // Where a message goes is what was confirmed, and nothing that a driver may choose.
    if ((facts["server"]?.realPath ?? "") !== known.server.url) {
      return refused("server", `${name} is not reached where it was confirmed.`, reviewText(name));
    }
    if (Object.hasOwn(args, "address") && !leadsInside(known.server, args["address"])) {
      return refused("server", `${name} sends this call to another server.`, elsewhereText(name));
    }
    if (tool === startTool && known.server.url !== "") {
      return refused("server", `${name} is reached elsewhere, and not started.`, "");
    }
    if (tool === connectTool && known.server.url === "") {
      return refused("server", `${name} is a program, and not connected to.`, "");
    }
    if (tool.startsWith(methodMark)) {
      return equalBytes(hash, known.server.identity)
        ? undefined
        : refused("server", `${name} is not the server that was confirmed.`, reviewText(name));
    }
    return this.#toolRefusal(known, tool, hash, args["arguments"] ?? null);
  }

  #toolRefusal(
    { server, pinning, tools }: RegisteredServer,
    tool: string,
    hash: Uint8Array,
    args: Action["args"][string],
  ): DecisionContext["refusal"] {
    const pinned = tools.find((each) => each.name === tool);
    if (pinned === undefined) {
      // A server that is followed may have tools that it does not list.
      if (pinning === "follow" && equalBytes(hash, noDefinition)) return undefined;
      return refused(
        "tool",
        `${printable(tool)} is no tool of ${server.name} that the person has seen.`,
        reviewText(server.name),
      );
    }
    if (!equalBytes(pinned.hash, hash)) {
      return refused(
        "tool-changed",
        `${printable(tool)} of ${server.name} is not what it was when the person confirmed it.`,
        reviewText(server.name),
      );
    }
    if (pinning === "follow") return undefined;
    const unknown = unknownArgument(pinned.definition, args);
    if (unknown === undefined) {
      const wrong = argumentsComplaint(pinned.definition, args);
      return wrong === undefined
        ? undefined
        : refused(
            "tool-argument",
            `The arguments of ${printable(tool)} of ${server.name} do not fit its definition: ${wrong}.`,
            "Give the arguments as its definition has them.",
          );
    }
    return refused(
      "tool-argument",
      `${printable(tool)} of ${server.name} has no argument ${printable(unknown)}.`,
      "Use only the arguments of its definition.",
    );
  }

  #known(servers: readonly RegisteredServer[], name: string): RegisteredServer {
    const known = servers.find(({ server }) => server.name === name);
    if (known === undefined) {
      throw rejected("E_MCP_UNKNOWN", `no server ${printable(name)} was confirmed`);
    }
    return known;
  }

  async #change<T>(
    changed: (servers: readonly RegisteredServer[]) => readonly [readonly RegisteredServer[], T],
  ): Promise<T> {
    const changing = this.#changing.then(async () => {
      const [servers, result] = changed(this.#servers);
      if (servers === this.#servers) return result;
      const body = schema.encode(registryFile, { servers: [...servers] });
      await this.#files.replaceFile(path, concatBytes(utf8Encode(format), body), 0o600);
      this.#servers = servers;
      return result;
    });
    this.#changing = changing.then(
      () => undefined,
      () => undefined,
    );
    return await changing;
  }
}

const sameEnv = (a: McpServer, b: McpServer): boolean =>
  Object.entries(a.env).every(([name, value]) => b.env[name] === value);

const toolOf = ({ name, hash, text: definition }: Definition): PinnedTool => ({
  name,
  hash,
  definition,
});

const sameWaiting = (a: readonly WaitingTool[], b: readonly WaitingTool[]): boolean => {
  const keyed = (list: readonly WaitingTool[]): string =>
    list
      .map(({ name, hash, why }) => `${name} ${toHex(hash)} ${why}`)
      .sort((x, y) => (x < y ? -1 : 1))
      .join("\n");
  return keyed(a) === keyed(b);
};

const elsewhereText = (name: string): string =>
  `A person confirms where it is now: ./ioi mcp add ${name} --replace --url ADDRESS`;

const reviewText = (name: string): string => `A person looks at it: ./ioi mcp review ${name}`;

const waitsText = ({ server }: RegisteredServer, state: "changed" | "new"): string =>
  `${state === "new" ? "it came later" : "it has changed"}; ./ioi mcp review ${server.name}`;

const refused = (
  id: string,
  reason: string,
  instead: string,
): NonNullable<DecisionContext["refusal"]> => ({ id: `builtin:mcp-${id}`, reason, instead });
