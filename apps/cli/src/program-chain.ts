/** The commands about the local chain. */
import type { Command } from "commander";
import { bind, type Build, data, examples, group } from "./build.ts";
import { parseCount } from "./options.ts";

const load = () => import("./commands/chain.ts");

export const addChainCommands = (program: Command, build: Build): void => {
  const chain = group(program, "chain", "the local chain: status, blocks, proofs");
  const status = chain
    .command("status", { isDefault: true })
    .description("the newest block, and what it holds")
    .addOption(data());
  examples(status, ["chain status", "chain status --json"]);
  bind(build, status, async () => (await load()).status);

  const block = chain
    .command("block")
    .description("one block; without a height the newest")
    .argument("[height]", "from 1; block 0 is the genesis")
    .addOption(data());
  examples(block, ["chain block", "chain block 12 --json"]);
  bind(build, block, async () => (await load()).block);

  const proof = chain
    .command("proof")
    .description("what the state says of a key, with a proof that verifies anywhere")
    .argument("<key>", "as in receipts/checkpoint; hex after 0x")
    .addOption(data())
    .option("--height <n>", "after this block; absent: the newest", parseCount("--height"));
  examples(proof, [
    "chain proof receipts/checkpoint",
    "chain proof receipts/42 --json > proof.json",
    "chain proof chain/params --json",
  ]);
  bind(build, proof, async () => (await load()).proof);

  const prove = group(chain, "prove", "files that verify offline");
  const proveBlock = prove
    .command("block")
    .description("that a block is committed, for ./ioi verify block; without a height the newest")
    .argument("[height]", "from 1")
    .addOption(data())
    .requiredOption("--out <file>", "where the proof goes; what is there is not replaced");
  examples(proveBlock, [
    "chain prove block --out newest.proof",
    "chain prove block 12 --out 12.proof --json",
  ]);
  bind(build, proveBlock, async () => (await load()).proveBlock);

  const verify = chain
    .command("verify")
    .description("check a proof offline; exit 6 where it is wrong")
    .argument("<file>", "what chain proof --json printed")
    .addOption(data())
    .option("--key <key>", "the Guardian's public key, in hex or in a file; absent: the folder's");
  examples(verify, ["chain verify proof.json", "chain verify proof.json --key guardian.pub"]);
  bind(build, verify, async () => (await load()).verify);

  const reset = chain
    .command("reset")
    .description("begin lost or damaged blocks anew; the old ones are moved aside, receipts stay")
    .addOption(data());
  examples(reset, ["chain reset --data ./ioi-data"]);
  bind(build, reset, async () => (await load()).reset);
};
