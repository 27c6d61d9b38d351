/** `Models` over RPC: the person lists, confirms and removes what agents may ask. */
import { OperationError } from "@ioi/base";
import type { ConfirmedModel, GuardianCore, ModelRecord } from "@ioi/guardian";
import { type Implementation, implement } from "@ioi/host/rpc";
import { pb } from "@ioi/wire";
import type { MessageInitShape } from "@bufbuild/protobuf";

export const modelMessage = (model: ConfirmedModel): MessageInitShape<typeof pb.ModelSchema> => ({
  id: model.id,
  protocol: model.protocol,
  url: model.url,
  name: model.name,
  secret: model.secret,
  inputMicrousdPerMillion: BigInt(model.priceIn),
  outputMicrousdPerMillion: BigInt(model.priceOut),
  priceConfirmed: model.priceConfirmed,
  ownerUid: model.ownerUid ?? 0,
  ownerKnown: model.ownerUid !== undefined,
  program: model.program,
  loopback: model.loopback,
  isDefault: model.isDefault,
  isMemory: model.isMemory,
  contextTokens: model.contextTokens,
});

const priceOf = (value: bigint): number => {
  if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  throw new OperationError("E_MODEL_INVALID", "a price beyond 2^53");
};

const recordOf = (model: pb.Model): ModelRecord => ({
  id: model.id,
  protocol: model.protocol,
  url: model.url,
  name: model.name,
  secret: model.secret,
  ...(model.priceConfirmed
    ? {
        priceIn: priceOf(model.inputMicrousdPerMillion),
        priceOut: priceOf(model.outputMicrousdPerMillion),
      }
    : {}),
  ...(model.ownerKnown ? { ownerUid: model.ownerUid } : {}),
  program: model.program,
  contextTokens: model.contextTokens,
});

export const modelsService = (core: GuardianCore): Implementation =>
  implement(pb.Models, {
    listModels: async () => ({
      models: core.models.models.map(modelMessage),
      unscrubbedConsent: core.models.unscrubbedConsent,
      priceError: core.models.priceError,
    }),
    confirmModel: async ({ model, unscrubbedConsent }) => {
      if (model === undefined) throw new OperationError("E_MODEL_INVALID", "there is no model");
      await core.models.confirm(recordOf(model), {
        isDefault: model.isDefault,
        isMemory: model.isMemory,
        unscrubbedConsent,
      });
      core.ports.log.log("info", "models.confirmed", { model: model.id });
      return {};
    },
    removeModel: async ({ id }) => {
      const removed = await core.models.remove(id);
      if (removed) core.ports.log.log("info", "models.removed", { model: id });
      return { removed };
    },
  });
