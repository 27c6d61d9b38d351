/** `Leases` over RPC, for egress alone. */
import type { Gate } from "@ioi/guardian";
import { type Implementation, implement } from "@ioi/host/rpc";
import { pb } from "@ioi/wire";

export const leaseService = (gate: Gate): Implementation =>
  implement(pb.Leases, {
    lease: async ({ ticket, action }) => {
      const leased = gate.lease({ ticket, action });
      const { headers, bytesUpMax, bytesDownMax, addressClasses, listener } = leased;
      return {
        headers: headers.map((header) => ({ ...header })),
        bytesUpMax: BigInt(bytesUpMax),
        bytesDownMax: BigInt(bytesDownMax),
        addressClasses: [...addressClasses],
        ...(listener === undefined ? {} : { listener }),
      };
    },
  });
