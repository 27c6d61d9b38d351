/** How the policy in force came to be, in words. */
const words: Readonly<Record<string, string>> = {
  first: "as it was found at the start",
  saved: "saved with a device's signature",
  edited: "EDITED BY HAND, and not saved with a signature since",
};

export const originText = (origin: string): string => words[origin] ?? origin;
