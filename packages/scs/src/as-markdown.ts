/**
 * A memory as a section of a document in Markdown. Its text stands in a fence that is longer than any in
 * it, and what is said about it on one line, so that no memory changes the document around it.
 */
import type { Memory } from "./memory.ts";

const fenceFor = (text: string): string => {
  let longest = 2;
  for (const [run] of text.matchAll(/`+/g)) longest = Math.max(longest, run.length);
  return "`".repeat(longest + 1);
};

/** In one line, as text and nothing else. */
const asCode = (text: string): string => {
  const line = text.replace(/\s+/g, " ").trim();
  const fence = line.includes("`") ? fenceFor(line) : "`";
  return `${fence} ${line} ${fence}`;
};

export const memoryAsMarkdown = ({ id, text, origin, source, tags }: Memory): string => {
  const about = [origin.kind, origin.from, source, ...tags].filter((part) => part.trim() !== "");
  const fence = fenceFor(text);
  return [`## Memory ${id}`, about.map(asCode).join(" "), `${fence}\n${text}\n${fence}`, ""].join(
    "\n\n",
  );
};
