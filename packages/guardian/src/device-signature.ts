/** Whether a statement is signed by a device that counts. */
import { equalBytes } from "@ioi/base";
import { type Domain, domainBytes } from "@ioi/crypto";
import type { GuardianCore } from "./core.ts";

export interface DeviceSigned {
  readonly statement: Uint8Array;
  readonly signature: Uint8Array;
  readonly device: Uint8Array;
}

export const verifiedByDevice = (
  core: GuardianCore,
  domain: Domain,
  { statement, signature, device }: DeviceSigned,
): boolean => {
  const known = core.config.devices.some((each) => equalBytes(each, device));
  const { provider } = core.ports;
  return known && provider.verify("ed25519", device, domainBytes(domain, statement), signature);
};
