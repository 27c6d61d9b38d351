/** `Devices` over RPC: which keys may answer for the person. */
import { toHex } from "@ioi/base";
import { DeviceSide, type GuardianCore } from "@ioi/guardian";
import { type Implementation, implement } from "@ioi/host/rpc";
import { pb } from "@ioi/wire";

export const deviceService = (core: GuardianCore): Implementation => {
  const devices = new DeviceSide(core);
  const { log } = core.ports;
  return implement(pb.Devices, {
    listDevices: async () => ({
      devices: devices.list().map((each) => ({ ...each, pairedMs: BigInt(each.pairedMs) })),
    }),
    offerDevice: async (request) => {
      const { device, code, expiresMs } = devices.offer(request);
      log.log("info", "device.offered", { device: toHex(device), kind: request.kind });
      return { device, code, expiresMs: BigInt(expiresMs) };
    },
    pairDevice: async (request) => {
      const { device, name } = await devices.pair(request);
      log.log("info", "device.paired", { device: toHex(device) });
      return { device, name };
    },
    revokeDevice: async (request) => {
      await devices.revoke(request);
      log.log("info", "device.revoked");
      return {};
    },
  });
};
