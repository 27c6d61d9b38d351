/** Start-up lines that a driver process must not obey: it ends before it opens anything. */
import { toHex, utf8Encode } from "@ioi/base";
import { domains } from "@ioi/crypto";
import { bootKey, schema, signed } from "@ioi/wire";
import type { SuiteCase } from "../suites/suite.ts";
import {
  type Authority,
  type DriverOptions,
  DriverProcess,
  makeAuthority,
  seal,
} from "./driver-process.ts";

type Damage = (line: Record<string, string>, authority: Authority) => void;

const badStarts: Readonly<Record<string, Damage>> = {
  "certificate-of-another-identity": (line) => {
    line["bootCertificate"] = toHex(makeAuthority().certificate);
  },
  "another-identity": (line) => {
    line["guardianIdentity"] = toHex(makeAuthority().identity.publicKey);
  },
  "boot-key-signs-itself": (line, { boot }) => {
    const payload = schema.encode(bootKey, {
      version: 1,
      bootId: new Uint8Array(16),
      publicKey: boot.publicKey,
      notBeforeMs: 0,
    });
    line["bootCertificate"] = toHex(seal(boot, domains.bootKey, payload));
  },
  "profile-of-another-boot": (line) => {
    const { boot } = makeAuthority();
    const envelope = schema.decode(signed, Buffer.from(line["profile"] ?? "", "hex"));
    if (envelope.ok) line["profile"] = toHex(seal(boot, domains.profile, envelope.value.payload));
  },
  "profile-with-another-folder": (line) => {
    const there = toHex(utf8Encode("work"));
    line["profile"] = (line["profile"] ?? "").replace(there, toHex(utf8Encode("worm")));
  },
};

export const startAttacks: readonly string[] = Object.keys(badStarts);

export const judgeStart = async (
  id: string,
  name: string,
  options: DriverOptions,
  control: boolean,
): Promise<SuiteCase> => {
  await using bad = new DriverProcess({
    ...options,
    damage: (line) => badStarts[name]?.(line, options.authority),
  });
  const code = await bad.exit();
  const refused = code === 5 && bad.stderr.includes("E_DRIVER_START");
  return {
    id,
    outcome: !control ? "inapplicable" : refused ? "passed" : "failed",
    expected: "exit 5 with E_DRIVER_START",
    actual: `exit ${code}: ${bad.stderr.slice(0, 300)}`,
    control: control ? "harmed" : "harmless",
    ...(control ? {} : { reason: "an undamaged line did not start it either" }),
  };
};

/** Undamaged, the same line starts a driver that works. */
export const startsUndamaged = async (options: DriverOptions): Promise<boolean> => {
  await using driver = new DriverProcess(options);
  const { prepared } = await driver.prepare("fs::list", { path: driver.root });
  return prepared.session === driver.session;
};
