/**
 * Hostile text and arguments, what a model may say of its own sandbox, and tickets used again: each
 * handed to a real driver, which must refuse it and go on.
 */
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import type { Args } from "../driver-process.ts";
import {
  type Attack,
  believes,
  canaryHarmed,
  forced,
  inside,
  refusal,
  secretFile,
  type Tried,
} from "./attack.ts";
import type { Place } from "./place.ts";

/** As decoders did that took every spelling of a character. */
const lenient = (bytes: Uint8Array): string =>
  Buffer.from(bytes)
    .toString("latin1")
    .replace(/[\xc0\xc1][\x80-\xbf]/g, (pair) =>
      String.fromCharCode(((pair.charCodeAt(0) & 0x1f) << 6) | (pair.charCodeAt(1) & 0x3f)),
    );

const overlong = (place: Place): Uint8Array =>
  Buffer.concat([
    Buffer.from(`${place.root}/`),
    Buffer.from([0xc0, 0xae, 0xc0, 0xae, 0xc0, 0xaf]),
    Buffer.from("outside/canary.txt"),
  ]);

/** Canonical CBOR of `{"path": TEXT}` around bytes that are no UTF-8. */
const rawPath = (bytes: Uint8Array): Uint8Array =>
  Buffer.concat([
    Buffer.from([0xa1, 0x64]),
    Buffer.from("path"),
    Buffer.from([0x78, bytes.length]),
    bytes,
  ]);

const raw = async (place: Place, target: string, args: Uint8Array): Promise<Tried> => {
  try {
    const given = await place.driver("files").prepareRaw(target, args);
    return { verdict: "not asked", ended: await place.act("files", given) };
  } catch (error) {
    return refusal(error);
  }
};

const depth = 200_000;
const nested = (): Uint8Array =>
  Buffer.concat([
    Buffer.from([0xa1, 0x64]),
    Buffer.from("path"),
    Buffer.alloc(depth, 0x81),
    Buffer.from([0x00]),
  ]);
const broken = new Set<Place>();

const parsesDeep = (bytes: Uint8Array, at: number): number =>
  bytes[at] === 0x81 ? parsesDeep(bytes, at + 1) + 1 : 0;

/** The driver still answers. */
const alive = async (place: Place): Promise<boolean> => {
  const after = await forced(place, "fs::read", { path: inside(place, "a.txt") });
  return after.ended.status === "confirmed";
};

const textAttacks: readonly Attack[] = [
  {
    id: "nul/path-cut-short",
    naive: (place) => {
      const name = `${secretFile(place)}\0.png`;
      if (name.endsWith(".png")) believes(place, name.slice(0, name.indexOf("\0")));
    },
    attempt: (place) => forced(place, "fs::read", { path: `${secretFile(place)}\0.png` }),
    harmed: canaryHarmed,
  },
  {
    id: "nul/argument",
    naive: (place) => believes(place, secretFile(place)),
    attempt: async (place) => {
      try {
        const argv = ["/bin/cat", `${secretFile(place)}\0.png`];
        const given = await place.driver("exec").prepare("sys::exec", { argv, cwd: place.root });
        return { verdict: "not asked", ended: await place.act("exec", given) };
      } catch (error) {
        return refusal(error);
      }
    },
    harmed: canaryHarmed,
  },
  {
    id: "overlong-utf-8/dot-dot",
    naive: (place) => believes(place, path.normalize(lenient(overlong(place)))),
    attempt: (place) => raw(place, "fs::read", rawPath(overlong(place))),
    harmed: canaryHarmed,
  },
  {
    id: "nested-input/deep",
    naive: (place) => {
      try {
        parsesDeep(nested(), 6);
      } catch {
        broken.add(place);
      }
    },
    attempt: async (place) => {
      const tried = await raw(place, "fs::read", nested());
      if (!(await alive(place))) broken.add(place);
      return tried;
    },
    harmed: (place) => broken.delete(place),
  },
  {
    id: "oversized-input/long-path",
    naive: (place) => {
      // It repeats what it was given into every message.
      if (`no such file: ${"x".repeat(8_000_000)}`.length > 1_048_576) broken.add(place);
    },
    attempt: async (place) => {
      const tried = await forced(place, "fs::read", { path: `/${"x".repeat(900_000)}` });
      if (!(await alive(place)) || JSON.stringify(tried).length > 65_536) broken.add(place);
      return tried;
    },
    harmed: (place) => broken.delete(place),
  },
];

/** What a model may say about its own sandbox. */
const escapeArguments: readonly Attack[] = (
  [
    ["sandbox", false],
    ["dangerouslyDisableSandbox", true],
    ["network", "host"],
    ["env", { LD_PRELOAD: "/tmp/x.so" }],
    ["uid", 0],
  ] as const
).map(([name, value]): Attack => ({
  id: `escape-argument/${name.toLowerCase()}`,
  naive: (place) => believes(place, secretFile(place)),
  attempt: async (place) => {
    try {
      const argv = ["/bin/cat", secretFile(place)];
      const args = { argv, cwd: place.root, [name]: value };
      const given = await place.driver("exec").prepare("sys::exec", args);
      return { verdict: "not asked", ended: await place.act("exec", given) };
    } catch (error) {
      return refusal(error);
    }
  },
  harmed: canaryHarmed,
}));

const runLine = (place: Place): Args => ({
  argv: ["/bin/sh", "-c", "echo evil >> again.txt"],
  cwd: place.root,
});
const times = (place: Place): number => {
  const file = inside(place, "again.txt");
  const count = fs.existsSync(file) ? fs.readFileSync(file, "utf8").split("evil").length - 1 : 0;
  fs.rmSync(file, { force: true });
  return count;
};
const twice = (place: Place): void => {
  for (let run = 0; run < 2; run++) {
    spawnSync("/bin/sh", ["-c", "echo evil >> again.txt"], { cwd: place.root });
  }
};

/** What was permitted once. */
const replayAttacks: readonly Attack[] = [
  {
    id: "replayed-ticket/same-nonce",
    naive: twice,
    attempt: async (place) => {
      const given = await place.driver("exec").prepare("sys::exec", runLine(place));
      const ticket = place.ticketFor("exec", given);
      await place.driver("exec").act(given.prepared.nonce, ticket, new Uint8Array(0));
      const ended = await place.driver("exec").act(given.prepared.nonce, ticket, new Uint8Array(0));
      return { verdict: "once", ended };
    },
    harmed: (place) => times(place) > 1,
  },
  {
    id: "replayed-ticket/same-action-again",
    naive: twice,
    attempt: async (place) => {
      const driver = place.driver("exec");
      const first = await driver.prepare("sys::exec", runLine(place));
      const ticket = place.ticketFor("exec", first);
      await driver.act(first.prepared.nonce, ticket, new Uint8Array(0));
      const second = await driver.prepare("sys::exec", runLine(place));
      return {
        verdict: "once",
        ended: await driver.act(second.prepared.nonce, ticket, new Uint8Array(0)),
      };
    },
    harmed: (place) => times(place) > 1,
  },
  {
    id: "replayed-ticket/for-another-action",
    naive: (place) => fs.writeFileSync(inside(place, "again.txt"), "evil evil"),
    attempt: async (place) => {
      const driver = place.driver("exec");
      const harmless = await driver.prepare("sys::exec", {
        ...runLine(place),
        argv: ["/bin/true"],
      });
      const given = await driver.prepare("sys::exec", runLine(place));
      const ticket = place.ticketFor("exec", harmless);
      return {
        verdict: "another",
        ended: await driver.act(given.prepared.nonce, ticket, new Uint8Array(0)),
      };
    },
    harmed: (place) => times(place) > 0,
  },
  {
    id: "replayed-ticket/program-swapped",
    lay: (place) => {
      fs.writeFileSync(inside(place, "tool"), "#!/bin/sh\ntrue\n", { mode: 0o755 });
    },
    naive: (place) => {
      fs.writeFileSync(inside(place, "tool"), "#!/bin/sh\necho evil >> again.txt\n");
      spawnSync(inside(place, "tool"), [], { cwd: place.root });
    },
    attempt: async (place) => {
      const args = { argv: ["./tool"], cwd: place.root };
      const given = await place.driver("exec").prepare("sys::exec", args);
      fs.writeFileSync(inside(place, "tool"), "#!/bin/sh\necho evil >> again.txt\n");
      return { verdict: "another", ended: await place.act("exec", given) };
    },
    harmed: (place) => times(place) > 0,
  },
];

export const hostileAttacks: readonly Attack[] = [
  ...textAttacks,
  ...escapeArguments,
  ...replayAttacks,
];
