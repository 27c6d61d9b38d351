/** Elements made of text: nothing an agent wrote is ever read as markup. */

/** What cannot be seen, or reorders what can, is shown by its number. */
const hidden =
  /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}\p{Default_Ignorable_Code_Point}\u2800\u27e8\u27e9]|(?! )\p{Zs}/gu;

export const visible = (text: string): string =>
  text.replace(
    hidden,
    (char) =>
      `\u27e8U+${(char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}\u27e9`,
  );

type Child = Node | string;

export const element = <K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Readonly<Record<string, string>> = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
};

export const byId = (id: string): HTMLElement => {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`no element ${id}`);
  return found;
};

/**
 * Moves the focus within this page, never to it: framed, it would take the keys of somebody who
 * types elsewhere, and some of them answer cards.
 */
export const focusWithin = (target: HTMLElement): void => {
  if (document.hasFocus()) target.focus();
};

/** An operable button; one that is not now stays reachable and says so. */
export const button = (
  words: string,
  key: string,
  look: "main" | "plain",
  onPress: () => void,
): HTMLButtonElement => {
  const made = element("button", { type: "button", class: look }, words);
  if (key !== "") {
    made.append(element("kbd", { "aria-hidden": "true" }, key.toUpperCase()));
    made.setAttribute("aria-keyshortcuts", key.toUpperCase());
  }
  made.addEventListener("click", () => {
    if (made.getAttribute("aria-disabled") !== "true") onPress();
  });
  return made;
};

export const enable = (made: HTMLElement, enabled: boolean): void => {
  if (enabled) made.removeAttribute("aria-disabled");
  else made.setAttribute("aria-disabled", "true");
};
