/**
 * Where what an agent reads comes from. Every observation that holds content carries its origin;
 * what a stranger may have written is content for life and never an instruction.
 */
import { action as actionSchema, type CanonicalValue, schema } from "@ioi/wire";
import type { ActionState } from "./session/state.ts";
import { isModelCall } from "./session/spending.ts";

export interface Origin {
  readonly kind:
    | "file"
    | "folder"
    | "program"
    | "host"
    | "model"
    | "attachment"
    | "memory"
    | "none";
  /** Real path, program, host or model; may hold anything that a name can hold. */
  readonly name: string;
}

type Args = { readonly [name: string]: CanonicalValue };

/** As the driver found them, else as they were proposed. */
const argsOf = (action: Pick<ActionState, "args" | "prepared">): Args => {
  if (action.prepared === undefined) return action.args;
  const decoded = schema.decode(actionSchema, action.prepared.action);
  return decoded.ok ? decoded.value.args : action.args;
};

const textOf = (value: CanonicalValue | undefined): string =>
  typeof value === "string" ? value : "";

const hostOf = (url: string): string => /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(url)?.[1] ?? "";

export const originOf = (action: Pick<ActionState, "target" | "args" | "prepared">): Origin => {
  const args = argsOf(action);
  if (isModelCall(action)) return { kind: "model", name: textOf(args["model"]) };
  switch (action.target) {
    case "fs::read":
    case "fs::stat":
      return { kind: "file", name: textOf(args["path"]) };
    case "fs::list":
    case "fs::search":
      return { kind: "folder", name: textOf(args["path"]) };
    case "sys::exec": {
      const argv = args["argv"];
      return { kind: "program", name: Array.isArray(argv) ? textOf(argv[0]) : "" };
    }
    case "memory::recall":
      // Each answer says where it came from itself.
      return { kind: "memory", name: textOf(args["query"]) };
    case "sys::shell":
      return { kind: "program", name: "terminal" };
    default:
      return action.target.startsWith("net::")
        ? { kind: "host", name: hostOf(textOf(args["url"])) }
        : { kind: "none", name: "" };
  }
};
