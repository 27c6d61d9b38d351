/** Targets of models. Where a model is reached, and at what price, the Guardian's registry says. */
import { modelPriceMax } from "../limits.ts";
import { type ArgumentSpec, content, integer, type TargetSpec, text, undriven } from "./spec.ts";

/** Where a model is reached comes from the Guardian's registry, never from the agent. */
const fromRegistry = (name: string, charsMax: number, what: string): ArgumentSpec => ({
  name,
  type: "text",
  role: "flag",
  charsMax,
  fromSession: true,
  what,
});

const price = (name: string, what: string): ArgumentSpec => ({
  name,
  type: "integer",
  role: "amount",
  min: 0,
  max: modelPriceMax,
  fromSession: true,
  what,
});

const confirmedModel: readonly ArgumentSpec[] = [
  { name: "model", type: "text", role: "flag", charsMax: 128, what: "which confirmed model" },
  fromRegistry("url", 2048, "base of its API"),
  fromRegistry("protocol", 16, "the protocol it speaks"),
  fromRegistry("name", 256, "the provider's name for it"),
  price("price_in", "micro-dollars for a million tokens that it is told"),
  price("price_out", "micro-dollars for a million tokens that it says"),
];

const embed: TargetSpec = {
  name: "model::embed",
  group: "model",
  what: "turn texts into vectors",
  arguments: [
    ...confirmedModel,
    { name: "input", type: "content", role: "content", what: "a JSON list of texts" },
  ],
  consequential: true,
  reversible: false,
  driver: "model",
};

const infer: TargetSpec = {
  name: "model::infer",
  group: "model",
  what: "ask a model",
  arguments: [
    ...confirmedModel,
    { name: "prompt", type: "content", role: "content", what: "what it is told" },
    {
      name: "max_tokens",
      type: "integer",
      role: "flag",
      min: 1,
      max: 1_000_000,
      what: "the longest answer",
    },
  ],
  consequential: true,
  reversible: false,
  driver: "model",
};

export const modelTargets: readonly TargetSpec[] = [
  infer,
  embed,
  undriven("model::local", "ask a model inside of this program", [
    text("model", "which model", "flag", { charsMax: 128 }),
    content("prompt", "what it is told"),
    integer("max_tokens", "the longest answer", 1, 1_000_000),
  ]),
];
