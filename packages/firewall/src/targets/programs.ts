/** Targets that run something: bounded by their sandbox, whatever they are told. */
import { content, integer, path, type TargetSpec, text, undriven, workingFolder } from "./spec.ts";

const network = text("network", "egress: a network, and each host is judged", "flag", {
  choices: ["egress"],
  optional: true,
});

const exec: TargetSpec = {
  name: "sys::exec",
  group: "sys",
  what: "run a program in the sandbox",
  arguments: [
    { name: "argv", type: "argv", role: "program", what: "the program and its arguments" },
    workingFolder,
    network,
    text("intercept", "HOST:PORT, by spaces: its connections there are opened and read", "flag", {
      charsMax: 2048,
      optional: true,
    }),
  ],
  consequential: true,
  reversible: true,
  obligation: "stage",
  driver: "exec",
};

/** Opening one says what it can do; what is typed in it is recorded and not judged. */
const shell: TargetSpec = {
  name: "sys::shell",
  group: "sys",
  what: "use a terminal in the sandbox",
  arguments: [
    text("do", "open, type, read, close", "flag", { choices: ["open", "type", "read", "close"] }),
    integer("shell", "number of the terminal", 1, 4, { optional: true }),
    content("input", "what is typed", true),
    integer("wait", "milliseconds to wait for it to come to rest", 0, 120_000, { optional: true }),
    workingFolder,
    network,
  ],
  consequential: true,
  reversible: true,
  obligation: "stage",
  driver: "shell",
};

export const programTargets: readonly TargetSpec[] = [
  exec,
  shell,
  undriven("sys::python", "run Python in the sandbox", [
    content("code", "the program"),
    workingFolder,
  ]),
  undriven("job::wasm", "run a WebAssembly module", [
    path("the module", "reads", "module"),
    text("function", "what of it is called", "flag", { charsMax: 128 }),
    content("input", "what it is given", true),
    integer("fuel", "instructions it may take", 1, Number.MAX_SAFE_INTEGER),
    integer("memory_mib", "memory it may take", 1, 4096),
  ]),
];
