/**
 * The house as data: every package and app, its floor, its grade and its licence. The lint
 * configuration, the tidy checks and ARCHITECTURE.md's table are computed from or compared with it.
 *
 * A room imports only lower floors; rooms of one floor are strangers; no app imports an app.
 */

/**
 * - `pure`: synchronous and deterministic, nothing beyond ECMAScript
 * - `ported`: may be async, reaches the world only through ports it is given
 * - `shell`: may use Node and the operating system
 * - `web`: runs in a browser; no Node
 */
export type Grade = "pure" | "ported" | "shell" | "web";

export interface Room {
  readonly name: string;
  /** Relative to the project, without a trailing slash. */
  readonly folder: string;
  readonly floor: number;
  readonly grade: Grade;
  readonly license: "MIT OR Apache-2.0" | "BUSL-1.1";
}

const open = "MIT OR Apache-2.0";
const closed = "BUSL-1.1";

const room = (
  folder: string,
  floor: number,
  grade: Grade,
  license: Room["license"] = closed,
): Room => {
  const [group = "", short = ""] = folder.split("/");
  const name = group === "apps" ? `@ioi/app-${short}` : `@ioi/${short || group}`;
  return { name, folder, floor, grade, license };
};

const appFloor = 7;
const workshopFloor = 8;

export const rooms: readonly Room[] = [
  room("packages/base", 0, "pure", open),
  room("packages/wire", 1, "pure", open),
  room("packages/crypto", 1, "pure"),
  room("packages/sim", 1, "ported"),
  room("packages/verifier", 2, "pure", open),
  room("packages/state", 2, "pure"),
  room("packages/consensus", 2, "pure"),
  room("packages/firewall", 2, "pure"),
  room("packages/agent", 2, "pure"),
  room("packages/host", 2, "shell"),
  room("packages/modelcheck", 3, "pure"),
  room("packages/storage", 3, "ported"),
  room("packages/scs", 3, "ported"),
  room("packages/drivers", 4, "shell"),
  room("packages/netsim", 4, "ported"),
  room("packages/guardian", 5, "ported"),
  room("packages/validator", 6, "ported"),
  room("apps/launcher", appFloor, "shell"),
  room("apps/guardian", appFloor, "shell"),
  room("apps/signer", appFloor, "shell"),
  room("apps/egress", appFloor, "shell"),
  room("apps/workload", appFloor, "shell"),
  room("apps/orchestrator", appFloor, "shell"),
  room("apps/console", appFloor, "shell"),
  room("apps/cli", appFloor, "shell"),
  room("apps/verify", appFloor, "shell", open),
  room("apps/autopilot", appFloor, "web"),
  room("tests", workshopFloor, "shell"),
  room("tools", workshopFloor, "shell"),
];

/** Rooms that `room` must not import. */
export const forbiddenFor = (from: Room): readonly Room[] =>
  rooms.filter((to) => to !== from && to.floor >= from.floor);

/** The room that a file stands in, by its path relative to the project. */
export const roomOf = (file: string): Room | undefined =>
  rooms.find(({ folder }) => file.startsWith(`${folder}/`));
