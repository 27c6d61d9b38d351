/**
 * The detectors on the first 750 sentences of presidio-research's synthetic set, which are English and
 * made up: what they find there says little of other texts, and the counts are printed for that.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type ContentKind, contentKinds, findKind } from "../src/content/index.ts";

const folder = process.env["IOI_PII"] ?? join(import.meta.dirname, "../../../../shared/data/pii");
const file = join(folder, "presidio-synth-v2-first-750.json");

interface Sentence {
  readonly full_text: string;
  readonly spans: readonly {
    readonly entity_type: string;
    readonly entity_value: string;
    readonly start_position: number;
    readonly end_position: number;
  }[];
}

const kindOf: ReadonlyMap<string, ContentKind> = new Map([
  ["EMAIL_ADDRESS", "EMAIL"],
  ["PHONE_NUMBER", "PHONE"],
  ["IBAN_CODE", "IBAN"],
  ["CREDIT_CARD", "CARD"],
]);

test("structured identifiers of the set are found, and nothing in its clean sentences", (t) => {
  if (!existsSync(file)) {
    t.skip(`no sentences at ${file}`);
    return;
  }
  const sentences = JSON.parse(readFileSync(file, "utf8")) as readonly Sentence[];
  const counts = new Map<ContentKind, { found: number; all: number }>();
  const altered: string[] = [];
  for (const { full_text: text, spans } of sentences) {
    for (const span of spans) {
      const kind = kindOf.get(span.entity_type);
      if (kind === undefined) continue;
      const count = counts.get(kind) ?? { found: 0, all: 0 };
      counts.set(kind, count);
      count.all++;
      const hit = findKind(text, kind).some(
        ({ start, end }) => start < span.end_position && end > span.start_position,
      );
      if (hit) count.found++;
      else t.diagnostic(`${kind} missed: ${span.entity_value}`);
    }
    if (spans.length > 0) continue;
    const kinds = contentKinds.filter((kind) => findKind(text, kind).length > 0);
    if (kinds.length > 0) altered.push(`${kinds.join()}: ${text}`);
  }
  for (const [kind, { found, all }] of counts) t.diagnostic(`${kind}: ${found} of ${all}`);
  for (const kind of ["EMAIL", "IBAN", "CARD"] as const) {
    const { found = 0, all = 1 } = counts.get(kind) ?? {};
    assert.ok(all - found <= 1, kind);
  }
  const { found = 0 } = counts.get("PHONE") ?? {};
  assert.ok(found >= 45, `${found} phone numbers`);
  assert.deepEqual(altered, []);
});
