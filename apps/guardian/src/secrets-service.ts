/** `Secrets` over RPC: a person enters, lists and removes; no value ever comes back. */
import { OperationError } from "@ioi/base";
import type { GuardianCore, SecretStore } from "@ioi/guardian";
import { type Implementation, implement } from "@ioi/host/rpc";
import { pb } from "@ioi/wire";

const storeOf = ({ secrets }: GuardianCore): SecretStore => {
  if (secrets === undefined) throw new OperationError("E_SECRET_UNKNOWN", "there are no secrets");
  return secrets;
};

export const secretsService = (core: GuardianCore): Implementation =>
  implement(pb.Secrets, {
    setSecret: async ({ name, value, binding }) => {
      if (binding === undefined) {
        throw new OperationError("E_SECRET_INVALID", "a secret is bound to an address");
      }
      const { scheme, host, port, method, pathPrefix, header, template } = binding;
      if (scheme !== "http" && scheme !== "https") {
        throw new OperationError("E_SECRET_INVALID", "the scheme is http or https");
      }
      const bound = { scheme, host, port, method, pathPrefix, header, template } as const;
      await storeOf(core).set(name, value, bound);
      core.ports.log.log("info", "secrets.set");
      return {};
    },
    listSecrets: async () => ({
      secrets: storeOf(core)
        .list()
        .map(({ name, offered, binding, createdMs, usedMs }) => ({
          name,
          offered,
          binding: { ...binding },
          createdMs: BigInt(createdMs),
          usedMs: BigInt(usedMs),
        })),
    }),
    removeSecret: async ({ name }) => {
      const removed = await storeOf(core).remove(name);
      if (removed) core.ports.log.log("info", "secrets.removed");
      return { removed };
    },
  });
