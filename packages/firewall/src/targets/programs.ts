/** Targets that run something: bounded by their sandbox, whatever they are told. */
import { content, integer, path, type TargetSpec, text, undriven, workingFolder } from "./spec.ts";

const exec: TargetSpec = {
  name: "sys::exec",
  group: "sys",
  what: "run a program in the sandbox",
  arguments: [
    { name: "argv", type: "argv", role: "program", what: "the program and its arguments" },
    workingFolder,
  ],
  consequential: true,
  reversible: true,
  obligation: "stage",
  driver: "exec",
};

export const programTargets: readonly TargetSpec[] = [
  exec,
  undriven("sys::shell", "use a terminal in the sandbox", [
    text("do", "open, type, read, close", "flag", { choices: ["open", "type", "read", "close"] }),
    integer("shell", "number of an open terminal", 1, 1_000_000, { optional: true }),
    content("input", "what is typed", true),
    workingFolder,
  ]),
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
