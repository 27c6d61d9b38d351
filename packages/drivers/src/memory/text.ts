/** What the memory driver says of what it did, for a person and for an agent. */
import type { Memory, Recalled } from "@ioi/scs";
import { memoryShownCharsMax } from "../limits.ts";

const typedByPerson = "user";

/** Where a memory comes from, for life: what is not the person's own is content. */
export const originText = ({ origin }: Memory): string =>
  origin.kind === typedByPerson ? "typed by the person" : `${origin.kind} of ${origin.from}`;

const whenText = (ms: number): string => new Date(ms).toISOString().slice(0, 16).replace("T", " ");

const clipped = (text: string): string =>
  text.length <= memoryShownCharsMax
    ? text
    : `${text.slice(0, memoryShownCharsMax).toWellFormed()}... (${text.length} characters in all)`;

const alsoText = (ids: readonly number[]): string =>
  ids.length === 0 ? "" : `\n   says nearly the same as memory ${ids.join(", ")}`;

/** The answers in their order, each with the number by which it is forgotten. */
export const answersText = ({ answers }: Recalled): string =>
  answers.length === 0
    ? "Nothing that was remembered fits.\n"
    : answers
        .map(
          ({ rank, id, memory, nearDuplicates }) =>
            `${rank}. memory ${id} (${originText(memory)}, ${whenText(memory.atMs)} UTC):\n   ` +
            `${clipped(memory.text).replaceAll("\n", "\n   ")}${alsoText(nearDuplicates)}\n`,
        )
        .join("");

export const rememberedText = (id: number, near: number | undefined): string =>
  `Kept as memory ${id}.\n${near === undefined ? "" : `It says nearly the same as memory ${near}; both are kept.\n`}`;

export const forgottenText = (id: number): string =>
  `Memory ${id} is forgotten: its key is erased, and nothing opens it any more.\n`;
