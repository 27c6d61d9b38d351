/** Why something of consensus is refused. The message says which rule, by its number in specs/consensus. */
import { type ErrorCatalogue, exitCodes } from "@ioi/base";

export const errors = {
  E_CONSENSUS_SET: {
    what: "A validator set is not valid.",
    why: "It is empty, too large, names a Guardian, session or machine twice, or its powers are out of bounds.",
    next: "Correct the set that the genesis file or the end of the epoch names.",
    exit: exitCodes.wrong,
  },
  E_CONSENSUS_FOREIGN: {
    what: "A message belongs to another chain, epoch or validator set.",
    why: "Its sender follows another chain, or is an epoch behind or ahead.",
    next: "Nothing was changed. Compare chain and epoch of the two nodes.",
    exit: exitCodes.wrong,
  },
  E_CONSENSUS_ENVELOPE: {
    what: "A signed envelope is not valid.",
    why: "No validator's session signed it, or its fields contradict its kind.",
    next: "Nothing was changed; its sender is at fault.",
    exit: exitCodes.wrong,
  },
  E_CONSENSUS_CERTIFICATE: {
    what: "A certificate is not valid.",
    why: "Its signatures, its voters or their power are not what the rule asks for.",
    next: "Nothing was changed; its sender is at fault.",
    exit: exitCodes.wrong,
  },
  E_CONSENSUS_BLOCK: {
    what: "A block is not valid.",
    why: "Its header contradicts its parent, its certificate or the schedule of leaders.",
    next: "Nothing was changed; its proposer is at fault.",
    exit: exitCodes.wrong,
  },
  E_CONSENSUS_STALE: {
    what: "A message is of a view that is over, or too far ahead.",
    why: "It was delayed, repeated, or made up.",
    next: "Nothing was changed. A node that is far behind fetches blocks first.",
    exit: exitCodes.failed,
  },
  E_CONSENSUS_UNKNOWN: {
    what: "A message needs a block that is not held.",
    why: "It overtook the block, or the block was never sent here.",
    next: "Nothing was changed; the block is being fetched.",
    exit: exitCodes.failed,
  },
  E_CONSENSUS_SYNC: {
    what: "Nobody is left to synchronise from.",
    why: "Every peer that was asked answered wrongly or not at all.",
    next: "What was taken stays; it goes on with the next peer. Look at the network, or at the start that is trusted.",
    exit: exitCodes.failed,
  },
  E_CONSENSUS_SNAPSHOT: {
    what: "A part of a state is not what the chain committed.",
    why: "A peer answered with a part or a list of parts that does not lead to the root in a committed header.",
    next: "It was not taken; other peers are asked. With nobody left it goes on with the next peer.",
    exit: exitCodes.wrong,
  },
  E_CONSENSUS_PROOF: {
    what: "A proof of a block is not one.",
    why: "The file is malformed, was changed, or begins at another start than the one that is trusted.",
    next: "Do not rely on it. Get the proof again, and the start's hash from whom you trust.",
    exit: exitCodes.wrong,
  },
  E_CONSENSUS_DIVERGENCE: {
    what: "A proof of divergence shows nothing.",
    why: "A signature or registration in it does not fit, or a sound Guardian may have signed both envelopes.",
    next: "Nothing was changed, nobody is convicted.",
    exit: exitCodes.wrong,
  },
  E_CONSENSUS_LIMIT: {
    what: "More is asked for than one message or one time allows.",
    why: "A sender floods, or a bound of docs/limits.md was reached.",
    next: "Nothing was changed; it is taken up again when there is room.",
    exit: exitCodes.failed,
  },
  E_SIGNER_REFUSED: {
    what: "The Guardian does not sign this.",
    why: "It would contradict what it signed before, its lock, its lease or its freeze.",
    next: "Nothing was signed. The message names the rule.",
    exit: exitCodes.denied,
  },
  E_SIGNER_BUSY: {
    what: "The Guardian does not take more requests now.",
    why: "Too many wait already while one is made durable.",
    next: "Nothing was signed. Ask again after an answer.",
    exit: exitCodes.failed,
  },
  E_SIGNER_SEAL: {
    what: "A Guardian's sealed state is not taken up.",
    why: "It is malformed, of another session, or was taken up before: an older copy was put in its place.",
    next: "Register a new session; an older seal is never used again.",
    exit: exitCodes.wrong,
  },
} as const satisfies ErrorCatalogue;
