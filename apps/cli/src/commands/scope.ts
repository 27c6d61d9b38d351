/**
 * The scope card at a terminal: one question before a task's first effect. The Guardian reads the
 * words; here the folders that they name are looked up, the card is shown, and what is shown is what
 * the device signs. Keys: s start, c change, n no; a card that just appeared takes none for a moment.
 */
import { realpathSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { nodeCrypto } from "@ioi/host/crypto";
import type { pb } from "@ioi/wire";
import type { CommandContext } from "../context.ts";
import { visible } from "../io.ts";
import { type Kernel, retrying } from "../kernel/connection.ts";
import { readDeviceKey, signScope } from "../kernel/device.ts";
import { folderPaths } from "../kernel/folder.ts";
import { callDeadlineMs, cardGuardMs } from "../limits.ts";
import { failWith } from "../report.ts";

export type Access = "read" | "organise" | "write";

interface Pick {
  readonly kind: string;
  readonly value: string;
  readonly access: string;
}

/** What the person changes on the card. */
interface Wish {
  readonly picks: readonly Pick[];
  readonly model: string;
  readonly microusdMax: bigint;
  readonly wallMinutesMax: number;
  readonly actionsMax: number;
}

export interface ScopeOptions {
  readonly session: string;
  /** Real path; empty: none. */
  readonly workspace: string;
  readonly access: Access | undefined;
  readonly model: string;
  /** Real paths of files that the person picked. */
  readonly attach?: readonly string[];
  /** Addresses of people that the person picked. */
  readonly people?: readonly string[];
}

/** What of the picks stands on the card that was accepted. */
export interface Picked {
  readonly attachments: readonly string[];
  readonly persons: readonly string[];
}

type Offer = pb.ProposeScopeReply;

const propose = (kernel: Kernel, session: string, wish: Wish): Promise<Offer> =>
  retrying(kernel, async () => {
    const scopes = await kernel.scopes();
    const picks = wish.picks.map((pick) => ({ ...pick }));
    return scopes.proposeScope({ session, ...wish, picks }, { deadlineMs: callDeadlineMs });
  });

/** The folder that a name really is; of a file, the folder that holds it. */
const realFolder = (path: string): string | undefined => {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return undefined;
  const real = realpathSync(path);
  return found.isDirectory() ? real : dirname(real);
};

/** Folders by their real names; those that are not there are said and left out. */
const lookUp = (context: CommandContext, offer: Offer): readonly Pick[] => {
  const picks: Pick[] = [];
  for (const { path, access, words } of offer.scope?.folders ?? []) {
    const real = realFolder(path);
    if (real !== undefined) picks.push({ kind: "folder", value: real, access });
    else context.output.progress(`"${visible(words === "" ? path : words)}" is not there`);
  }
  return picks;
};

const keysLine = "[s] start  [c] change  [n] no > ";
const changeLine =
  "[r] read only  [o] arrange  [w] write  [+] twice the bounds  [-] half  [b] back > ";

const changed = (wish: Wish, offer: Offer, key: string): Wish => {
  const access = { r: "read", o: "organise", w: "write" }[key];
  if (access !== undefined) {
    const folders = offer.scope?.folders ?? [];
    const picks = folders.map(({ path }) => ({ kind: "folder", value: path, access }));
    return { ...wish, picks: [...picks, ...wish.picks.filter(({ kind }) => kind !== "folder")] };
  }
  const { scope } = offer;
  if (scope === undefined || (key !== "+" && key !== "-")) return wish;
  const by = (value: number): number =>
    Math.max(1, key === "+" ? value * 2 : Math.floor(value / 2));
  return {
    ...wish,
    microusdMax: BigInt(by(Number(scope.microusdMax))),
    wallMinutesMax: by(scope.wallMinutesMax),
    actionsMax: by(scope.actionsMax),
  };
};

const nextKey = async ({ io, signal }: CommandContext): Promise<string> =>
  await io.readKey(signal).catch((error: unknown) => {
    io.err("\n");
    throw error;
  });

const show = ({ io }: CommandContext, { card }: Offer): number => {
  const lines = visible(card).trimEnd().split("\n");
  io.err(`\nscope\n${lines.map((line) => `  ${line}`).join("\n")}\n\n${keysLine}`);
  return io.now();
};

/** The offer that the person accepts; undefined: none. */
const ask = async (
  context: CommandContext,
  kernel: Kernel,
  session: string,
  first: { readonly offer: Offer; readonly wish: Wish },
): Promise<Offer | undefined> => {
  const { io } = context;
  let { offer, wish } = first;
  let shownAt = show(context, offer);
  for (;;) {
    const key = await nextKey(context);
    if (io.now() - shownAt < cardGuardMs) continue;
    if (key === "s" || key === "n") {
      io.err(`${key}\n`);
      return key === "s" ? offer : undefined;
    }
    if (key !== "c") continue;
    io.err(`c\n${changeLine}`);
    const change = await nextKey(context);
    io.err(`${visible(change)}\n`);
    wish = changed(wish, offer, change);
    offer = await propose(kernel, session, wish);
    shownAt = show(context, offer);
  }
};

/**
 * Shows the card and has it accepted; without a yes the session is closed. Where nothing is to be
 * asked, nothing is shown. Returns the files and people that stand on the card.
 */
export const beginScope = async (
  context: CommandContext,
  kernel: Kernel,
  { session, workspace, access, model, attach = [], people = [] }: ScopeOptions,
): Promise<Picked> => {
  const bounds = { microusdMax: 0n, wallMinutesMax: 0, actionsMax: 0 };
  const picked = { kind: "folder", value: workspace, access: access ?? "" };
  const others = [
    ...attach.map((value) => ({ kind: "file", value, access: "" })),
    ...people.map((value) => ({ kind: "person", value, access: "" })),
  ];
  const folders = workspace === "" ? [] : [picked];
  let wish: Wish = { picks: [...folders, ...others], model, ...bounds };
  let offer = await propose(kernel, session, wish);
  if (offer.needless) return { attachments: [], persons: [] };
  if (workspace === "") {
    const picks = lookUp(context, offer);
    if (picks.length > 0) {
      wish = { ...wish, picks: [...picks, ...others] };
      offer = await propose(kernel, session, wish);
    }
  }
  const accepted = await ask(context, kernel, session, { offer, wish });
  if (accepted === undefined) {
    const person = await kernel.person();
    await person.revoke({ session, reason: "the scope was not accepted" });
    throw failWith({ code: "E_CLI_SCOPE_REFUSED", message: "the scope was not accepted" });
  }
  const key = readDeviceKey(folderPaths(context.dataFolder).deviceKey, nodeCrypto);
  const signed = signScope(nodeCrypto, key, accepted);
  await (await kernel.scopes()).acceptScope(signed, { deadlineMs: callDeadlineMs });
  const { files: attachments = [], persons = [] } = accepted.scope ?? {};
  return { attachments, persons };
};
