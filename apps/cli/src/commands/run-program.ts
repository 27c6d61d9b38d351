/**
 * `ioi run -- CMD ARGS...`: a program inside the sandbox of commands, with egress as its only network.
 * Its input and output pass through, its exit code is this command's; what it writes is applied when it
 * ends and can be undone; each host beyond what a rule or `--network` names asks at the terminal.
 *
 * Bounds: `requestCharsMax` of the command; what its driver bounds.
 */
import { constants } from "node:os";
import type { RunAction, RunView } from "@ioi/agent";
import { actionId } from "@ioi/crypto";
import { canonicalHostName } from "@ioi/firewall/net";
import { nodeCrypto } from "@ioi/host/crypto";
import { action as actionSchema, type pb, schema } from "@ioi/wire";
import type { CommandContext, Handler } from "../context.ts";
import { visible } from "../io.ts";
import { type Kernel, openKernel, retrying } from "../kernel/connection.ts";
import type { Decision } from "../kernel/device.ts";
import { type Begin, seeThrough } from "../kernel/follow.ts";
import { callDeadlineMs, programInputBytesMax, requestCharsMax } from "../limits.ts";
import { formatError, usage, withData, failureOf } from "../report.ts";
import { askCard } from "../view/card.ts";
import { runError } from "../view/run-view.ts";
import { type BudgetOptions, budgetOf, exitOfView, stoppingOnAbort, workspaceOf } from "./run.ts";
import type { Access } from "./scope.ts";

export interface ProgramOptions extends BudgetOptions {
  readonly workspace?: string;
  readonly access?: Access;
  readonly network?: readonly string[];
  readonly intercept?: readonly string[];
}

interface Place {
  readonly host: string;
  readonly port: number;
}

/** What no sandbox and no proxy can see or stop: said before the program starts. */
export const notCovered: readonly string[] = [
  "what it says inside an encrypted connection to a host that is permitted and not opened",
  "what it reads in its folder, and could so say there",
  "clients that read no proxy from their environment: they reach nothing",
];

const parseUrl = (text: string): URL | undefined => URL.parse(text) ?? undefined;

/** `host` or `host:port`; 443 where no port stands. */
export const placeOf = (given: string): Place => {
  const parts = /^(\[[^\]]+\]|[^:]+)(?::([1-9][0-9]{0,4}))?$/.exec(given);
  const host = parts === null ? undefined : canonicalHostName(parts[1] ?? "", parseUrl);
  const literal = /^\[(.+)\]$/.exec(parts?.[1] ?? "")?.[1];
  const port = Number(parts?.[2] ?? 443);
  const found = host ?? (literal === undefined ? undefined : ipv6Of(literal));
  if (found === undefined || port > 65_535) {
    throw usage(
      `--network takes a host or HOST:PORT, not "${given}"`,
      "./ioi run --network packages.example.com -- npm install",
    );
  }
  return { host: found, port };
};

const ipv6Of = (text: string): string | undefined => {
  const url = URL.parse(`http://[${text}]/`);
  return url === null ? undefined : url.hostname.slice(1, -1);
};

/** A word of the planner's language that stands for exactly this text. */
export const quoted = (text: string): string =>
  /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;

/**
 * The address that a card's request is for, where it is one: of `net::get` and, to a host whose
 * connections are opened, of `net::post`. The card is made from the action alone.
 */
const requestedPlace = ({ target, card }: pb.Approval, posts: boolean): Place | undefined => {
  if (target !== "net::get" && !(posts && target === "net::post")) return undefined;
  const [, text = ""] = /^url +(\S+)/m.exec(card) ?? [];
  const url = URL.parse(text);
  if (url === null) return undefined;
  const port = url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port);
  return { host: url.hostname.replace(/^\[|\]$/g, ""), port };
};

/** The tunnel to this place, by the identity that its approval has. */
const tunnelId = ({ host, port }: Place): string =>
  Buffer.from(
    actionId(
      nodeCrypto,
      schema.encode(actionSchema, {
        version: 1,
        target: "net::connect",
        args: { host, port },
        facts: {},
      }),
    ),
  ).toString("hex");

const exitOfAction = ({ outcome }: RunAction): number | undefined => {
  const { exitCode, signal } = outcome?.evidence ?? {};
  if (signal !== undefined && signal !== "") {
    const number = constants.signals[signal as NodeJS.Signals];
    return number === undefined ? undefined : 128 + number;
  }
  const code = Number(exitCode ?? -1);
  return code >= 0 && code <= 255 ? code : undefined;
};

/** Of the hosts that it reached or wanted: one line each, for a person. */
const hostLines = (view: RunView): readonly string[] =>
  view.actions.slice(1).map((action) => {
    const { outcome, verdict, reason, receipt } = action;
    const sum = outcome?.evidence ?? {};
    const went =
      sum["requests"] === undefined
        ? ""
        : `, ${sum["mode"]}, ${sum["requests"]} times, ${sum["bytes_up"]} bytes up, ${sum["bytes_down"]} down`;
    const why = verdict === "allow" ? "allowed" : `${verdict ?? "not judged"}: ${reason}`;
    const leaf = outcome?.receipt ?? receipt;
    const where = leaf === null ? "" : `; receipt ${leaf.index}`;
    return visible(`${action.display} ${why}${went}${where}`);
  });

class ProgramRun {
  readonly #context: CommandContext;
  readonly #kernel: Kernel;
  readonly #session: string;
  readonly #tunnels: ReadonlySet<string>;
  readonly #places: readonly Place[];
  readonly #opened: readonly Place[];
  #stopTyping: () => void = () => undefined;
  #sending: Promise<unknown> = Promise.resolve();

  constructor(
    context: CommandContext,
    kernel: Kernel,
    session: string,
    places: readonly Place[],
    opened: readonly Place[],
  ) {
    this.#places = places;
    this.#opened = opened;
    this.#context = context;
    this.#kernel = kernel;
    this.#session = session;
    this.#tunnels = new Set(places.map(tunnelId));
  }

  /** What is typed goes to the program, in order; nothing is read while a card is on the screen. */
  listen(): void {
    this.#stopTyping = this.#context.io.typed((bytes) => {
      if (bytes === undefined) this.#send(new Uint8Array(0), true);
      else {
        for (let at = 0; at < bytes.length; at += programInputBytesMax) {
          this.#send(bytes.subarray(at, at + programInputBytesMax), false);
        }
      }
    });
  }

  #send(bytes: Uint8Array, end: boolean): void {
    const send = async (): Promise<void> => {
      const sessions = await this.#kernel.sessions();
      // Input that comes before the program runs waits for it.
      for (;;) {
        const { taken } = await sessions.input(
          { session: this.#session, bytes, end },
          { deadlineMs: callDeadlineMs },
        );
        if (taken || this.#over) return;
        await new Promise((resolve) => setTimeout(resolve, 50).unref());
      }
    };
    this.#sending = this.#sending.then(send).catch(() => undefined);
  }

  #over = false;

  stop(): void {
    this.#over = true;
    this.#stopTyping();
  }

  async answer(approval: pb.Approval): Promise<Decision & { readonly reason?: string }> {
    // The person named it on the command line.
    const tunnel = this.#tunnels.has(Buffer.from(approval.actionId).toString("hex"));
    if (tunnel || this.#names(approval)) return { decision: "approve", scope: "once" };
    if (!this.#context.io.interactive) {
      return { decision: "deny", scope: "once", reason: "nobody is at the terminal" };
    }
    this.#stopTyping();
    try {
      return await askCard(this.#context, approval);
    } finally {
      if (!this.#over) this.listen();
    }
  }

  /** A request to a named host: plain ones that read, and what is said where it is opened. */
  #names(approval: pb.Approval): boolean {
    const read = requestedPlace(approval, false);
    const said = requestedPlace(approval, true);
    const same = (one: Place, two: Place | undefined): boolean =>
      one.host === two?.host && one.port === two.port;
    return (
      this.#places.some(
        (each) => same(each, read) || (read?.port === 80 && each.host === read.host),
      ) || this.#opened.some((each) => same(each, said))
    );
  }

  print(text: string, errors: boolean): void {
    const { io, output } = this.#context;
    // A program's own escapes are not for a terminal of ours.
    const shown = io.stdoutIsTerminal ? visible(text) : text;
    if (errors || output.json) io.err(shown);
    else io.out(shown);
  }
}

const conclude = async (context: CommandContext, view: RunView): Promise<number> => {
  const { output } = context;
  const [main] = view.actions;
  for (const line of hostLines(view)) output.progress(line);
  const code = main === undefined ? undefined : exitOfAction(main);
  output.value({ ...view, exitCode: code ?? null, notCovered });
  const undo = main?.outcome?.reversible === true && main.outcome.evidence["filesChanged"] !== "0";
  if (undo) output.progress(`its changes can be undone: ./ioi undo ${view.session}`);
  if (main?.outcome?.message) output.progress(visible(main.outcome.message));
  if (code !== undefined) return code;
  const error = runError(view);
  if (error !== undefined) {
    const { report } = await failureOf(error);
    output.progress(formatError(withData(report, context.dataGiven)));
  }
  return await exitOfView(view);
};

export const runProgram: Handler<ProgramOptions> = async (context, { args, options }) => {
  const places = (options.network ?? []).map(placeOf);
  const opened = (options.intercept ?? []).map(placeOf);
  const intercepts = opened.map(({ host, port }) => `--intercept ${quoted(`${host}:${port}`)} `);
  const text = `/run --network ${intercepts.join("")}${args.map(quoted).join(" ")}`;
  if (text.length > requestCharsMax) {
    throw usage(`a command has at most ${requestCharsMax} characters`);
  }
  const workspace = workspaceOf(context, options.workspace ?? ".");
  await using kernel = await openKernel(context, { start: true });
  const { session } = await retrying(kernel, async () => {
    const person = await kernel.person();
    const typed = [...(options.network ?? []), ...(options.intercept ?? []), ...args].join(" ");
    const access = options.access ?? "";
    return person.utter(
      { session: "", text: typed, workspace, agent: "planner", access, agentFolder: "" },
      { deadlineMs: callDeadlineMs, signal: context.signal },
    );
  });
  context.output.progress(`session ${session}; not covered: ${notCovered.join("; ")}`);
  const run = new ProgramRun(context, kernel, session, places, opened);
  const begin: Begin = (sessions) =>
    sessions.start(
      {
        session,
        text,
        workspace,
        onAsk: "prompt",
        agent: "planner",
        model: "",
        budget: budgetOf(options),
        output: true,
      },
      { deadlineMs: Number.POSITIVE_INFINITY, signal: context.signal },
    );
  run.listen();
  try {
    const view = await stoppingOnAbort(context, kernel, session, () =>
      seeThrough(context, kernel, session, {
        begin,
        prompt: true,
        onView: () => undefined,
        onOutput: (_action, written, errors) => run.print(written, errors),
        answer: (approval) => run.answer(approval),
      }),
    );
    return await conclude(context, view);
  } finally {
    run.stop();
  }
};
