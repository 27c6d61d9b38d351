/** Conditions in TOML that hold of exactly one value of the kinds of their own folder. */
import { amountText } from "./kinds/money.ts";
import type { ArgumentSpec } from "./targets.ts";
import type { ArgumentValue } from "./values.ts";

const quote = (text: string): string => JSON.stringify(text);

/** `{ equals = "x" }`; undefined where no condition says just this value. */
export const exactCondition = (
  spec: ArgumentSpec,
  value: ArgumentValue | undefined,
): string | undefined => {
  switch (value?.type) {
    case "text":
      return `{ equals = ${quote(value.text)} }`;
    case "host":
      return `{ equals = ${quote(value.url.host)} }`;
    case "url":
      return `{ equals = ${quote(value.url.text)} }`;
    case "texts":
      return `{ one_of = [${value.items.map(quote).join(", ")}] }`;
    case "amount":
      return `{ max = ${quote(amountText(value.scaled))} }`;
    case "element": {
      const { role, name } = value.element;
      return `{ role = ${quote(role)}, name = ${quote(name)} }`;
    }
    case undefined:
      return spec.optional === true ? "{ absent = true }" : undefined;
    default:
      return undefined;
  }
};
