/** Reads tests of texts: equal to, one of, beginning, ending, matching. */
import { RE2JS, RE2JSException } from "re2js";
import { argvItemCharsMax, conditionValuesMax, regexCharsMax, regexRepeatsMax } from "./limits.ts";
import { didYouMean } from "./names.ts";
import { listOf, type Reading, textOf } from "./policy-reader.ts";
import { hasFewRepeats } from "./regex-work.ts";
import type { TomlNode } from "./toml.ts";
import type { TextTest } from "./values.ts";

const regexOf = (reading: Reading, node: TomlNode): RE2JS | undefined => {
  const text = textOf(reading, node, "a regular expression", regexCharsMax);
  if (text === undefined) return undefined;
  if (!hasFewRepeats(text)) {
    const message = `more than ${regexRepeatsMax} repetitions in one expression`;
    reading.complaints.add("E_POLICY_TOO_LARGE", message, node.at);
    return undefined;
  }
  try {
    return RE2JS.compile(text);
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error;
    reading.complaints.add("E_POLICY_PATTERN", error.message.slice(0, 200), node.at);
    return undefined;
  }
};

const checkChoice = (
  reading: Reading,
  node: TomlNode,
  text: string,
  choices: readonly string[] | undefined,
): void => {
  if (choices === undefined || choices.includes(text)) return;
  const message = `the argument is never ${JSON.stringify(text.slice(0, 80))}${didYouMean(text, choices)}`;
  reading.complaints.add("E_POLICY_VALUE", message, node.at);
};

export const textTest = (
  reading: Reading,
  key: string,
  node: TomlNode,
  choices?: readonly string[],
): TextTest | undefined => {
  if (key === "matches") {
    const pattern = regexOf(reading, node);
    return pattern === undefined ? undefined : { type: "matches", pattern };
  }
  if (key === "prefix" || key === "suffix") {
    const text = textOf(reading, node, "text", argvItemCharsMax);
    return text === undefined ? undefined : { type: key, text };
  }
  const list = listOf(reading, node, conditionValuesMax, key === "equals");
  if (list === undefined) return undefined;
  const values = new Set<string>();
  for (const item of list) {
    const text = textOf(reading, item, "text", argvItemCharsMax);
    if (text === undefined) return undefined;
    checkChoice(reading, item, text, choices);
    values.add(text);
  }
  return { type: "one-of", values };
};
