/** Errors of the gate, the person's side and the receipts of the Guardian. */
import type { ErrorCatalogue } from "@ioi/base";

export const errors = {
  E_LEASE_REFUSED: {
    what: "The Guardian refused to lease for a request.",
    why: "A ticket's request is leased once, while the ticket lives, and for its own action.",
    next: "Nothing left the machine; propose the action again.",
    exit: 3,
  },
  E_SESSION_UNKNOWN: {
    what: "No session has this id.",
    why: "It was never opened by a person here, or the id is mistyped.",
    next: "./ioi sessions list",
    exit: 2,
  },
  E_SESSION_CLOSED: {
    what: "The session has ended or was stopped; nothing more happens in it.",
    why: "A stopped session's tickets are revoked for good.",
    next: "Start a new one with ./ioi run.",
    exit: 5,
  },
  E_SESSIONS_FULL: {
    what: "Too many sessions are open at once.",
    why: "The number is bounded so that the gate stays fast.",
    next: "Stop one with ./ioi stop SESSION; ./ioi sessions list shows them.",
    exit: 5,
  },
  E_WORKSPACE_REFUSED: {
    what: "This folder cannot be a workspace.",
    why: "It does not exist, is no folder, or is part of the product's own program or data.",
    next: "Choose another folder with --workspace.",
    exit: 2,
  },
  E_WORDS_TOO_LONG: {
    what: "The request is too long.",
    why: "What a person types in one session is bounded.",
    next: "Put long text into a file of the workspace and name the file.",
    exit: 2,
  },
  E_PROPOSAL_UNORDERED: {
    what: "A proposal came without the Orchestrator's number for it.",
    why: "Every proposal is numbered by commitment first; this one's commitment is missing or differs.",
    next: "Nothing to do for a person; if it repeats, ./ioi logs shows which process misbehaves.",
    exit: 5,
  },
  E_PROPOSAL_INVALID: {
    what: "A proposal is malformed or was not prepared by a registered driver of its session.",
    why: "Action, facts, nonce and instance must fit together and carry the driver's signature.",
    next: "Nothing to do for a person; if it repeats, ./ioi logs shows which process misbehaves.",
    exit: 5,
  },
  E_NONCE_BURNED: {
    what: "A proposal repeats a nonce that has had its decision.",
    why: "Minting burns: one nonce gets one decision.",
    next: "Nothing to do for a person; the action is prepared again.",
    exit: 5,
  },
  E_APPROVAL_UNKNOWN: {
    what: "No ask with this id waits for an answer.",
    why: "It was answered, it expired, its session ended, or the id is mistyped.",
    next: "./ioi sessions list shows what waits.",
    exit: 2,
  },
  E_APPROVAL_EXPIRED: {
    what: "The ask has expired.",
    why: "An answer counts only for a while, so that a card cannot be answered out of context.",
    next: "Run the request again.",
    exit: 5,
  },
  E_APPROVAL_INVALID: {
    what: "The answer does not fit the ask.",
    why: "The card, the action, the policy or the signature differs from what waits.",
    next: "Look at the card again and answer anew.",
    exit: 5,
  },
  E_SCOPE_INVALID: {
    what: "What was picked for the task is not something that a scope can hold.",
    why: "A pick is a folder's real path with an access, or the name of a site.",
    next: "Pick again.",
    exit: 2,
  },
  E_SCOPE_UNKNOWN: {
    what: "The scope that was signed is not one that waits for an answer.",
    why: "It was accepted already, the Guardian began anew, or the policy changed since.",
    next: "Look at the new scope card and answer that.",
    exit: 5,
  },
  E_OUTCOME_INVALID: {
    what: "A reported outcome does not fit its ticket.",
    why: "Counter, action and instance must be those of the ticket, signed by the instance.",
    next: "Nothing to do for a person; if it repeats, ./ioi logs shows which process misbehaves.",
    exit: 5,
  },
  E_POLICY_INVALID: {
    what: "The policy does not load, so every action is denied.",
    why: "A policy that cannot be understood must not be guessed.",
    next: "./ioi policy lint shows line and column; mend it, the Guardian reads it again at once.",
    exit: 5,
  },
  E_POLICY_UNREADABLE: {
    what: "The policy file is missing or cannot be read, so every action is denied.",
    why: "It was removed, or its permissions were changed.",
    next: "Put guardian/policy.toml of the data folder back; without it the next start writes the shipped one.",
    exit: 5,
  },
  E_GUARDIAN_KEYS: {
    what: "The Guardian's keys cannot be read.",
    why: "The key store or its key file is missing, damaged or of a newer version.",
    next: "Restore guardian/keystore and guardian/keystore.key from a backup of the data folder.",
    exit: 5,
  },
  E_RECEIPTS_CORRUPT: {
    what: "A record of the receipt log does not decode.",
    why: "The file was changed, or it was written by another version.",
    next: "./ioi receipts verify names the record; restore guardian/ from a backup.",
    exit: 6,
  },
  E_HEADER_REFUSED: {
    what: "The Guardian does not sign this header of the chain.",
    why: "It signs one header for a slot, in rising order, each on top of the one before.",
    next: "./ioi chain status; if blocks were lost: restore orchestrator/ from a backup, or ./ioi chain reset.",
    exit: 5,
  },
} as const satisfies ErrorCatalogue;
