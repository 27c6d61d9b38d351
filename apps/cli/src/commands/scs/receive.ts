/**
 * `ioi scs agent-key` and `receive`: a key that memories are sealed to, and taking what was sealed.
 *
 * The key file holds a line `ioi.agent-key/1` and one line in hex for each of the two private keys; only
 * its owner can read it. What is taken keeps who gave it as its origin, and is taken once.
 */
import { existsSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { exitCodes, fromHex, toHex } from "@ioi/base";
import { generateSealingKeys, type SealingKeys, sealingPublicKey } from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";
import { agentId, receiveSlice } from "@ioi/scs";
import type { CommandContext, Handler } from "../../context.ts";
import { readBounded } from "../../kernel/folder.ts";
import { sharedSliceBytesMax } from "../../limits.ts";
import { failWith, usage } from "../../report.ts";
import { keyOf } from "../receipts.ts";
import { type FileOptions, openMemories } from "./open.ts";

const format = "ioi.agent-key/1";

const readKeys = (path: string): SealingKeys => {
  const [head, ...lines] = Buffer.from(readBounded(path)).toString("utf8").trimEnd().split("\n");
  const [x25519, mlKem768] = lines.map((line) => fromHex(line) ?? new Uint8Array());
  if (head === format && lines.length === 2 && x25519 !== undefined && mlKem768 !== undefined) {
    const pair = {
      x25519: nodeCrypto.importPrivate("x25519", x25519),
      mlKem768: nodeCrypto.importPrivate("ml-kem-768", mlKem768),
    };
    if (pair.x25519.ok && pair.mlKem768.ok) {
      return { x25519: pair.x25519.value, mlKem768: pair.mlKem768.value };
    }
  }
  throw failWith({ code: "E_KEY_INVALID", message: `${path} holds no key of an agent` });
};

const makeKeys = (path: string): SealingKeys => {
  const keys = generateSealingKeys(nodeCrypto);
  const lines = [keys.x25519, keys.mlKem768].map((each) => toHex(nodeCrypto.exportPrivate(each)));
  writeFileSync(path, `${[format, ...lines].join("\n")}\n`, { flag: "wx", mode: 0o600 });
  return keys;
};

/** The public half alone on standard output: to be handed to whoever shares. */
export const agentKey: Handler<object> = async (context, { args }) => {
  const path = resolve(context.io.cwd, args[0] ?? "");
  const publicKey = sealingPublicKey(existsSync(path) ? readKeys(path) : makeKeys(path));
  const { output, io } = context;
  const agent = toHex(agentId(nodeCrypto, publicKey));
  output.value({ schema: "ioi.agent-key/1", file: args[0], agent, publicKey: toHex(publicKey) });
  if (!output.json) io.out(`${toHex(publicKey)}\n`);
  return exitCodes.done;
};

interface ReceiveOptions extends FileOptions {
  readonly keys?: string;
  readonly sharer?: string;
}

const sharerOf = (context: CommandContext, { sharer }: ReceiveOptions): Uint8Array | undefined =>
  sharer === undefined ? undefined : keyOf(context, sharer, "");

export const receive: Handler<ReceiveOptions> = async (context, { args, options }) => {
  const [file, slice = ""] = args;
  if (options.keys === undefined) throw usage("--keys names the file of ioi scs agent-key");
  const keys = readKeys(resolve(context.io.cwd, options.keys));
  const bytes = readBounded(resolve(context.io.cwd, slice), sharedSliceBytesMax);
  const sharer = sharerOf(context, options);
  const { substrate, place } = await openMemories(context, file, "write", options);
  await using open = substrate;
  const store = async (memories: Parameters<typeof open.remember>[0]) =>
    (await open.remember(memories, { signal: context.signal })).map(({ id }) => id);
  const { opened, ids } = await receiveSlice(
    { ...place, store },
    new Uint8Array(bytes),
    sharer === undefined ? { keys } : { keys, sharer },
  );
  const from = toHex(opened.from);
  const { output } = context;
  output.value({ schema: "ioi.scs-receive/1", from, vouched: opened.isVouched, memories: ids });
  output.line(`took memories ${ids.join(", ")} of ${from.slice(0, 16)}`);
  output.line(
    opened.isVouched
      ? "  its Guardian vouches for the log that they are from"
      : "  nobody vouches for who gave them: --sharer guardian.pub",
  );
  return exitCodes.done;
};
