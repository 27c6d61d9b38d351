/** Targets of tools, memories, skills and other agents. */
import { type ArgumentSpec, content, integer, type TargetSpec, text, undriven } from "./spec.ts";

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
      {
        name: "address",
        type: "url",
        role: "flag",
        fromSession: true,
        optional: true,
        what: "where a redirect of the server leads, on its own origin",
      },
    ],
    consequential: true,
    reversible: false,
    driver: "mcp",
  },
  {
    name: "memory::remember",
    group: "memory",
    what: "remember something",
    arguments: [
      content("content", "what is remembered"),
      text("origin", "user: what the person asked to keep; content: anything else", "flag", {
        choices: ["user", "content"],
        fromSession: true,
      }),
    ],
    consequential: true,
    reversible: false,
    driver: "memory",
  },
  {
    name: "memory::recall",
    group: "memory",
    what: "look for something remembered",
    arguments: [
      text("query", "what is looked for", "content", { charsMax: 4096 }),
      integer("count", "how many answers at most", 1, 50, { optional: true }),
    ],
    consequential: false,
    reversible: true,
    driver: "memory",
  },
  {
    name: "memory::forget",
    group: "memory",
    what: "forget something for good",
    arguments: [integer("memory", "which memory, by its number", 0, 4_294_967_295)],
    consequential: true,
    reversible: false,
    driver: "memory",
  },
  {
    name: "memory::share",
    group: "memory",
    what: "seal memories to another agent, which will have them for good",
    arguments: [
      text("memory", "which memories, by their numbers, as 3,5", "flag", { charsMax: 350 }),
      content("key", "the other agent's key, in hex"),
      text("agent", "who gets them: hash of that key", "destination", {
        charsMax: 64,
        fromSession: true,
      }),
    ],
    consequential: true,
    reversible: false,
    driver: "memory",
  },
  undriven("agent::delegate", "give a task to another agent", [
    text("agent", "which agent", "program", { charsMax: 256 }),
    content("goal", "what it is told"),
  ]),
  undriven("skill::run", "use a skill", [
    text("skill", "which skill", "program", { charsMax: 128 }),
    json("arguments", "what it is given"),
  ]),
];
