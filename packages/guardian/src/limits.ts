/** Bounds of the Guardian. */

/** Secrets that are kept. */
export const secretsMax = 256;
/** Characters of one secret. */
export const secretCharsMax = 16_384;
/** Bytes of the file of secrets. */
export const secretsFileBytesMax = 16_777_216;
/** Bytes that one request may send. */
export const leaseBytesUpMax = 8_388_608;
/** Bytes of an answer that one request may take; the rest is not read. */
export const leaseBytesDownMax = 8_388_608;
/** How long a ticket may be used, in milliseconds of the driver's own clock from its nonce. */
export const ticketTtlMs = 30_000;
/** Sessions that are open at once. */
export const openSessionsMax = 256;
/** After which words that never became a task end when the room is needed, in milliseconds. */
export const abandonedSessionMs = 3_600_000;
/** Asks that wait for a person at once, over all sessions. */
export const pendingApprovalsMax = 256;
/** Driver instances that may be registered at once. */
export const instancesMax = 1024;
/** Ended driver instances whose signed reports still count. */
export const goneInstancesMax = 256;
/** What a person types in one session, in characters. */
export const wordsCharsMax = 65_536;
/** Largest action that is judged, in bytes: what the sealed part of one receipt can hold. */
export const actionBytesMax = 262_084;
/** Largest outcome that a driver may sign, in bytes: what one receipt can hold. */
export const outcomeBytesMax = 65_000;
/** Characters of a driver's preview. */
export const previewCharsMax = 32_768;
/** Lines of a driver's preview. */
export const previewLinesMax = 400;
/** How long a card waits for its preview before it says that there is none, in milliseconds. */
export const previewWaitMs = 10_000;
/** Asks that are remembered, expired ones included; the oldest is forgotten first. */
export const asksKeptMax = 512;
/** Characters of what a person says with an answer or at the end of a session. */
export const reasonCharsMax = 256;
/** Numbered proposals that wait for their proposal. */
export const noticesMax = 4096;
/** How far a proposal's number may be above what its clock allows: a minute's numbers. */
export const orderLeadMax = 60_000_000;
/** Denied actions that one session remembers, so that they are not asked about again. */
export const denialsKeptMax = 1024;
/** Cards within a minute, after which the next one pauses the task. */
export const cardsPerMinuteMax = 3;
/** Cards of a task, after which the next one pauses it. */
export const cardsPerTaskMax = 10;
/** What counts as a minute between cards, in milliseconds. */
export const cardMinuteMs = 60_000;
/** Later calls that one card stands for. */
export const alikeActionsMax = 63;
/** Arguments of the later calls that one proposal names, in bytes. */
export const alikeBytesMax = 131_072;
/** Scopes that were offered and wait for an answer. */
export const offeredScopesMax = 256;
/** Receipts that one call returns. */
export const receiptsPageMax = 1000;
/** Leaves after which a checkpoint is signed without being asked. */
export const checkpointLeavesMax = 256;
/** Wall-clock bound of one command, in milliseconds. */
export const commandWallMs = 600_000;
/** Output of one command that is kept, in bytes. */
export const commandOutputBytes = 262_144;
/** Memory of one command, in bytes. */
export const commandMemoryBytes = 2_147_483_648;
/** Processes of one command. */
export const commandProcesses = 256;
/** Largest file a driver or command may write, in bytes. */
export const driverFileBytes = 1_073_741_824;
/** Largest header of the chain that is signed, in bytes. */
export const headerBytesMax = 4096;
/** Slots of the chain that one call asks for. */
export const chainRequestsMax = 4;
/** States of the chain's session after which their log starts anew. */
export const sessionRecordsMax = 4096;
/** Models that a person may confirm. */
export const modelsMax = 64;
/** The file of confirmed models, in bytes. */
export const modelsBytesMax = 1_048_576;
/** Devices that may answer for the person, beside the terminal. */
export const devicesMax = 16;
/** How long a pairing code is good, in milliseconds. */
export const pairCodeMs = 300_000;
/** Wrong codes after which an offered device is forgotten. */
export const pairTriesMax = 10;
/** Changes of the policy that wait for a device; the oldest goes for a newer one. */
export const policyChangesMax = 8;
/** How long a change of the policy waits for a device, in milliseconds. */
export const policyChangeMs = 1_800_000;
/** Earlier texts of the policy that are kept. */
export const policyTextsKeptMax = 64;
/** Changes of the policy that one list has. */
export const policyHistoryMax = 200;
/** Leaves of the log that are looked through for recorded actions, newest first. */
export const recordedLeavesMax = 20_000;
/** Recorded actions that a text is tried on. */
export const recordedVerdictsMax = 2_000;
/** Recorded actions that are shown for one rule in the shadow. */
export const shadowExamplesMax = 5;
/** Sessions that rules are learned from at once. */
export const learnedSessionsMax = 32;
/** Changed lines on the card of a change of the policy. */
export const cardLinesMax = 200;
/** Edits between two texts of the policy up to which their lines are compared. */
export const patchEditsMax = 2_000;
/** Bytes of a file of policy tests, and of an action made by hand. */
export const policyTestsBytesMax = 262_144;
/** MCP servers that a person may confirm. */
export const mcpServersMax = 16;
/** Tools of one MCP server, pinned and waiting together. */
export const mcpToolsMax = 512;
/** Definition of one MCP tool, in characters of its canonical JSON. */
export const mcpDefinitionBytesMax = 65_536;
/** Definitions of all tools of one MCP server together, in characters. */
export const mcpDefinitionsBytesMax = 1_048_576;
/** The file of confirmed MCP servers, in bytes. */
export const mcpServersBytesMax = 16_777_216;
/** Calls of one gate's session. */
export const gateActionsMax = 1_000_000;
/** Life of one gate's session, in minutes. */
export const gateWallMinutesMax = 43_200;
/** Policy of one MCP server, in characters. */
export const mcpPolicyCharsMax = 65_536;
/** Bytes of what a driver says of where the values of an answer come from. */
export const originsBytesMax = 131_072;
/** Values of trusted look-ups that a session keeps; the oldest is forgotten first. */
export const trustedKeptMax = 1024;
/** Addresses of answers that a session keeps for its cards. */
export const seenKeptMax = 2048;
/** Bytes of a program's requests that are kept with its outcome; of a longer log the hash alone. */
export const requestsBytesMax = 196_608;
/** How long the answer of a gate's client stands for its action, in milliseconds. */
export const unsignedGrantMs = 60_000;
/** Memory files whose newest state is known; the one that was used longest ago is forgotten first. */
export const memoryStoresMax = 16;
/** Actions on memories that wait for their outcome. */
export const memoryActionsMax = 1024;
