/**
 * Links of a page that was fetched: where an agent may go on from it, as canonical URLs. Resolved as a
 * browser would, against the page's own address; a `base` of the page is not believed.
 *
 * Bounds: `linksMax` links of the first `linkBytesMax` bytes.
 */
import { parseCanonicalUrl } from "@ioi/firewall/net";
import { linkBytesMax, linksMax } from "../limits.ts";

/** Characters of one tag that are looked at. */
const tagCharsMax = 4096;
const href = /\shref\s*=\s*(?:"([^"]*)"|'([^']*)')/iu;
const plain = /\bhttps?:\/\/[^\s<>"'`)\]}]{1,4096}/giu;

const entities: readonly (readonly [RegExp, string])[] = [
  [/&amp;/g, "&"],
  [/&#0*38;/g, "&"],
];

const canonical = (given: string, base: string): string | undefined => {
  const text = entities.reduce((each, [from, to]) => each.replace(from, to), given.trim());
  const url = URL.parse(text, base);
  if (url === null || url.username !== "" || url.password !== "") return undefined;
  url.hash = "";
  const read = parseCanonicalUrl(url.href);
  return read.ok ? read.value.text : undefined;
};

/** What the anchors of a page lead to; each tag ends at its first `>`, so this is linear. */
function* anchorsOf(html: string): Generator<string> {
  const open = /<a\s/giu;
  for (let found = open.exec(html); found !== null; found = open.exec(html)) {
    const end = html.indexOf(">", found.index);
    if (end < 0) return;
    const tag = href.exec(html.slice(found.index + 2, Math.min(end, found.index + tagCharsMax)));
    if (tag !== null) yield tag[1] ?? tag[2] ?? "";
    open.lastIndex = end + 1;
  }
}

function* linksInText(text: string): Generator<string> {
  for (const [each] of text.matchAll(plain)) yield each.replace(/[.,;:!?]+$/, "");
}

/** Links of text and of HTML; none of anything else. */
export const linksOf = (content: Uint8Array, type: string, base: string): readonly string[] => {
  const html = /^\s*(?:text\/html|application\/xhtml\+xml)\b/i.test(type);
  if (!html && !/^\s*text\/(?:plain|markdown)\b/i.test(type)) return [];
  const text = new TextDecoder().decode(content.subarray(0, linkBytesMax));
  const found = new Set<string>();
  for (const each of html ? anchorsOf(text) : linksInText(text)) {
    const url = canonical(each, base);
    if (url !== undefined) found.add(url);
    if (found.size >= linksMax) break;
  }
  return [...found];
};
