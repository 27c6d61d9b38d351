/** Targets of tools, memories, skills and other agents. */
import { type ArgumentSpec, content, type TargetSpec, text, undriven } from "./spec.ts";

const json = (name: string, what: string): ArgumentSpec => ({
  name,
  type: "json",
  role: "content",
  what,
});

export const agentTargets: readonly TargetSpec[] = [
  {
    name: "mcp::call",
    group: "mcp",
    what: "call a tool of a server",
    arguments: [
      text("server", "which confirmed server", "program", { charsMax: 64 }),
      text("tool", "which of its tools", "program", { charsMax: 128 }),
      json("arguments", "what the tool is given"),
      {
        name: "definition",
        type: "bytes",
        role: "flag",
        length: 32,
        fromSession: true,
        what: "hash of the tool's definition as it was confirmed",
      },
    ],
    consequential: true,
    reversible: false,
    driver: "mcp",
  },
  undriven("memory::remember", "remember something", [content("content", "what is remembered")]),
  undriven(
    "memory::recall",
    "look for something remembered",
    [text("query", "what is looked for", "content", { charsMax: 4096 })],
    "reads",
  ),
  undriven("memory::forget", "forget something", [
    text("memory", "which memory", "selector", { charsMax: 128 }),
  ]),
  undriven("memory::share", "give a memory to another agent", [
    text("memory", "which memory", "selector", { charsMax: 128 }),
    text("agent", "who gets it", "destination", { charsMax: 256 }),
  ]),
  undriven("agent::delegate", "give a task to another agent", [
    text("agent", "which agent", "program", { charsMax: 256 }),
    content("goal", "what it is told"),
  ]),
  undriven("skill::run", "use a skill", [
    text("skill", "which skill", "program", { charsMax: 128 }),
    json("arguments", "what it is given"),
  ]),
];
