/** `ioi verify block`: a proof of a committed block, by the hash of a trusted start, without a network. */
import { resolve } from "node:path";
import { exitCodes, fromHex, toHex } from "@ioi/base";
import { type Grade, gradeText, verifyBlockProof } from "@ioi/consensus";
import { nodeCrypto } from "@ioi/host/crypto";
import type { Handler } from "../context.ts";
import { visible } from "../io.ts";
import { readBounded } from "../kernel/folder.ts";
import { proofFileBytesMax } from "../limits.ts";
import { failWith, usage } from "../report.ts";

const survives = (grade: Grade): string => {
  switch (grade.type) {
    case "local":
      return "was decided by one validator alone";
    case "F0":
      return "survives any number of malicious hosts, and no broken Guardian";
    case "F2":
      return `survives any number of malicious hosts, and broken Guardians of power ${grade.x}`;
  }
};

export const verifyBlock: Handler<{ readonly start: string }> = async (
  { io, output },
  { args, options },
) => {
  const trusted = fromHex(options.start.toLowerCase());
  if (trusted?.length !== 32) throw usage("--start is no hash of 64 hex digits");
  const bytes = readBounded(resolve(io.cwd, args[0] ?? ""), proofFileBytesMax);
  const verified = verifyBlockProof(nodeCrypto, bytes, trusted);
  if (!verified.ok) throw failWith(verified.error);
  const { header, digest, grade, strength, total, epoch, chain, vendors } = verified.value;
  output.value({
    schema: "ioi.verify-block/1",
    ok: true,
    chain: toHex(chain),
    epoch: Number(epoch.number),
    mode: epoch.mode,
    height: Number(header.height),
    view: String(header.view),
    block: toHex(digest),
    payloadRoot: toHex(header.payloadRoot),
    state: { height: Number(header.stateHeight), root: toHex(header.stateRoot) },
    timeMs: header.timeMs,
    grade: gradeText(grade),
    power: String(strength.power),
    anchoredPower: String(strength.anchored),
    totalPower: String(total),
    vendors: vendors.map(({ vendor, power }) => ({ vendor, power: String(power) })),
  });
  output.line(`block ${header.height} of epoch ${epoch.number} is committed, ${gradeText(grade)}`);
  output.line(`  it ${survives(grade)}`);
  if (grade.type !== "local")
    output.line("  grade S is what a host was told when it asked; no proof shows it");
  output.line(`  power ${strength.power} of ${total}, ${strength.anchored} of it anchored`);
  for (const { vendor, power } of vendors)
    output.line(`  ${power} by hardware of ${visible(vendor)}`);
  output.line(`  block ${toHex(digest)}`);
  output.line(`  state ${toHex(header.stateRoot)} after block ${header.stateHeight}`);
  return exitCodes.done;
};
