/**
 * The part of the catalogue that needs a kernel: run inside a network namespace of its own, whose
 * loopback interface also has a public, a private and a link-local address. Prints the cases as one
 * line of JSON; the arguments are those of `main.ts`.
 */
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { OperationError } from "@ioi/base";
import { chosen } from "./catalogue.ts";
import { dnsStub } from "../egress/dns-stub.ts";
import { privateAddress, publicAddress, World, zone } from "../egress/place.ts";
import { canary, site } from "../egress/servers.ts";
import { TestKernel } from "../kernel.ts";
import type { SuiteCase } from "../../suites/suite.ts";
import { gateCases } from "./gate.ts";
import { type KernelCase, KernelPlace, metadataAddress } from "./kernel-place.ts";
import { networkCases } from "./network.ts";
import { caseOf } from "./place.ts";
import { persuadedCases } from "./persuaded.ts";
import { programCases } from "./programs.ts";
import { serverCases } from "./servers.ts";
import { squattedModelCases } from "./squatted-model.ts";
import { toolCases } from "./tools.ts";

const prepareNetwork = (): void => {
  const addresses = [publicAddress, privateAddress, metadataAddress];
  const steps = [
    ["link", "set", "lo", "up"],
    ...addresses.map((address) => ["addr", "add", `${address}/32`, "dev", "lo"]),
  ];
  for (const args of steps) {
    const { status, stderr } = spawnSync("ip", args, { encoding: "utf8" });
    if (status !== 0) throw new OperationError("E_TEST", `ip ${args.join(" ")}: ${stderr}`);
  }
};

/** Every name but those of the catalogue's own leads to the site. */
const names = (name: string, nth: number): readonly string[] | undefined =>
  zone(name, nth) ?? (name.endsWith(".test") ? [publicAddress] : undefined);

/** What the launcher warned of last: why a process of the kernel ended, where one did. */
const warnings = (data: string): string =>
  fs
    .readFileSync(path.join(data, "logs/kernel.jsonl"), "utf8")
    .split("\n")
    .filter((line) => /"level":"(?:warn|error)"/.test(line))
    .slice(-6)
    .join("\n");

/** A case that could not be tried failed, and has no control: nothing is known to have escaped. */
const judge = async (at: KernelPlace, one: KernelCase): Promise<SuiteCase> => {
  const began = performance.now();
  try {
    return caseOf({ id: one.id, ...(await one.run(at)) });
  } catch (error) {
    const why = error instanceof Error ? (error.stack ?? error.message) : String(error);
    const actual = `${why.slice(0, 800)}\n${warnings(at.world.data).slice(-3000)}`;
    return { id: one.id, outcome: "failed", expected: "an answer", actual };
  } finally {
    process.stderr.write(`${one.id} ${Math.round(performance.now() - began)} ms\n`);
  }
};

const all = [
  ...networkCases,
  ...gateCases,
  ...programCases,
  ...toolCases,
  ...serverCases,
  ...persuadedCases,
  ...squattedModelCases,
];
const wanted = chosen(all, process.argv);
const cases: SuiteCase[] = [];
if (wanted.length > 0) {
  prepareNetwork();
  await using stub = await dnsStub(names);
  await using web = await site(publicAddress, 80);
  await using loopback = await canary("127.0.0.1");
  await using inside = await canary(privateAddress);
  await using metadata = await canary(metadataAddress, 80);
  const world = new World({ stub, web, secure: web, loopback, inside });
  using _scratch = world.scratch;
  await using kernel = await TestKernel.start({
    data: world.data,
    egress: { resolver: stub.address },
  });
  const at = new KernelPlace(world, metadata, kernel.pid);
  for (const one of wanted) cases.push(await judge(at, one));
}
process.stdout.write(`${JSON.stringify(cases)}\n`);
