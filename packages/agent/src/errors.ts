/** What a session, the process that runs it, the command planner and a journal can answer. */
import type { ErrorCatalogue } from "@ioi/base";

export const errors = {
  E_COMMAND_SYNTAX: {
    what: "The text is not a sequence of commands.",
    why: "A quote is open, an operator has no command beside it, or a word stands where none is expected.",
    next: "./ioi run '/help'",
    exit: 2,
  },
  E_COMMAND_UNKNOWN: {
    what: "There is no command of this name.",
    why: "The command planner knows a fixed list and guesses nothing.",
    next: "./ioi run '/help'",
    exit: 2,
  },
  E_COMMAND_ARGUMENTS: {
    what: "A command has too few or too many words.",
    why: "Each command takes exactly the words that its usage line names.",
    next: "./ioi run '/help'",
    exit: 2,
  },
  E_COMMAND_TOO_LARGE: {
    what: "The text is longer than the command planner reads.",
    why: "Every input has a bound.",
    next: "Split it into several runs.",
    exit: 2,
  },
  E_MODEL_UNAVAILABLE: {
    what: "A goal in free words needs a model, and there is none.",
    why: "Models are not part of this version; the command planner does not pretend to be one.",
    next: "Say it as commands: ./ioi run '/help'",
    exit: 7,
  },
  E_TARGET_UNAVAILABLE: {
    what: "There is no driver for this kind of action.",
    why: "This version acts on files and programs only.",
    next: "./ioi run '/help' lists what is there.",
    exit: 7,
  },
  E_ACTION_DENIED: {
    what: "The policy, or a person, refused an action.",
    why: "The reason and the rule stand with the action.",
    next: "./ioi policy explain",
    exit: 3,
  },
  E_APPROVAL_PENDING: {
    what: "An action waits for a person's approval.",
    why: "The policy asks before an action of this kind.",
    next: "./ioi approve ID or ./ioi deny ID",
    exit: 4,
  },
  E_OUTCOME_UNKNOWN: {
    what: "It is not known whether an action had its effect.",
    why: "A process ended between the start of the effect and its report.",
    next: "Look, then: ./ioi sessions resolve SESSION happened|did-not-happen",
    exit: 4,
  },
  E_ACTION_FAILED: {
    what: "A permitted action did not have its effect.",
    why: "The driver reported a failure or refused the ticket.",
    next: "The action's outcome says what the driver found.",
    exit: 5,
  },
  E_PROGRAM_FAILED: {
    what: "A program ended with an exit code other than 0.",
    why: "The program said so; what it wrote stands in the outcome.",
    next: "Read the outcome's content.",
    exit: 5,
  },
  E_NOTHING_TO_UNDO: {
    what: "There is nothing that can be undone.",
    why: "No action of the session was reversible, or all are undone already.",
    next: "./ioi undo SESSION reverts what an earlier session did.",
    exit: 5,
  },
  E_UNDO_INCOMPLETE: {
    what: "Something that was changed could not be undone.",
    why: "No copy of it was made, it is not known what changed, or it is more than an undo names.",
    next: "./ioi sessions show SESSION",
    exit: 5,
  },
  E_BUDGET_REACHED: {
    what: "A session reached its budget of actions or of time.",
    why: "Budgets end what would not end by itself.",
    next: "Start a new session, or raise [budget] in policy.toml.",
    exit: 5,
  },
  E_AGENT_LOOP: {
    what: "The agent repeated an action with the same outcome.",
    why: "Repeating it once more would change nothing.",
    next: "State the goal differently.",
    exit: 5,
  },
  E_AGENT_INVALID_CALLS: {
    what: "The agent kept proposing what no tool accepts.",
    why: "Each invalid call was answered with the schema's complaint, to no avail.",
    next: "Use another agent or model.",
    exit: 5,
  },
  E_AGENT_SILENT: {
    what: "The agent spoke again and again without proposing anything.",
    why: "Every loop has a bound.",
    next: "State the goal differently.",
    exit: 5,
  },
  E_AGENT_CALL_INVALID: {
    what: "A proposal does not match the schema of its tool.",
    why: "Arguments are validated before anything else sees them.",
    next: "The message names the argument.",
    exit: 2,
  },
  E_SESSION_ATTEMPTS: {
    what: "One action was prepared and proposed too often.",
    why: "Every approval or crash led to the next one.",
    next: "Start a new session.",
    exit: 5,
  },
  E_GATE_REPLY_INVALID: {
    what: "The gate permitted with a ticket that was used before.",
    why: "Counters of tickets rise strictly; a repeated one is never acted on.",
    next: "./ioi receipts verify",
    exit: 5,
  },
  E_SESSION_STOPPED: {
    what: "The session was stopped.",
    why: "A person asked for it.",
    next: "./ioi undo SESSION reverts what it did.",
    exit: 5,
  },
  E_STOP_UNANSWERED: {
    what: "A stop was not confirmed by everybody who had to confirm it.",
    why: "The launcher or the Guardian did not answer.",
    next: "./ioi status",
    exit: 5,
  },
  E_JOURNAL_VERSION: {
    what: "The journal was written by a newer version.",
    why: "Its header names a format or machine that this version does not know.",
    next: "Use the newer version.",
    exit: 5,
  },
  E_JOURNAL_CORRUPT: {
    what: "A record of a session's journal is not what was written.",
    why: "The record does not decode, or the file was cut or changed.",
    next: "Move the journal's file away; its session is lost, all others go on.",
    exit: 6,
  },
  E_JOURNAL_DIVERGES: {
    what: "Replaying the journal gives other effects than it recorded.",
    why: "An input was changed, or the machine is not the one that wrote it.",
    next: "./ioi replay JOURNAL names the record.",
    exit: 6,
  },
  // What the process around the machine answers: its calls, its drivers, the gate.
  E_SESSIONS_ACTIVE: {
    what: "Too many sessions are under way.",
    why: "Every session holds drivers and memory; their number is bounded.",
    next: "./ioi sessions list shows them; stop one: ./ioi stop SESSION",
    exit: 5,
  },
  E_SESSION_ID: {
    what: "This is no session's name.",
    why: "Names are made by the Guardian: small letters, digits and hyphens.",
    next: "./ioi sessions list",
    exit: 2,
  },
  E_SESSION_NOT_ASKING: {
    what: "The session does not ask what became of an action.",
    why: "Only an action whose outcome is unknown can be answered so.",
    next: "./ioi sessions show SESSION",
    exit: 2,
  },
  E_CONTENT_NONE: {
    what: "The action has no content.",
    why: "It found nothing to show, did not happen, or the session has no action of this number.",
    next: "./ioi sessions show SESSION",
    exit: 5,
  },
  E_CONTENT_FORGOTTEN: {
    what: "The content of the action is not kept any more.",
    why: "What is behind handles is bounded over all sessions; the oldest session's goes first.",
    next: "Run the action again.",
    exit: 5,
  },
  E_SESSION_REQUEST: {
    what: "A request about a session is malformed.",
    why: "A field has a value that is not one of those it may have.",
    next: "Use the command line, which sends what is meant.",
    exit: 2,
  },
  E_GATE_UNAVAILABLE: {
    what: "The Guardian does not answer.",
    why: "It is starting, or ended; nothing is permitted meanwhile.",
    next: "./ioi status",
    exit: 5,
  },
  E_GATE_MALFORMED: {
    what: "An answer of the Guardian is not what was agreed on.",
    why: "A field is missing or does not decode.",
    next: "Stop the kernel and start it again so that both ends are of one version.",
    exit: 5,
  },
  E_DRIVER_UNAVAILABLE: {
    what: "A driver did not start or ended.",
    why: "Its sandbox could not be made, or it was killed.",
    next: "./ioi doctor",
    exit: 5,
  },
  E_DRIVER_MALFORMED: {
    what: "An answer of a driver is not what was agreed on.",
    why: "A field is missing or does not decode.",
    next: "./ioi logs",
    exit: 5,
  },
  E_PROFILE_MISSING: {
    what: "The policy gives this session no such driver.",
    why: "The Guardian sent no profile of its kind.",
    next: "./ioi policy explain",
    exit: 3,
  },
} as const satisfies ErrorCatalogue;

export type AgentErrorCode = keyof typeof errors;
