/**
 * The words of a mail in HTML, once through: tags are left out, and what stands in a head, a style or a
 * script. For words alone; nothing of it is shown as HTML. Time: linear in the text.
 */
const unseen: ReadonlySet<string> = new Set(["head", "script", "style"]);
const breaks: ReadonlySet<string> = new Set(
  "blockquote br div h1 h2 h3 h4 h5 h6 hr li ol p table td tr ul".split(" "),
);
const entities: Readonly<Record<string, string>> = {
  amp: "&",
  apos: "'",
  gt: ">",
  lt: "<",
  nbsp: " ",
  quot: '"',
};

const entity = (whole: string, name: string): string => {
  const code = /^#(x?)([0-9a-f]{1,6})$/i.exec(name);
  if (code === null) return entities[name] ?? whole;
  const point = Number.parseInt(code[2] ?? "", code[1] === "" ? 10 : 16);
  const isScalar = point > 0 && point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
  return isScalar ? String.fromCodePoint(point) : whole;
};

const tagName = /^[a-z][a-z0-9]{0,9}/;

export const wordsOf = (html: string): string => {
  // Letters of ASCII alone, so that places stay.
  const lower = html.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase());
  const parts: string[] = [];
  let from = 0;
  while (from < html.length) {
    const open = html.indexOf("<", from);
    parts.push(html.slice(from, open < 0 ? html.length : open));
    const close = open < 0 ? -1 : html.indexOf(">", open);
    if (close < 0) break;
    const isEnd = html[open + 1] === "/";
    const at = open + (isEnd ? 2 : 1);
    const name = tagName.exec(lower.slice(at, at + 10))?.[0] ?? "";
    parts.push(breaks.has(name) ? "\n" : " ");
    from = close + 1;
    if (isEnd || !unseen.has(name)) continue;
    const end = lower.indexOf(`</${name}`, from);
    if (end < 0) break;
    from = end;
  }
  return parts
    .join("")
    .replaceAll(/&(#?[a-z0-9]{1,8});/gi, entity)
    .replaceAll(/[ \t]+/g, " ")
    .trim();
};
