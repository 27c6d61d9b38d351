/** Bounds of the egress process. */

/** Requests under way at once, over all drivers. */
export const requestsMax = 64;
/** Requests under way at once for one driver. */
export const requestsOfClientMax = 16;
/** Wait for the answer of a resolver, in milliseconds. */
export const resolveMs = 5_000;
/** Addresses of one name that are looked at; a name with more is refused. */
export const addressesMax = 32;
/** Addresses of one name that are tried, one after the other. */
export const addressesTriedMax = 4;
/** Wait for a connection and its handshake, in milliseconds. */
export const connectMs = 10_000;
/** Wait for the first byte of an answer's head, in milliseconds. */
export const headMs = 300_000;
/** Silence inside an answer after which it is given up, in milliseconds. */
export const silenceMs = 120_000;
/** The whole of one request, in milliseconds. */
export const requestMs = 600_000;
/** Bytes of the head of an answer. */
export const headBytesMax = 65_536;
/** Headers of an answer that are passed on; an answer with more is refused. */
export const answerHeadersMax = 128;
/** Interim answers (1xx) before the real one. */
export const interimMax = 16;
/** Bytes of one piece of an answer's body. */
export const pieceBytesMax = 65_536;
/** Flows that may be continued; the oldest is forgotten first. */
export const flowsKept = 256;
/** Redirects of one driver's messages that may be followed; the oldest is forgotten first. */
export const redirectsKept = 32;
/** Counters of tickets that are remembered as used; older ones than all of these are refused. */
export const countersKept = 65_536;
/** Wait for the launcher to say who listens on a port, in milliseconds. */
export const listenerMs = 5_000;
/** Wait for the server of a confirmed model to take its connection, in milliseconds. */
export const acceptMs = 30_000;
/** First interval at which it is looked for, in milliseconds; it doubles. */
export const acceptPollMsMin = 10;
/** Longest interval at which it is looked for, in milliseconds. */
export const acceptPollMsMax = 250;
/** Wait for the Guardian's lease, in milliseconds. */
export const leaseMs = 5_000;
/** Authorities of this machine that are believed. */
export const authoritiesMax = 2_000;
/** Wait for the launcher to say whom this machine believes, in milliseconds. */
export const authoritiesMs = 8_000;
/** Cut requests that are remembered, for who stops their session. */
export const cutRequestsKept = 256;
/** Ways out of programs that are open at once. */
export const programsMax = 64;
/** Connections of one program at once; a further one is closed. */
export const programConnectionsMax = 64;
/** Wait for a program to say what it wants on a connection, in milliseconds. */
export const programHeadMs = 10_000;
/** Bytes of the head of a program's request. */
export const programHeadBytesMax = 32_768;
/** Headers of a program's request. */
export const programHeadersMax = 128;
/** Bytes of the first message of TLS in a tunnel. */
export const helloBytesMax = 16_384;
/** Bytes of a program's body that is held: one in chunks, and one that is judged or looked through. */
export const programBodyBytesMax = 4_194_304;
/** Bytes of bodies of one program that are held at once. */
export const programHeldBytesMax = 33_554_432;
/** Bytes of one line that says how long a chunk is, and of the lines after the last one. */
export const chunkLineBytesMax = 1_024;
/** Wait for a body that is held to be whole, in milliseconds. */
export const programBodyMs = 120_000;
/** Wait for a program to finish its handshake of TLS where its connection is opened, in milliseconds. */
export const interceptMs = 10_000;
/** Authorities of programs that have not started yet. */
export const authoritiesWaitingMax = 64;
/** Wait for the first bytes of TLS to be whole, in milliseconds. */
export const helloMs = 10_000;
/** Silence in both directions of a program's connection after which it is closed, in milliseconds. */
export const programSilenceMs = 300_000;
/** What one program asked for outside of its lease, over its whole life. */
export const wantsMax = 256;
/** Wait for the answer to what a program asked for outside of its lease, in milliseconds. */
export const wantMs = 660_000;
/** Wait for a program to take the answer that ends its connection, in milliseconds. */
export const lingerMs = 2_000;
/** Requests of one program whose log is kept; the hash covers all of them. */
export const flowEntriesKept = 1_000;
/** Descriptors of programs' ways out that wait to be served. */
export const waysOutKept = 64;
