/**
 * Whether somebody typed what stands in a field. A paste of several lines or of more than 200 characters
 * is content, and so is what is dropped or was there before: it names nobody. Short pastes are as good
 * as typed.
 */

/** As in the firewall: longer is a paste. */
const typedCharsMax = 200;

export const isContent = (pasted: string): boolean =>
  pasted.length > typedCharsMax || /[\n\r\u2028\u2029\u0085]/.test(pasted);

/** An empty field holds nothing that was pasted. */
export const typedAfter = (before: boolean, text: string): boolean => text === "" || before;
