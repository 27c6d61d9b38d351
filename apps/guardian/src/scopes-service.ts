/** `Scopes` over RPC: the card at the beginning of a task, and its answer. */
import { OperationError } from "@ioi/base";
import type { GuardianCore, ScopeSide } from "@ioi/guardian";
import { type Implementation, implement } from "@ioi/host/rpc";
import { pb } from "@ioi/wire";

const amountOf = (value: bigint): number => {
  if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  throw new OperationError("E_RPC_MALFORMED", "an amount beyond 2^53");
};

export const scopesService = (core: GuardianCore, scopes: ScopeSide): Implementation =>
  implement(pb.Scopes, {
    proposeScope: async (request) => {
      const { picks, model, wallMinutesMax, actionsMax } = request;
      const offer = scopes.propose({
        session: request.session,
        picks,
        model,
        microusdMax: amountOf(request.microusdMax),
        wallMinutesMax,
        actionsMax,
      });
      const { version: _version, ...scope } = offer.scope;
      return {
        scope: {
          ...scope,
          folders: scope.folders.map((folder) => ({ ...folder })),
          sites: [...scope.sites],
          files: [...(scope.files ?? [])],
          persons: [...(scope.persons ?? [])],
          groups: [...scope.groups],
          microusdMax: BigInt(scope.microusdMax),
        },
        card: offer.card,
        cardHash: offer.cardHash,
        canonical: offer.canonical,
        needless: offer.needless,
        warnings: [...offer.warnings],
        pickWanted: offer.pickWanted,
      };
    },
    acceptScope: async (request) => {
      const { index } = await scopes.accept(request);
      core.ports.log.log("info", "person.scope-accepted", { receipt: index });
      return { receiptIndex: BigInt(index) };
    },
  });
