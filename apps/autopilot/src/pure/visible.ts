/**
 * An agent's text as a person can see it: what is invisible or reorders what is visible is shown by
 * its number. Line breaks and tabs stay, since the text is shown as a block.
 */
import { visible } from "@ioi/firewall";

/** One line: line breaks become their number too. */
export { visible as visibleLine } from "@ioi/firewall";

export const visibleText = (text: string): string =>
  text
    .split(/(\r?\n|\t)/)
    .map((part, index) => (index % 2 === 1 ? (part === "\t" ? "\t" : "\n") : visible(part)))
    .join("");
