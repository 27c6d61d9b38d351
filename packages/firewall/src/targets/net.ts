/** Targets of the network: requests that egress reads, and tunnels that it only measures. */
import { type ArgumentSpec, integer, type TargetSpec, text, undriven } from "./spec.ts";

const request = (
  name: "get" | "post",
  what: string,
  methods: readonly string[],
  more: readonly ArgumentSpec[],
): TargetSpec => ({
  name: `net::${name}`,
  group: "net",
  what,
  arguments: [
    {
      name: "method",
      type: "text",
      role: "flag",
      charsMax: 16,
      choices: methods,
      ...(name === "get" ? { optional: true as const } : {}),
      what: methods.join(", "),
    },
    { name: "url", type: "url", role: "destination", what: "http or https URL" },
    {
      name: "headers",
      type: "headers",
      role: "content",
      use: name === "get" ? "reads" : "sends",
      optional: true,
      what: "headers of the request by name in small letters",
    },
    {
      name: "secret",
      type: "text",
      role: "credential",
      charsMax: 64,
      optional: true,
      what: "name of a secret that is bound to this address",
    },
    ...more,
  ],
  consequential: name === "post",
  reversible: false,
  ...(name === "get" ? { obligation: "flow" as const } : {}),
  driver: "net",
});

export const netTargets: readonly TargetSpec[] = [
  request("get", "fetch from the web", ["GET", "HEAD", "OPTIONS"], []),
  request(
    "post",
    "send to the web",
    ["POST", "PUT", "PATCH", "DELETE"],
    [
      {
        name: "content",
        type: "content",
        role: "content",
        optional: true,
        what: "what is sent",
      },
    ],
  ),
  // What a program of the session asks for; egress opens it, for that program alone.
  {
    ...undriven("net::connect", "open a tunnel that nobody reads", [
      { name: "host", type: "host", role: "destination", what: "name or address" },
      integer("port", "port", 1, 65_535),
    ]),
    driver: "exec",
  },
  undriven("net::listen", "wait for connections", [
    { name: "address", type: "host", role: "flag", optional: true, what: "address" },
    integer("port", "port, 0 for any", 0, 65_535),
    text("protocol", "tcp or udp", "flag", { choices: ["tcp", "udp"], optional: true }),
  ]),
];
