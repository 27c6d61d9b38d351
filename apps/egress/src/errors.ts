/** Errors of requests that leave the machine, or do not. */
import type { ErrorCatalogue } from "@ioi/base";

export const errors = {
  E_EGRESS_TICKET: {
    what: "A request was refused: its ticket does not permit it.",
    why: "The ticket is not the Guardian's, is for another driver or action, or was used before.",
    next: "Nothing left the machine; propose the action again.",
    exit: 3,
  },
  E_EGRESS_REQUEST: {
    what: "A request was refused: it differs from the action that was permitted.",
    why: "Method, URL, headers and body must be those of the action, within their bounds.",
    next: "Nothing left the machine; propose what is meant as an action of its own.",
    exit: 3,
  },
  E_EGRESS_ADDRESS: {
    what: "A request was refused: its host leads to an address that it may not reach.",
    why: "Addresses of this machine and its networks are reached only where a rule or the person names them.",
    next: "Type the address itself, or name the host and its address class in a rule of policy.toml.",
    exit: 3,
  },
  E_EGRESS_NAME: {
    what: "The host of a request has no address.",
    why: "The name does not exist, or the resolver does not answer.",
    next: "Check the name and the network.",
    exit: 5,
  },
  E_EGRESS_CONNECT: {
    what: "The server of a request cannot be reached.",
    why: "It refused the connection, or did not answer in time.",
    next: "Check the address and the network, then try again.",
    exit: 5,
  },
  E_EGRESS_TLS: {
    what: "The server of a request did not prove that it is the host it was asked for.",
    why: "Its certificate is not valid for the name, has expired, or no known authority signed it.",
    next: "Check the name; an authority of your own is added with ./ioi start --ca FILE",
    exit: 5,
  },
  E_EGRESS_RESPONSE: {
    what: "The server's answer is no HTTP, or broke off.",
    why: "The connection ended early, or what came cannot be read.",
    next: "Try again; if it stays, the server is at fault.",
    exit: 5,
  },
  E_EGRESS_TIMEOUT: {
    what: "A request took longer than requests may take.",
    why: "The server is slow, or sends too slowly.",
    next: "Try again; docs/limits.md has the bounds.",
    exit: 5,
  },
  E_EGRESS_BUSY: {
    what: "Too many requests run at once.",
    why: "Their number is bounded for each driver and altogether.",
    next: "Try again when one has ended.",
    exit: 5,
  },
  E_EGRESS_STOPPED: {
    what: "A request was cut because its session was stopped.",
    why: "A stop ends what is under way; what the server had received it has.",
    next: "./ioi sessions show SESSION says what was sent.",
    exit: 5,
  },
  E_EGRESS_CONFIG: {
    what: "The egress process got a setting that it cannot use.",
    why: "The file of authorities holds no certificate, or the resolver is no address with a port.",
    next: "./ioi start --help",
    exit: 2,
  },
} as const satisfies ErrorCatalogue;
