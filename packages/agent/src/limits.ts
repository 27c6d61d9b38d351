/** Bounds of a session and of what it is told. `docs/limits.md` is generated from these lines. */

/** Largest text that the command planner reads, in characters. */
export const commandTextCharsMax = 262_144;
/** Commands in one `&&` sequence. */
export const commandStepsMax = 1024;
/** Words of one command. */
export const commandWordsMax = 4096;
/** Edit distance up to which an unknown command is answered with a suggestion. */
export const suggestionDistanceMax = 2;
/** Files that a person attaches to one task. */
export const attachmentsMax = 32;
/** People that a person picks for one task. */
export const personsMax = 32;
/** Actions of one session, whatever its policy says. */
export const sessionActionsMax = 1024;
/** Largest content that one action writes, in bytes. */
export const actionContentBytesMax = 2_097_152;
/** Largest canonical action, ticket or signed report that a session carries, in bytes. */
export const signedBytesMax = 1_048_576;
/** Content of one outcome that is shown in place, in bytes; more is behind a handle. */
export const outcomeContentBytesMax = 65_536;
/** Content of all outcomes of one session that is shown in place, in bytes. */
export const sessionContentBytesMax = 524_288;
/** What an agent says in one step, in characters. */
export const sayCharsMax = 65_536;
/** Steps in which an agent only speaks, one after the other. */
export const saysInRowMax = 16;
/** Things said and kept in one session. */
export const saysKeptMax = 64;
/** Messages of the person that wait for the agent's next turn. */
export const messagesMax = 64;
/** Length of one message of the person, in characters. */
export const messageCharsMax = 65_536;
/** Reasons and suggestions that are kept of a verdict, in characters. */
export const reasonCharsMax = 1024;
/** Length of the line that shows an action, in characters. */
export const displayCharsMax = 512;
/** Later calls that a proposal names, so that alike ones share a card. */
export const alikeCallsMax = 63;
/** Invalid calls of an agent one after the other before the session fails. */
export const invalidCallsMax = 4;
/** The same action with the same end, of which the agent is told; once more ends the session. */
export const loopRepeatsMax = 3;
/** Arguments of an action that is compared with earlier ones before it was prepared, in bytes. */
export const repeatedArgsBytesMax = 4096;
/** Times that one action is prepared and proposed anew: after approvals and crashes. */
export const actionAttemptsMax = 64;
/** Times that a call which failed for a passing reason is made again. */
export const callRetriesMax = 4;
/** Wait before a call is made again, doubled each time, in milliseconds. */
export const callRetryMs = 100;
/** Longest wait before a call is made again, in milliseconds. */
export const callRetryMsMax = 2000;
/** Times that the gate is asked again to know a session, while it is away. */
export const openRetriesMax = 60;
/** Wait for the answers to a stop before it is asked for again, in milliseconds. */
export const stopRetryMs = 1000;
/** Times that a stop is asked for before the session says that it failed. */
export const stopAttemptsMax = 30;
/** Earlier effects that a session is told of so that it can undo them. */
export const undoItemsMax = 1024;
/** Paths of one effect that an undo names. */
export const undoPathsMax = 1024;
/** One input of a session in its journal, in bytes. */
export const journalInputBytesMax = 8_388_608;
/** Records of one session's journal. */
export const journalRecordsMax = 65_536;
/** Wall time of one session where its policy names none, in milliseconds. */
export const sessionWallMsDefault = 86_400_000;
/** Content that the actions of one session propose together, in bytes: its journal holds all of it. */
export const sessionProposedBytesMax = 134_217_728;
/** Bytes of a prompt that are counted as one token where nobody has counted. */
export const promptBytesPerToken = 3;
/** Times that a call of a model is made again after a passing failure. */
export const modelRetriesMax = 4;
/** Wait before a model is asked again, doubled each time, in milliseconds. */
export const modelRetryMs = 1000;
/** Longest wait before a model is asked again, also where its server wants more, in milliseconds. */
export const modelRetryMsMax = 60_000;
/** Actions of a session that a model or a folder drives, where nobody said otherwise. */
export const agentActionsDefault = 200;
/** Wall time of a session that a model or a folder drives, where nobody said otherwise, in milliseconds. */
export const agentWallMsDefault = 1_200_000;
/** Tokens of a session that a model drives, where nobody said otherwise. */
export const agentTokensDefault = 2_000_000;
/** Cost of a session that a model drives, where nobody said otherwise, in millionths of a dollar. */
export const agentMicrousdDefault = 500_000;
/** Tool calls of one reply of a model; a reply with more is refused whole. */
export const replyCallsMax = 64;
/** Length of a call's id that goes back to a model as it came, in characters. */
export const callIdCharsMax = 128;
/** Length of a tool's name that is looked at, in characters. */
export const toolNameCharsMax = 128;
/** One reply of a model, in bytes. */
export const replyBytesMax = 2_097_152;
/** Replies one after the other that are none, or that only call tools wrongly, before the session fails. */
export const badRepliesMax = 4;
/** What one action found, in a prompt, in bytes; the model reads on where it needs more. */
export const resultBytesMax = 24_576;
/** The least of it, also for models with a small context, in bytes. */
export const resultBytesMin = 1024;
/** One prompt, in bytes, however large the model's context is. */
export const promptBytesMax = 1_048_576;
/** Context of a model of which nothing is known, in tokens. */
export const contextTokensDefault = 16_384;
/** A context up to which replies get an eighth of it instead of a fourth, in tokens. */
export const smallContextTokens = 8192;
/** The longest reply that a model is asked for, in tokens. */
export const replyTokensMax = 8192;
/** Stretches that an agent asks to see at once. */
export const stretchesMax = 64;
/** What one action found, in an observation of an agent's program, in bytes; it reads on where it needs more. */
export const agentContentBytesMax = 65_536;
/** One line of an agent's program, in bytes. */
export const agentLineBytesMax = 4_194_304;
/** Everything that an agent's program writes in answer to one observation, in bytes. */
export const agentStepBytesMax = 8_388_608;
/** Times that an agent's program reads before it answers one observation. */
export const agentReadsMax = 64;
/** The longest time for one step of an agent's program where its agent.toml names none, in milliseconds. */
export const agentStepMsDefault = 60_000;
/** The longest time that an agent.toml may name for one step, in milliseconds. */
export const agentStepMsMax = 600_000;
/** Times that an agent's program is started anew in one session after it ended by itself. */
export const agentRestartsMax = 3;
/** Of what an agent's program writes to its error output, in bytes: the end is kept. */
export const agentErrorBytesMax = 4096;
/** Redirects that one `/fetch` follows, each an action of its own. */
export const redirectsMax = 5;
/** Tools of MCP servers that a model is offered beside those of our own. */
export const offeredServerToolsMax = 128;
/** Tools of one MCP server that a session knows of. */
export const serverToolsMax = 512;
/** Characters that a server says of one of its tools. */
export const serverToolCharsMax = 1024;
/** Schema of the arguments of one of a server's tools, in characters of JSON; a larger one is left out. */
export const serverSchemaCharsMax = 8192;
