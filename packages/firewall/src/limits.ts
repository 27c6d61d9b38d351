/** Bounds of the policy engine. */

/** Bytes of one policy file. */
export const policyBytesMax = 262_144;
/** Rules over all policy files together. */
export const policyRulesMax = 5000;
/** Errors reported for one load; the rest is left out. */
export const policyErrorsMax = 50;
/** Nested brackets and braces of TOML. */
export const tomlDepthMax = 16;
/** Parts of one dotted TOML key. */
export const tomlKeyPartsMax = 8;
/** Workspaces over all policy files together. */
export const workspacesMax = 64;
/** Targets of one rule. */
export const ruleTargetsMax = 64;
/** Examples under `match` and under `not_match` of one rule. */
export const ruleExamplesMax = 64;
/** Characters of a rule's `reason` and of its `instead`. */
export const ruleTextCharsMax = 400;
/** Nested `any` and `not` of one condition. */
export const conditionDepthMax = 4;
/** Values of one list in a condition. */
export const conditionValuesMax = 256;
/** Characters of one path pattern. */
export const patternCharsMax = 1024;
/** Plain patterns that the braces of one path pattern stand for. */
export const patternAlternativesMax = 64;
/** Segments of one path pattern. */
export const patternSegmentsMax = 64;
/** Characters of one regular expression. */
export const regexCharsMax = 1024;
/** Characters of a value that a regular expression is matched against; longer is unknown. */
export const regexInputCharsMax = 65_536;
/** Repetitions of one expression, the highest of each added up. */
export const regexRepeatsMax = 4_000;
/** States of an expression times letters of a value that it is matched against; more is unknown. */
export const regexWorkMax = 4_000_000;
/** Bytes of UTF-8 in one path. */
export const pathBytesMax = 4096;
/** Bytes of UTF-8 in one name of a path. */
export const nameBytesMax = 255;
/** Paths of one `fs::restore`. */
export const restorePathsMax = 1024;
/** Arguments of one program, the program itself included. */
export const argvItemsMax = 1024;
/** Characters of one argument of a program. */
export const argvItemCharsMax = 131_072;
/** Characters of all arguments of a program together. */
export const argvCharsMax = 524_288;
/** Bytes of what one `fs::write` writes. */
export const contentBytesMax = 8_388_608;
/** Characters of content that an action shows on its card. */
export const contentHeadCharsMax = 512;
/** Characters of a shell script that is analysed; a longer one asks. */
export const scriptCharsMax = 65_536;
/** Shells and wrappers inside each other that are analysed; deeper asks. */
export const scriptDepthMax = 8;
/** Brackets, braces and the like of one script that is analysed; with more it asks. */
export const scriptOpeningsMax = 256;
/** Simple commands of one script that are judged; more ask. */
export const scriptCommandsMax = 256;
/** Bytes of a file that a snapshot keeps; what is larger cannot be undone. */
export const snapshotBytesMax = 2_147_483_648;
/** Characters of one value on a card; the rest is counted. */
export const cardValueCharsMax = 2000;
/** Lines of the arguments of a program on a card; the rest is counted. */
export const cardArgumentsMax = 40;
/** Words of one request that the lexicon reads. */
export const scopeTokensMax = 200;
/** Folders of one task's scope. */
export const scopeFoldersMax = 16;
/** Sites of one task's scope. */
export const scopeSitesMax = 32;
/** Picked files of one task's scope. */
export const scopeFilesMax = 32;
/** People of one scope. */
export const scopePersonsMax = 32;
/** Characters of a picked person's address. */
export const personCharsMax = 320;
/** Days that what a task changed is kept for undo. */
export const undoDaysKept = 7;
/** Sessions whose budgets one ledger holds. */
export const ledgerSessionsMax = 10_000;
/** Actions that a budget may allow. */
export const budgetActionsMax = 1_000_000;
/** Minutes that a budget may allow. */
export const budgetMinutesMax = 10_080;
/** Actions of a session where no policy says otherwise. */
export const budgetActionsDefault = 200;
/** Actions that one answer "alike" lets go, the one on the card with them. */
export const patternUsesMax = 20;
/** Minutes for which an answer "alike" stands. */
export const patternMinutesMax = 30;
/** Payments of one day that a wallet's ledger holds. */
export const walletPaymentsMax = 10_000;
/** Actions that a rate may let go in its window; so many are remembered of each target. */
export const rateMax = 10_000;
/** Minutes of a session where no policy says otherwise. */
export const budgetMinutesDefault = 20;
/** Minutes that an approval waits where no policy says otherwise. */
export const approvalMinutesDefault = 10;
/** Minutes that an approval may wait. */
export const approvalMinutesMax = 1440;
/** Characters of one URL. */
export const urlCharsMax = 4096;
/** Headers of one request that an agent names. */
export const headersMax = 32;
/** Characters of one header's value. */
export const headerValueCharsMax = 4096;
/** The base URL of a model's API, in characters. */
export const modelUrlCharsMax = 2_048;
/** Money for models in one session where the policy names none, in micro-dollars. */
export const budgetMicrousdDefault = 500_000;
/** Money for models that a budget may allow, in micro-dollars. */
export const budgetMicrousdMax = 1_000_000_000_000;
/** Tokens of models in one session where the policy names none. */
export const budgetTokensDefault = 2_000_000;
/** Tokens of models that a budget may allow. */
export const budgetTokensMax = 1_000_000_000_000;
/** Prices in one file. */
export const pricesMax = 1_024;
/** Price of a model, in micro-dollars for a million tokens. */
export const modelPriceMax = 1_000_000_000_000;
/** States of one comparison of patterns; what needs more is undecided. */
export const diffStatesMax = 2_000;
/** Steps of the search for an action that one target judges otherwise; beyond, undecided. */
export const diffStepsMax = 4_000;
/** Actions that are tried as examples for one target. */
export const diffTriesMax = 24;
/** States of one regular expression in a comparison; a larger one is not worked out. */
export const regexStatesMax = 4_000;
/** Tests in one file of policy tests. */
export const fixturesMax = 1_000;
/** Steps of recorded sessions that rules are learned from. */
export const learnedStepsMax = 2_000;
/** Rules up to which lint compares a policy with itself less one allow. */
export const lintRulesMax = 200;
/** Sets of literals that are looked at for one target of a comparison. */
export const diffChecksMax = 1_500;
/** Letters that machines read in one comparison; what comes after is undecided. */
export const diffLettersMax = 10_000_000;
/** Letters that machines read for one target and one direction of a comparison. */
export const diffSearchLettersMax = 500_000;
/** Requests of one ticket for a page whose answer breaks off, with the first. */
export const flowRequestsMax = 4;
/** Bytes that the requests of a flow send together. */
export const flowBytesUpMax = 65_536;
/** Bytes of the answer of a flow, all of its pieces together. */
export const flowBytesDownMax = 8_388_608;
/** Time from the first request of a flow to its last, in milliseconds. */
export const flowMsMax = 120_000;
/** Messages that open a connection to a server elsewhere under one ticket, its lists of tools included. */
export const openingRequestsMax = 40;
/** Bytes that they send together. */
export const openingBytesUpMax = 65_536;
/** Bytes of the answers to them together. */
export const openingBytesDownMax = 8_388_608;
/** Addresses of mail in one argument. */
export const emailsMax = 100;
/** Characters of the name of an element of a page or window. */
export const elementNameCharsMax = 1_024;
/** The last pixel of a picture, in either direction. */
export const pixelMax = 65_535;
/** Values of one JSON argument, its objects, lists and keys' values together. */
export const jsonArgumentValuesMax = 10_000;
/** Objects and lists inside each other in one JSON argument. */
export const jsonArgumentDepthMax = 32;
/** Characters of all texts and keys of one JSON argument. */
export const jsonArgumentTextMax = 262_144;
/** Characters of what counts as typed where nobody saw the typing; longer is a paste. */
export const typedCharsMax = 200;
/** Characters of one typed text that are read for tokens. */
export const wordsCharsMax = 65_536;
/** Tokens of one typed text; what comes after grounds nothing. */
export const wordTokensMax = 8192;
/** Characters of a value that can be a token; a longer one equals nothing. */
export const groundedCharsMax = 512;
/** Links of one text that are looked at. */
export const linksMax = 64;
/** Characters of a text that is searched for links; a longer one counts as one. */
export const linkTextCharsMax = 262_144;
/** Values in the arguments of one call of a tool; with more it asks. */
export const toolLeavesMax = 4096;
/** Characters of the name of a server, a tool, a field. */
export const toolNameCharsMax = 128;
/** Roles of one tool. */
export const rolesOfToolMax = 256;
/** Topics of one tool. */
export const topicsOfToolMax = 32;
/** Characters of the topics of one tool. */
export const topicsCharsMax = 512;
/** Tools over which a policy says something. */
export const toolsMax = 4096;
/** Fields of answers that a policy trusts. */
export const trustedFieldsMax = 256;
/** Values of trusted fields in one answer; the rest grounds nothing. */
export const trustedPerAnswerMax = 256;
/** Addresses of one answer that are remembered. */
export const seenPerAnswerMax = 512;
/** Characters of one text of an answer that are searched for addresses. */
export const answerTextCharsMax = 262_144;
/** Characters of the name of what an ask is about. */
export const askIdCharsMax = 128;
/** Steps of checking arguments against the schema of a tool. */
export const schemaStepsMax = 200_000;
/** Schemas inside each other. */
export const schemaDepthMax = 64;
/** Rows of words of one text whose BIP-39 checksum is worked out; the rest counts as one. */
export const seedChecksMax = 1_000;
/** Characters of content that an expression is matched against; longer content counts as matching. */
export const contentMatchCharsMax = 1_048_576;
/** States times letters for content; what takes more counts as matching. */
export const contentWorkMax = 32_000_000;
/** Conjunctions of one obligation on content. */
export const contentAltsMax = 64;
/** Tests of one conjunction of an obligation on content. */
export const contentTestsMax = 16;
/** Obligations on content of one ticket; a rule beyond them counts as true. */
export const contentObligationsMax = 8;
/** Places that programs may reach under one ticket, and that one rule names. */
export const programHostsMax = 64;
/** Characters of a host. */
export const hostCharsMax = 253;
/** Requests of one program under its ticket, those that were permitted since among them. */
export const programRequestsMax = 10_000;
/** Bytes that one program sends. */
export const programBytesUpMax = 268_435_456;
/** Bytes that come back to one program. */
export const programBytesDownMax = 4_294_967_296;
/** Requests of one server's program from its start to its end; the most that a ticket can say. */
export const serverRequestsMax = 65_536;
/** Time from a server's start in which its program may reach anything, in milliseconds: one day. */
export const serverFlowMsMax = 86_400_000;
/** Time from a program's start in which it may reach anything, in milliseconds. */
export const programFlowMsMax = 3_600_000;
/** Objects and lists inside each other of an answer that are searched for addresses. */
export const answerDepthMax = 64;
/** Paths that are hidden from a program, or kept from its changes. */
export const sandboxPathsMax = 256;
/** Refusals that a program could go round and that one decision names. */
export const sandboxAsksMax = 16;
