/** Whether a statement is signed by a device that counts, and for what it counts. */
import type { Domain } from "@ioi/crypto";
import type { GuardianCore } from "./core.ts";
import type { AnyDeviceKind, DeviceSigned, DeviceVerdict } from "./device-book.ts";

export type { DeviceSigned } from "./device-book.ts";

/** Targets that a key which any program of the person may use does not answer for. */
const strongTargets = ["wallet::", "policy::", "device::", "secret::"] as const;

export const deviceLimits = (kind: AnyDeviceKind): string => {
  switch (kind) {
    case "terminal":
      return "any program running as you can approve";
    case "webcrypto":
      return "any program running as you can approve; not for wallet, policy, device or secret changes";
    case "webauthn":
      return "";
  }
};

/** Whether an answer of this kind of device counts for an action on `target`. */
export const countsFor = (kind: AnyDeviceKind, target: string): boolean =>
  kind !== "webcrypto" || !strongTargets.some((prefix) => target.startsWith(prefix));

export const deviceVerdict = (
  core: GuardianCore,
  domain: Domain,
  signed: DeviceSigned,
): DeviceVerdict =>
  core.deviceBook.verify(
    {
      provider: core.ports.provider,
      terminals: core.config.devices,
      approveOrigins: core.config.approveOrigins,
    },
    domain,
    signed,
  );

export const verifiedByDevice = (
  core: GuardianCore,
  domain: Domain,
  signed: DeviceSigned,
): boolean => deviceVerdict(core, domain, signed).ok;
