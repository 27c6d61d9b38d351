/** Bounds of the page. `docs/limits.md` is generated from these lines. */

/** Characters of an agent's text that are read as Markdown; the rest is cut, and said so. */
export const markdownCharsMax = 65_536;
/** Bytes of one action's content that the page fetches at a time. */
export const contentPieceBytes = 65_536;
/** Lines of each of two texts that are compared; longer ones are shown without a comparison. */
export const diffLinesMax = 2000;
/** Characters of live output that are kept for one action. */
export const liveCharsMax = 16_384;
/** Announcements that wait for the screen reader. */
export const announcementsMax = 5;
/** Receipts that one request brings. */
export const receiptsPageMax = 200;
/** Sessions that the list of tasks asks for. */
export const sessionsMax = 200;
/** Steps of a search that its picture shows; the list beside it has all. */
export const memoryStepsMax = 160;
/** Bytes of a proof of recall that the page fetches. */
export const recallProofBytesMax = 16_777_216;
/** Characters that the page remembers as the person's own words: longer ones count as a paste. */
export const ownWordsCharsMax = 180;
