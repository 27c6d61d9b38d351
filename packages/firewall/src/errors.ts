/** Errors of policies, of raw arguments and of budgets. */
import type { ErrorCatalogue } from "@ioi/base";

const lint = "./ioi policy lint policy.toml";

export const errors = {
  E_POLICY_TOO_LARGE: {
    what: "A policy is larger than a policy may be.",
    why: "Files, rules, lists and patterns are bounded, so that loading always ends.",
    next: "Split lists into fewer, wider patterns; docs/limits.md has the bounds.",
    exit: 5,
  },
  E_POLICY_TOML: {
    what: "A policy is not well-formed TOML.",
    why: "The position says where the reader stopped.",
    next: lint,
    exit: 5,
  },
  E_POLICY_VERSION: {
    what: "A policy does not begin with a version that this release reads.",
    why: "The first line of a policy is version = 1.",
    next: lint,
    exit: 5,
  },
  E_POLICY_UNKNOWN_KEY: {
    what: "A policy has a key that means nothing.",
    why: "An unknown key is refused rather than ignored: a misspelt rule protects nobody.",
    next: lint,
    exit: 5,
  },
  E_POLICY_VALUE: {
    what: "A value of a policy has the wrong type, form or size.",
    why: "The message says what was expected at this place.",
    next: lint,
    exit: 5,
  },
  E_POLICY_MISSING: {
    what: "A policy lacks a key that it needs at this place.",
    why: "A rule needs an id, an effect and a target.",
    next: lint,
    exit: 5,
  },
  E_POLICY_DUPLICATE: {
    what: "Two rules or workspaces have one name.",
    why: "Receipts, approvals and grants name rules by their id.",
    next: "Give each its own name.",
    exit: 5,
  },
  E_POLICY_UNKNOWN_TARGET: {
    what: "A rule names a target that does not exist.",
    why: "It is misspelt, or belongs to another version.",
    next: lint,
    exit: 5,
  },
  E_POLICY_ARGUMENT: {
    what: "A rule speaks of an argument that its target does not have.",
    why: "Conditions are checked against the schema of every target of the rule.",
    next: lint,
    exit: 5,
  },
  E_POLICY_UNKNOWN_ROOT: {
    what: "A pattern begins with a workspace that does not exist.",
    why: "Patterns are root:/rest, where root is scope or the name of a [workspace.<name>].",
    next: "Add the workspace, or begin the pattern with ~/ or scope:/",
    exit: 5,
  },
  E_POLICY_PATTERN: {
    what: "A path pattern or regular expression cannot be read.",
    why: "Patterns know *, ?, [a-z], {a,b} and ** as a whole segment; nothing else.",
    next: lint,
    exit: 5,
  },
  E_POLICY_UNCONSTRAINED: {
    what: "A rule allows without saying where.",
    why: "An allow must constrain every path, program and destination of each of its targets.",
    next: "Add where.<argument> for the argument that the message names.",
    exit: 5,
  },
  E_POLICY_TIER: {
    what: "A policy below the user's says something that only the user's may say.",
    why: "Project, skill, session and delegation policies can refuse, ask and lower budgets.",
    next: "./ioi policy import FILE",
    exit: 5,
  },
  E_POLICY_ADMIN_BOUND: {
    what: "A user's rule allows what the administrator's policy does not let users allow.",
    why: "admin.may_allow names the targets that rules of the user may allow.",
    next: "Remove the target from the rule, or ask the administrator.",
    exit: 5,
  },
  E_POLICY_NOT_AVAILABLE: {
    what: "A policy uses a part of the language whose driver is not in this version.",
    why: "It would have no effect, and a rule without effect is refused rather than ignored.",
    next: "Remove it until the driver is there; the README lists what is not.",
    exit: 7,
  },
  E_POLICY_EXAMPLE: {
    what: "A rule does not do what its own match or not_match says.",
    why: "Examples are checked whenever the policy is loaded.",
    next: "./ioi policy explain",
    exit: 5,
  },
  E_TOOL_UNKNOWN: {
    what: "There is no such tool.",
    why: "The name is misspelt, or belongs to another version.",
    next: "./ioi run '/help'",
    exit: 2,
  },
  E_TARGET_NOT_AVAILABLE: {
    what: "This version has no driver for the tool.",
    why: "Files and one-shot programs are what is there.",
    next: "The README's table lists what is not available yet.",
    exit: 7,
  },
  E_ARGUMENTS_JSON: {
    what: "The arguments of a tool are not strict JSON.",
    why: "Duplicate keys, lone surrogates, integers of 2^53 and above and trailing text are refused.",
    next: "Send one JSON object with the arguments of the tool.",
    exit: 2,
  },
  E_ARGUMENTS_SCHEMA: {
    what: "The arguments do not fit the tool.",
    why: "An argument is missing, unknown, or has the wrong type.",
    next: "The message names the argument and what it takes.",
    exit: 2,
  },
  E_ARGUMENT_PATH: {
    what: "A path cannot be used.",
    why: "Paths hold no NUL or control character and have bounded length.",
    next: "Use a path below the session's folder, as in notes/a.txt",
    exit: 2,
  },
  E_ARGUMENT_URL: {
    what: "A URL cannot be used.",
    why: "Only http and https, without user, password, backslash, space or control characters.",
    next: "Write it as in https://example.com/page",
    exit: 2,
  },
  E_ARGUMENT_ROOT: {
    what: "A path begins with a workspace that this session does not have.",
    why: "root:/path needs a workspace of the policy, or scope.",
    next: "Name a folder that the session has; a file with a colon is ./name:/file",
    exit: 2,
  },
  E_ARGUMENT_NO_SCOPE: {
    what: "A relative path was used in a session without a folder.",
    why: "Relative paths and programs start in the session's folder.",
    next: "./ioi run --workspace FOLDER ...",
    exit: 2,
  },
  E_BUDGET_EXCEEDED: {
    what: "A session has used up a budget.",
    why: "Budgets are reserved before an action and committed after it.",
    next: "Approve the action that asks, or raise [budget.session] in the policy.",
    exit: 3,
  },
  E_BUDGET_UNKNOWN: {
    what: "A budget was asked about a session or an action that it does not know.",
    why: "The session was closed, or the reservation was settled already.",
    next: "./ioi sessions list",
    exit: 5,
  },
} as const satisfies ErrorCatalogue;
