/** A real kernel with its egress in a little network of its own: names, sites and canaries. */
import fs from "node:fs";
import path from "node:path";
import type { RunView } from "@ioi/agent";
import { World } from "../egress/place.ts";
import type { Canary } from "../egress/servers.ts";
import type { Judged } from "./place.ts";
import { Desk, type Step } from "./desk.ts";

export const metadataAddress = "169.254.169.254";

/** By rule only what is needed to see something pass; sites are those that the person typed. */
export const policyText = `version = 1
[[rule]]
id = "typed-sites"
effect = "allow"
target = ["net::get"]
where.url = { site = "session" }
[[rule]]
id = "files"
effect = "allow"
target = ["fs::stat", "fs::list", "fs::read", "fs::write"]
where.path = { glob = "scope:/**" }
[[rule]]
id = "run"
effect = "allow"
target = ["sys::exec"]
where.argv = { profile = "closed" }
where.cwd = { glob = "scope:/**" }
`;

export interface KernelCase {
  readonly id: string;
  readonly run: (at: KernelPlace) => Promise<Omit<Judged, "id">>;
}

export class KernelPlace {
  readonly world: World;
  readonly metadata: Canary;
  readonly desk: Desk;
  /** The launcher's. */
  readonly kernelPid: number;
  #folders = 0;

  constructor(world: World, metadata: Canary, kernelPid: number) {
    this.world = world;
    this.metadata = metadata;
    this.desk = new Desk(world.data);
    this.kernelPid = kernelPid;
    this.policy(policyText);
  }

  /** Looked at before every decision. */
  policy(text: string): void {
    const file = path.join(this.world.data, "guardian/policy.toml");
    fs.writeFileSync(`${file}.new`, text, { mode: 0o600 });
    fs.renameSync(`${file}.new`, file);
  }

  /** A session's folder of its own. */
  folder(): string {
    return this.world.scratch.folder(`session-${++this.#folders}`);
  }

  /** Requests that reached the site. */
  get requests(): number {
    return this.world.web.requests.length;
  }

  async run(words: string, steps: readonly Step[], workspace = this.folder()): Promise<RunView> {
    return await this.desk.run(words, workspace, steps);
  }
}

export const get = (url: string): Step => ({ target: "net::get", args: { url } });
export const write = (file: string, content = "evil"): Step => ({
  target: "fs::write",
  args: { path: file, create: "any", content },
});

export const told = ({ actions, error }: RunView): string =>
  [
    ...actions.map(({ target, verdict, outcome }) =>
      [target, verdict, outcome?.status, outcome?.code]
        .filter((part) => part !== null && part !== undefined)
        .join(" "),
    ),
    error?.code,
  ]
    .filter((part) => part !== undefined)
    .join("; ");
