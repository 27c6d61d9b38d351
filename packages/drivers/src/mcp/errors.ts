/** Errors of servers of MCP and of calls of their tools. */
import type { ErrorCatalogue } from "@ioi/base";

export const mcpErrors = {
  E_MCP_PROGRAM: {
    what: "An MCP server was not started.",
    why: "Its program or script is not what was confirmed, cannot be read, or has no sandbox.",
    next: "./ioi mcp review NAME; after an update: ./ioi mcp add NAME --replace -- COMMAND",
    exit: 3,
  },
  E_MCP_START: {
    what: "An MCP server was not started.",
    why: "Its start is an action, and was denied: by a rule, or because nobody answered.",
    next: './ioi receipts list shows the denial; rules name it by where.tool = "#server/start".',
    exit: 3,
  },
  E_MCP_ENDED: {
    what: "An MCP server has ended.",
    why: "It ended by itself, or was ended because it broke its bounds; its last words say more.",
    next: "Run its command alone to see why; ./ioi mcp list shows the command and its folders.",
    exit: 5,
  },
  E_MCP_BUSY: {
    what: "An MCP server, or its driver, takes nothing more.",
    why: "Too many clients are relayed, or it does not read what it is sent.",
    next: "Close other clients of it, or restart the gate.",
    exit: 5,
  },
  E_MCP_FAULTS: {
    what: "An MCP server was ended.",
    why: "It broke the protocol too often: malformed, oversized or unasked messages.",
    next: "Run its command alone and look at its standard output; only messages may stand there.",
    exit: 5,
  },
  E_MCP_SERVER: {
    what: "There is no MCP server of that name.",
    why: "Nobody confirmed it, or it was removed.",
    next: "./ioi mcp list; ./ioi mcp add NAME -- COMMAND",
    exit: 5,
  },
  E_MCP_DEFINITION: {
    what: "A tool is not what was confirmed.",
    why: "Its server lists another definition now, or none.",
    next: "./ioi mcp review NAME shows the difference.",
    exit: 3,
  },
  E_MCP_CANCELLED: {
    what: "A call was cancelled.",
    why: "Its client took it back; what was sent already may have happened.",
    next: "./ioi receipts list tells whether it was sent.",
    exit: 5,
  },
  E_MCP_TIMEOUT: {
    what: "An MCP server did not answer.",
    why: "It took longer than a call may.",
    next: "Whether it did something is unknown; look at what it works on.",
    exit: 5,
  },
  E_MCP_TOOL: {
    what: "A tool says that it failed.",
    why: "Its answer carries the reason.",
    next: "Read the answer; the call itself was permitted and made.",
    exit: 5,
  },
  E_MCP_PROTOCOL: {
    what: "An MCP server answers what is no answer.",
    why: "It refuses the call, or speaks another protocol.",
    next: "Run its command alone, or ask for its newest version.",
    exit: 5,
  },
  E_MCP_HTTP: {
    what: "An MCP server elsewhere refused a request, or points to another address.",
    why: "Its status is in the message; another origin is another server, which nobody confirmed.",
    next: "./ioi mcp list shows the address; ./ioi mcp add NAME --replace --url ADDRESS takes the new one.",
    exit: 5,
  },
} as const satisfies ErrorCatalogue;
