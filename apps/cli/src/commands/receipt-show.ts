/** `ioi receipts show`: one receipt whole, with the requests that a program made. */
import { exitCodes, toHex } from "@ioi/base";
import { leaf as leafSchema, schema } from "@ioi/wire";
import type { Handler } from "../context.ts";
import { visible } from "../io.ts";
import { openKernel } from "../kernel/connection.ts";
import { requireFolder } from "../kernel/folder.ts";
import { callDeadlineMs } from "../limits.ts";
import { usage } from "../report.ts";
import { isoTime } from "../times.ts";
import { describe, plain } from "./receipts.ts";

export const show: Handler<object> = async (context, { args }) => {
  const [given = ""] = args;
  if (!/^\d{1,15}$/.test(given)) throw usage(`a receipt has a number, not "${given}"`);
  requireFolder(context.dataFolder);
  await using kernel = await openKernel(context, { start: true });
  const person = await kernel.person();
  const { receipts } = await person.listReceipts(
    { from: BigInt(given), limit: 1, session: "" },
    { deadlineMs: callDeadlineMs, signal: context.signal },
  );
  const [receipt] = receipts;
  const decoded = receipt === undefined ? undefined : schema.decode(leafSchema, receipt.leaf);
  if (receipt === undefined || decoded?.ok !== true) {
    throw usage(`there is no receipt ${given}`, "./ioi receipts list");
  }
  const leaf = decoded.value;
  const requests = receipt.requests.split("\n").filter((line) => line !== "");
  const { output } = context;
  output.value({
    schema: "ioi.receipt/1",
    index: Number(receipt.index),
    leafHash: toHex(receipt.leafHash),
    display: receipt.display === "" ? null : receipt.display,
    requests,
    leaf: plain(leaf),
  });
  output.line(`receipt ${receipt.index}  ${toHex(receipt.leafHash)}`);
  output.line(`${isoTime(leaf.atMs)}  ${describe(leaf)}`);
  if (receipt.display !== "") output.line(visible(receipt.display));
  const evidence = leaf.type === "outcome" ? Object.entries(leaf.evidence) : [];
  for (const [name, value] of evidence) output.line(visible(`  ${name}: ${value}`));
  for (const line of requests) output.line(visible(`  ${line}`));
  return exitCodes.done;
};
