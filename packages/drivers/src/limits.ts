/** Bounds of the drivers. `docs/limits.md` is generated from these lines. */

/** Bytes of an answer that a request returns; the rest is not read. */
export const fetchContentBytesMax = 2_097_152;
/** Wait of a driver for egress to carry one request, in milliseconds. */
export const egressDeadlineMs = 660_000;
/** Prepared actions one driver keeps open at once; the oldest is dropped for a new one. */
export const preparedMax = 64;
/** Age at which a prepared action is dropped whatever its ticket says, in milliseconds. */
export const preparedAgeMsMax = 600_000;
/** Start-up line of a driver process, in bytes. */
export const startLineBytesMax = 1_048_576;
/** A path argument, in UTF-8 bytes. */
export const pathBytesMax = 4_096;
/** Content one write carries, in bytes. */
export const contentBytesMax = 4_128_768;
/** Bytes one read returns where no length is given. */
export const readBytesDefault = 1_048_576;
/** Bytes one read returns at most. */
export const readBytesMax = 2_097_152;
/** Entries one listing returns. */
export const listEntriesMax = 10_000;
/** Directory entries one listing looks at before it says that there are more. */
export const listScanMax = 200_000;
/** Matches one search returns. */
export const searchMatchesMax = 1_000;
/** Directory entries one search looks at. */
export const searchEntriesMax = 200_000;
/** Bytes of content one search reads. */
export const searchBytesMax = 536_870_912;
/** Bytes of one file that a search reads; what stands behind is not searched. */
export const searchFileBytesMax = 67_108_864;
/** Time one search takes, in milliseconds. */
export const searchMsMax = 20_000;
/** Bytes of a search's answer. */
export const searchAnswerBytesMax = 1_048_576;
/** Characters of a line that a match shows. */
export const searchLineCharsMax = 512;
/** Bytes of a file that are hashed before a write or removal of it is decided. */
export const beforeBytesMax = 16_777_216;
/** Bytes of a file that a preview compares; what a write carries always fits. */
export const previewSourceBytesMax = 4_194_304;
/** Lines that a preview compares, without what both contents begin and end with. */
export const previewCompareLinesMax = 20_000;
/** Lines that differ in a comparison; more are shown without one. */
export const previewEditsMax = 1_000;
/** Time of one comparison, in milliseconds. */
export const previewCompareMsMax = 500;
/** Lines of a preview. */
export const previewLinesMax = 200;
/** Characters of one line of a preview. */
export const previewLineCharsMax = 240;
/** Characters of a preview. */
export const previewCharsMax = 16_384;
/** Entries one effect may touch (files, folders and links of a tree). */
export const effectEntriesMax = 20_000;
/** Depth of a folder tree that is copied, deleted or searched. */
export const treeDepthMax = 128;
/** Bytes one effect may copy into the vault. */
export const snapshotBytesMax = 1_073_741_824;
/** Time in which a failed effect is taken back, in milliseconds. */
export const takeBackMsMax = 30_000;
/** Bytes one copy writes. */
export const copyBytesMax = 1_073_741_824;
/** Bytes the vault keeps over all sessions. */
export const vaultBytesMax = 2_147_483_648;
/** Age at which the vault forgets an effect, in milliseconds (7 days). */
export const vaultAgeMsMax = 604_800_000;
/** Extended attributes kept of one file, in bytes. */
export const xattrBytesMax = 65_536;
/** First bytes of each output stream of a command that the result keeps. */
export const outputHeadBytesMax = 262_144;
/** Last bytes of each output stream of a command that the result keeps. */
export const outputTailBytesMax = 262_144;
/** Bytes of output that are streamed while a command runs; the rest is only counted. */
export const outputStreamBytesMax = 4_194_304;
/** Arguments of one command. */
export const argumentsMax = 4_096;
/** Bytes of the arguments of one command together. */
export const argumentBytesMax = 131_072;
/** Bytes of a program that are hashed; a larger program is refused. */
export const programBytesMax = 1_073_741_824;
/** Bytes a command may leave in its staging area before it is stopped. */
export const stagedBytesMax = 1_073_741_824;
/** Changed paths that an answer lists by name; the evidence counts all. */
export const changedPathsMax = 1_000;
/** Paths held back that a message names. */
export const heldNamedMax = 8;
/** Entries that are copied for a command where no overlay can be mounted. */
export const copyStageEntriesMax = 20_000;
/** Bytes that are copied for a command where no overlay can be mounted. */
export const copyStageBytesMax = 268_435_456;
/** Interval at which a staging area is measured, in milliseconds. */
export const stagedCheckMs = 500;
/** Time in which everything that a command started has ended after a stop, in milliseconds. */
export const stopMsMax = 1_000;
/** Bytes of a PDF whose text is read. */
export const pdfBytesMax = 67_108_864;
/** Pages of a PDF that are read; a longer one says that there is more. */
export const pdfPagesMax = 500;
/** Characters of the text of one PDF. */
export const pdfTextCharsMax = 2_000_000;
/** Time that the text of one PDF takes, in milliseconds. */
export const pdfMsMax = 20_000;
/** Memory that the driver may grow by while it reads one PDF, in bytes. */
export const pdfMemoryBytesMax = 536_870_912;
/** Heap of the thread that reads PDFs, in MiB. */
export const pdfHeapMiBMax = 256;
/** Interval at which a PDF's reading is looked at, in milliseconds. */
export const pdfLookMs = 20;
/** Time after which the thread that read PDFs ends, in milliseconds. */
export const pdfIdleMs = 10_000;
/** Bytes of a model's answer as its server sends it; a little less than what egress lets back. */
export const modelReplyBytesMax = 8_000_000;
/** Bytes of what a model says and of the arguments of its calls together. */
export const modelReplyTextBytesMax = 1_048_576;
/** Tools that a model calls in one answer. */
export const modelCallsMax = 64;
/** Messages of one prompt. */
export const modelMessagesMax = 4_096;
/** Tools that one prompt offers. */
export const modelToolsMax = 256;
/** Texts that one action turns into vectors. */
export const embedTextsMax = 256;
/** Numbers of one vector. */
export const embedDimensionsMax = 16_384;
/** Characters of a model's name as its server gives it. */
export const modelNameCharsMax = 128;
/** Bytes that are read of an error's body. */
export const modelErrorBytesMax = 65_536;
/** Characters of a server's own words in a message of ours. */
export const modelErrorCharsMax = 300;
/** Time in which a model's server begins to answer, in milliseconds; a local one may load first. */
export const modelFirstByteMsMax = 300_000;
/** Time between two pieces of a model's answer, in milliseconds. */
export const modelIdleMsMax = 60_000;
/** One message of the Model Context Protocol, either way, in bytes. */
export const mcpMessageBytesMax = 4_000_000;
/** Requests of one client, or of one MCP server, that wait for their answers. */
export const mcpRequestsMax = 256;
/** Messages that one relay holds until they are decided. */
export const mcpHeldMax = 32;
/** Tools that one MCP server lists; a longer list is refused whole. */
export const mcpToolsMax = 512;
/** Pages of one list that are asked for by ourselves. */
export const mcpPagesMax = 32;
/** Bytes of `_meta` that go along with a judged message. */
export const mcpMetaBytesMax = 16_384;
/** Characters of an id or a method. */
export const mcpNameCharsMax = 256;
/** Messages of an MCP server that break the protocol before it is ended. */
export const mcpFaultsMax = 64;
/** Messages to a gate's client that wait for it; beyond this the server is not read. */
export const mcpQueueMax = 256;
/** The end of an MCP server's error output that is kept, in bytes. */
export const mcpErrorsBytesMax = 8_192;
/** Time in which a permitted call is answered, in milliseconds. */
export const mcpCallMsMax = 600_000;
/** Time in which an MCP server begins to speak, in milliseconds. */
export const mcpStartMsMax = 60_000;
/** Requests to one MCP server over HTTP that are open at once: egress carries a few more for answers. */
export const mcpExchangesMax = 12;
/** Time in which the client of a gate without a person answers its question, in milliseconds. */
export const mcpQuestionMsMax = 45_000;
/** Clients of MCP servers that one driver relays. */
export const mcpRelaysMax = 8;
/** Content of one MCP call that an agent sees, in bytes. */
export const mcpResultBytesMax = 1_048_576;
/** Input for a program that nobody reads yet, in bytes. */
export const inputHeldBytesMax = 4_194_304;
/** Requests of a program that an answer lists by name; the evidence covers all of them. */
export const networkEntriesMax = 1_000;
/** Wait of a driver for egress to open or close a program's way out, in milliseconds. */
export const wayOutMs = 10_000;
/** Terminals that one session has open at once. */
export const shellsMax = 4;
/** Columns of a terminal. */
export const shellColumns = 120;
/** Rows of a terminal. */
export const shellRows = 40;
/** Lines that a terminal keeps above its screen. */
export const shellScrollbackLines = 10_000;
/** Bytes of one piece of typing. */
export const shellInputBytesMax = 16_384;
/** Bytes that were typed and not taken; with more nothing further is typed. */
export const shellUnwrittenBytesMax = 65_536;
/** Interval at which typing is tried again where a terminal takes nothing, in milliseconds. */
export const shellRetryMs = 20;
/** Bytes that a terminal may say before somebody reads; then it waits. */
export const shellUnreadBytesMax = 262_144;
/** Life of one terminal, in milliseconds. */
export const shellLifeMsMax = 14_400_000;
/** Wait of an action for a terminal to come to rest where none is given, in milliseconds. */
export const shellWaitMsDefault = 5_000;
/** Wait of an action for a terminal to come to rest, in milliseconds. */
export const shellWaitMsMax = 120_000;
/** Silence after which a terminal whose shell has it is at rest, in milliseconds. */
export const shellQuietMs = 150;
/** Wait for the first of what comes after typing, before silence counts, in milliseconds. */
export const shellAnswerMs = 1_000;
/** Interval at which a terminal that is waited for is looked at, in milliseconds. */
export const shellLookMs = 50;
/** Interval at which a terminal's staging area is measured, in milliseconds. */
export const shellStageCheckMs = 1_000;
/** Wait of a stop for egress to cut what a program has under way, in milliseconds. */
export const cutMs = 200;
/** Links of one fetched page that are remembered. */
export const linksMax = 512;
/** Bytes of a fetched page that are searched for links. */
export const linkBytesMax = 1_048_576;
/** Further requests for one answer of a server over HTTP whose stream ended before it. */
export const mcpResumesMax = 4;
/** Least wait before a stream of a server over HTTP is asked for again, in milliseconds. */
export const mcpStreamWaitMsMin = 500;
/** Most wait before it, whatever the server says and however often it ended at once, in milliseconds. */
export const mcpStreamWaitMsMax = 300_000;
/** Life of a stream after which the next one is waited for as if it were the first, in milliseconds. */
export const mcpStreamLivedMs = 60_000;
/** Bytes of the machine's bundle of authorities that a program is shown with one more. */
export const trustBytesMax = 8_388_608;
/** Bytes of the text of one memory that an agent keeps. */
export const memoryTextBytesMax = 65_536;
/** Answers of one recall. */
export const recallAnswersMax = 50;
/** Answers of one recall where no number is given. */
export const recallAnswersDefault = 5;
/** Wait of an action for its turn with the memory file, in milliseconds. */
export const memoryTurnMs = 30_000;
/** Interval at which it is tried for, in milliseconds. */
export const memoryTurnPollMs = 20;
/** Wait of an action for vectors of its texts, in milliseconds; then it goes on by words. */
export const memoryEmbedMs = 20_000;
/** Bytes of vectors that one such question is answered with. */
export const memoryVectorsBytesMax = 33_554_432;
/** Texts of one question for vectors. */
export const memoryEmbedTextsMax = 64;
/** Characters of these. */
export const memoryEmbedCharsMax = 262_144;
/** Time that an action gives to memories that wait for their vectors, in milliseconds. */
export const memoryBacklogMs = 10_000;
/** Bytes of one mail of a mailbox that is imported; a longer one is passed over and reported. */
export const mailBytesMax = 33_554_432;
/** Bytes of the headers of one of its parts. */
export const mailHeaderBytesMax = 1_048_576;
/** Depth to which parts of a mail nest. */
export const mailNestingMax = 32;
/** Bytes of one answer of a server that a command asks for vectors. */
export const embedReplyBytesMax = 33_554_432;
/** Times that such a server is asked the same, where it may answer later. */
export const embedAttemptsMax = 3;
/** Wait before it is asked again, at most, in milliseconds. */
export const embedRetryMsMax = 30_000;
/** Bytes of a model that is run from a folder. */
export const localModelBytesMax = 2_000_000_000;
/** Bytes of its tokeniser's definition. */
export const tokeniserBytesMax = 67_108_864;
/** Tokens of a text that a local model is given. */
export const embedTokensMax = 512;
/** Memories that one action gives away. */
export const sharedMemoriesMax = 32;
