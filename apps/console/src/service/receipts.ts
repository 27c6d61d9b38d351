/** Receipts for the page: a page of them, and all of them with what verifies them elsewhere. */
import { OperationError, toHex } from "@ioi/base";
import type { Bundle } from "@ioi/guardian/verify";
import { leaf as leafSchema, schema } from "@ioi/wire";
import type { Console } from "@ioi/wire/console";
import type { Handlers } from "../http/connect.ts";
import type { Kernel } from "../kernel.ts";
import { callMs, exportBytesMax, exportedReceiptsMax } from "../limits.ts";

type Offered = Pick<Handlers<typeof Console>, "listReceipts" | "exportReceipts">;

/** As JSON has it: bytes as hex, 64-bit numbers as text. */
const plain = (value: unknown): unknown => {
  if (value instanceof Uint8Array) return toHex(value);
  if (typeof value === "bigint") return String(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, plain(each)]));
};

const lineOf = (receipt: {
  readonly index: bigint;
  readonly leafHash: Uint8Array;
  readonly leaf: Uint8Array;
  readonly display: string;
}) => {
  const { index, leafHash, display } = receipt;
  const decoded = schema.decode(leafSchema, receipt.leaf);
  if (!decoded.ok) return { index, leafHash: toHex(leafHash), type: "unknown", display };
  const leaf = decoded.value;
  const text = (name: string): string => {
    const value = (leaf as Readonly<Record<string, unknown>>)[name];
    return typeof value === "string" || typeof value === "bigint" ? String(value) : "";
  };
  return {
    index,
    leafHash: toHex(leafHash),
    type: leaf.type,
    session: text("session"),
    atMs: BigInt(leaf.atMs),
    counter: text("counter"),
    target: text("target"),
    verdict:
      leaf.type === "decision"
        ? leaf.decision
        : leaf.type === "unsigned-answer"
          ? `${leaf.decision}, unsigned`
          : text("verdict"),
    status: text("status"),
    display,
    json: JSON.stringify(plain(leaf)),
  };
};

export const receiptCalls = (kernel: Kernel): Offered => ({
  listReceipts: async ({ from, limit, session }, { signal }) => {
    const person = await kernel.person();
    const call = { signal, deadlineMs: callMs };
    const page = await person.listReceipts({ from, limit, session }, call);
    return { receipts: page.receipts.map(lineOf), size: page.size };
  },
  exportReceipts: async (_request, { signal }) => {
    const person = await kernel.person();
    const call = { signal, deadlineMs: callMs };
    const { note, size } = await person.checkpoint({}, call);
    if (size > BigInt(exportedReceiptsMax)) {
      const next = "./ioi receipts export FILE";
      throw new OperationError("E_CONSOLE_UNAVAILABLE", `${size} receipts are too many here`, {
        next,
      });
    }
    const entries: { readonly index: number; readonly leaf: string }[] = [];
    let bytes = 0;
    for (let from = 0n; from < size;) {
      const { receipts } = await person.listReceipts({ from, limit: 0, session: "" }, call);
      if (receipts.length === 0) break;
      for (const { index, leaf } of receipts) {
        if (index >= size) break;
        bytes += leaf.length;
        entries.push({ index: Number(index), leaf: toHex(leaf) });
      }
      if (bytes > exportBytesMax) {
        throw new OperationError("E_CONSOLE_UNAVAILABLE", "the receipts are too large here", {
          next: "./ioi receipts export FILE",
        });
      }
      from = (receipts.at(-1)?.index ?? size) + 1n;
    }
    const { identity, anchor } = await person.guardianStatus({}, call);
    const bundle: Bundle = { schema: "ioi.receipts/1", anchor, checkpoint: note, entries };
    return { bundle: Buffer.from(JSON.stringify(bundle)), identity: toHex(identity) };
  },
});
