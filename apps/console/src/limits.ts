/** Bounds of the console. */

/** How long a link may be redeemed, in milliseconds. */
export const linkMs = 60_000;
/** Links that wait to be redeemed at once; the oldest is forgotten for a newer one. */
export const linksMax = 32;
/** How long a cookie is good, in milliseconds (7 days); it also ends with the kernel. */
export const cookieMs = 604_800_000;
/** Headers of a request, in bytes. */
export const headerBytesMax = 16_384;
/** Headers of a request, in number. */
export const headersMax = 64;
/** Path and query of a request, in characters. */
export const urlCharsMax = 2_048;
/** Body of a call, in bytes. */
export const bodyBytesMax = 1_048_576;
/** How long the headers of a request may take, in milliseconds. */
export const headersMs = 5_000;
/** How long a whole request may take, in milliseconds. */
export const requestMs = 15_000;
/** Between two requests of one connection, in milliseconds. */
export const keepAliveMs = 15_000;
/** Between two looks for connections that are too slow, in milliseconds. */
export const slowCheckMs = 1_000;
/** Connections at once. */
export const connectionsMax = 128;
/** Calls that are answered at once. */
export const callsMax = 64;
/** How long a call may take, in milliseconds. */
export const callMs = 30_000;
/** How long a self-test may take, in milliseconds. */
export const doctorCallMs = 130_000;
/** Streams of events at once. */
export const streamsMax = 32;
/** Streams of events of one browser at once. */
export const streamsPerBrowserMax = 8;
/** Events kept for those who come back. */
export const eventsKeptMax = 1_024;
/** Text of one event of output, in characters. */
export const outputCharsMax = 16_384;
/** What a stream may owe a reader before it is cut, in bytes. */
export const streamBufferBytesMax = 1_048_576;
/** Between two signs of life of a stream, in milliseconds. */
export const heartbeatMs = 15_000;
/** Between two looks at what runs while a page is open, in milliseconds. */
export const watchMs = 1_000;
/** Least time between two looks, in milliseconds. */
export const watchSoonMs = 40;
/** Sessions that are looked at while a page is open. */
export const sessionsWatchedMax = 200;
/** Sessions that are followed at once while a page is open. */
export const sessionsFollowedMax = 32;
/** Sessions in one answer. */
export const sessionsListedMax = 1_000;
/** Tasks that were planned and not begun. */
export const plansMax = 64;
/** How long a planned task waits for the answer to its card, in milliseconds. */
export const planMs = 3_600_000;
/** Cards in one answer. */
export const cardsMax = 50;
/** Receipts in one export. */
export const exportedReceiptsMax = 100_000;
/** Bytes of all leaves in one export. */
export const exportBytesMax = 33_554_432;
/** One file of the page, in bytes. */
export const staticBytesMax = 16_777_216;
/** Files of the page that are kept in memory, in bytes together. */
export const staticCacheBytesMax = 8_388_608;
/** Browsers whose key is remembered. */
export const browsersMax = 256;
/** How long the list of the kernel's processes is taken for the present one, in milliseconds. */
export const processesKeptMs = 10_000;
