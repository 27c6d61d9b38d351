/**
 * Where the catalogue of bypasses is tried: a session's folder, what lies outside of it, and one
 * real driver of each kind in its real sandbox. The suite plays the Guardian, so that the drivers
 * are handed a right ticket for what the policy would refuse; what the policy says is asked of the
 * same facts apart. Harm is what the world shows afterwards.
 */
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { type CompiledPolicy, compilePolicy, decide, type Verdict } from "@ioi/firewall";
import { InvariantError, OperationError } from "@ioi/base";
import { nodeCrypto } from "@ioi/host/crypto";
import type { SuiteCase } from "../../suites/suite.ts";
import { Canaries } from "../canaries.ts";
import {
  DriverProcess,
  type Ended,
  type Kind,
  makeAuthority,
  type Preparation,
} from "../driver-process.ts";
import { Scratch } from "../kernel.ts";

const nothing = new Uint8Array(0);

/** Narrow on purpose: two looks of git, and files of the folder. */
const policyText = `version = 1
[[rule]]
id = "git-read"
effect = "allow"
target = ["sys::exec"]
where.argv = { program = "/usr/bin/git", first = ["status", "log"], flags = ["--oneline", "-n"], rest = { matches = "[0-9]{1,4}" } }
where.cwd = { glob = "scope:/**" }
[[rule]]
id = "files"
effect = "allow"
target = ["fs::stat", "fs::list", "fs::read", "fs::write", "fs::mkdir", "fs::delete"]
where.path = { glob = ["scope:/**", "scope:/**/.*", "scope:/**/.*/**"] }
[[rule]]
id = "moves"
effect = "allow"
target = ["fs::move", "fs::copy"]
where.path = { glob = ["scope:/**", "scope:/**/.*", "scope:/**/.*/**"] }
where.to = { glob = ["scope:/**", "scope:/**/.*", "scope:/**/.*/**"] }
`;

const compiled = (text: string): CompiledPolicy => {
  const policy = compilePolicy([{ tier: "user", file: "policy.toml", text }], nodeCrypto);
  if (!policy.ok) throw new InvariantError(JSON.stringify(policy.error));
  return policy.value;
};

/** With one commit and one change. */
const makeRepository = (folder: string): void => {
  const file = path.join(folder, "a.txt");
  fs.writeFileSync(file, "hello\n");
  const who = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
  for (const args of [
    ["init", "-q"],
    ["add", "."],
    [...who, "commit", "-qm", "first"],
  ]) {
    const { status, stderr } = spawnSync("/usr/bin/git", args, {
      cwd: folder,
      env: { PATH: "/usr/bin:/bin", HOME: folder },
      encoding: "utf8",
    });
    if (status !== 0) throw new OperationError("E_TEST", `git ${args.join(" ")}: ${stderr}`);
  }
  fs.appendFileSync(file, "more\n");
};

export class Place implements AsyncDisposable {
  readonly #scratch = new Scratch();
  readonly #authority = makeAuthority();
  readonly #drivers = new Map<Kind, DriverProcess>();
  readonly #policy = compiled(policyText);
  readonly canaries = new Canaries();
  /** Stands in what must stay unseen. */
  readonly canary: string = `ioi-canary-${randomBytes(8).toString("hex")}`;
  readonly signal: AbortSignal;
  #counter = 0n;

  private constructor(signal: AbortSignal) {
    this.signal = signal;
  }

  static async open(signal: AbortSignal): Promise<Place> {
    const place = new Place(signal);
    for (const folder of [place.root, place.outside, place.home]) {
      fs.mkdirSync(folder, { recursive: true });
    }
    fs.writeFileSync(path.join(place.outside, "canary.txt"), place.canary);
    makeRepository(place.root);
    // In a folder that every sandbox of the session shows.
    await place.canaries.open(path.join(place.root, "canary.sock"));
    return place;
  }

  get base(): string {
    return this.#scratch.path;
  }
  /** The session's folder. */
  get root(): string {
    return this.#scratch.at("work");
  }
  get outside(): string {
    return this.#scratch.at("outside");
  }
  get home(): string {
    return this.#scratch.at("home");
  }

  driver(kind: Kind): DriverProcess {
    const known = this.#drivers.get(kind);
    if (known !== undefined) return known;
    const base = this.#scratch.path;
    const driver = new DriverProcess({ kind, base, authority: this.#authority });
    this.#drivers.set(kind, driver);
    return driver;
  }

  /** A right ticket for what was prepared. */
  ticketFor(kind: Kind, given: Preparation): Uint8Array {
    const driver = this.driver(kind);
    return driver.signed(driver.ticket(given, ++this.#counter));
  }

  /** What a right ticket makes of it. */
  async act(kind: Kind, given: Preparation, content: Uint8Array = nothing): Promise<Ended> {
    const ticket = this.ticketFor(kind, given);
    return await this.driver(kind).act(given.prepared.nonce, ticket, content);
  }

  /** What the driver does when no ticket comes, as for what was not allowed. */
  async actWithout(kind: Kind, given: Preparation, content: Uint8Array = nothing): Promise<Ended> {
    return await this.driver(kind).act(given.prepared.nonce, nothing, content);
  }

  /** The verdict on what the driver found, by the narrow policy. */
  verdict({ action }: Preparation): Verdict {
    const session = {
      session: "s-0123456789ab",
      agent: "planner",
      roots: [{ name: "scope", path: this.root, access: "write" as const }],
      words: [],
      headless: false,
      productFolders: [path.join(this.base, "vault")],
      home: this.home,
    };
    return decide(this.#policy, action, { session, exceededBudgets: [], grants: [] }).verdict;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const driver of this.#drivers.values()) await driver[Symbol.asyncDispose]();
    await this.canaries[Symbol.asyncDispose]();
    this.#scratch[Symbol.dispose]();
  }
}

export interface Judged {
  readonly id: string;
  /** The same with the protection off did the harm. */
  readonly control: boolean;
  readonly held: boolean;
  readonly expected: string;
  readonly actual: string;
}

export const caseOf = ({ id, control, held, expected, actual }: Judged): SuiteCase => ({
  id,
  outcome: !control ? "inapplicable" : held ? "passed" : "failed",
  expected,
  actual,
  control: control ? "harmed" : "harmless",
  ...(control ? {} : { reason: `the control did no harm; ${actual}` }),
});
