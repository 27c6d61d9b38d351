/**
 * What a model answered, `ioi.model-reply/1`, as the page reads it: its text, and the calls that it
 * wants. A reply of another form is shown as the text that it is.
 */

export interface ModelReply {
  readonly text: string;
  readonly calls: readonly { readonly name: string; readonly arguments: string }[];
  readonly finish: string;
}

const text = (value: unknown): string => (typeof value === "string" ? value : "");

const callOf = (value: unknown): ModelReply["calls"][number] => {
  const found = (value ?? {}) as Readonly<Record<string, unknown>>;
  return { name: text(found["name"]), arguments: text(found["arguments"]) };
};

/** Undefined where the content is no reply. */
export const parseReply = (content: string): ModelReply | undefined => {
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const found = value as Readonly<Record<string, unknown>>;
  if (typeof found["text"] !== "string" || !Array.isArray(found["calls"])) return undefined;
  return {
    text: found["text"],
    calls: found["calls"].map(callOf),
    finish: text(found["finish"]),
  };
};
