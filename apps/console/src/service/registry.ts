/**
 * What a person keeps with the Guardian beside policy: models that agents may ask, secrets that are
 * only ever written, devices that may answer.
 */
import { toHex } from "@ioi/base";
import type { pb } from "@ioi/wire";
import type { Console } from "@ioi/wire/console";
import type { Handlers } from "../http/connect.ts";
import type { Kernel } from "../kernel.ts";
import { callMs } from "../limits.ts";
import { badRequest, offered, whereOffered } from "./optional.ts";

type Offered = Pick<
  Handlers<typeof Console>,
  | "listModels"
  | "confirmModel"
  | "removeModel"
  | "listSecrets"
  | "setSecret"
  | "removeSecret"
  | "listDevices"
>;

export const deviceLines = (devices: readonly pb.Device[]) =>
  devices.map(({ id, kind, name, pairedMs, waits, limits }) => ({
    id: toHex(id),
    kind,
    name,
    pairedMs,
    waits,
    limits,
  }));

/** A URL as what binds a secret: it goes nowhere else. */
const bindingOf = (request: {
  readonly url: string;
  readonly method: string;
  readonly header: string;
  readonly template: string;
}) => {
  const url = URL.parse(request.url);
  if (url === null || (url.protocol !== "https:" && url.protocol !== "http:")) {
    throw badRequest("the address is not an http or https URL");
  }
  if (url.username !== "" || url.password !== "" || url.hash !== "" || url.search !== "") {
    throw badRequest("the address has a user, a query or a fragment");
  }
  const scheme = url.protocol.slice(0, -1);
  return {
    scheme,
    host: url.hostname,
    port: url.port === "" ? (scheme === "https" ? 443 : 80) : Number(url.port),
    method: request.method,
    pathPrefix: url.pathname,
    header: request.header,
    template: request.template,
  };
};

const bindingText = (binding: pb.SecretBinding | undefined): string => {
  if (binding === undefined) return "";
  const { scheme, host, port, method, pathPrefix, header } = binding;
  const usual = (scheme === "https" && port === 443) || (scheme === "http" && port === 80);
  const place = `${scheme}://${host}${usual ? "" : `:${port}`}${pathPrefix}`;
  return `${method} ${place} as ${header}`;
};

const call = (signal: AbortSignal) => ({ signal, deadlineMs: callMs });

const modelLine = (model: pb.Model, confirmed = true) => ({
  id: model.id,
  protocol: model.protocol,
  url: model.url,
  name: model.name,
  secret: model.secret,
  confirmed,
  isDefault: model.isDefault,
  isMemory: model.isMemory,
  loopback: model.loopback,
  owner: model.ownerKnown ? String(model.ownerUid) : "",
  program: model.program,
  inputMicrousdPerMillion: model.inputMicrousdPerMillion,
  outputMicrousdPerMillion: model.outputMicrousdPerMillion,
});

type ModelCalls = Pick<Offered, "listModels" | "confirmModel" | "removeModel">;

/** Servers of this machine that answer, without what is confirmed already. */
const foundModels = async (
  kernel: Kernel,
  confirmed: readonly pb.Model[],
  signal: AbortSignal,
): Promise<readonly pb.Model[]> => {
  const { models } = await (await kernel.launcher()).findModels({ url: "" }, call(signal));
  return models.filter(
    ({ url, name }) => !confirmed.some((each) => each.url === url && each.name === name),
  );
};

/**
 * Whoever confirms a model confirms the program that runs its server now. One that is confirmed
 * already keeps what was said then: choosing it as the default says nothing about a program.
 */
const whoRuns = async (kernel: Kernel, url: string, signal: AbortSignal) => {
  const launcher = await kernel.launcher();
  const { listens, ownerUid, program } = await launcher.findModels({ url }, call(signal));
  return { ownerKnown: listens, ownerUid, program };
};

const modelCalls = (kernel: Kernel, onChange: () => void): ModelCalls => ({
  listModels: async ({ discover }, { signal }) =>
    whereOffered(
      async () => {
        const models = await kernel.models();
        const listed = await models.listModels({}, call(signal));
        const found = discover ? await foundModels(kernel, listed.models, signal) : [];
        return {
          models: [
            ...listed.models.map((each) => modelLine(each)),
            ...found.map((each) => modelLine(each, false)),
          ],
          unscrubbedConsent: listed.unscrubbedConsent,
        };
      },
      { models: [], unscrubbedConsent: false },
    ),
  confirmModel: async ({ model, makeDefault, unscrubbedConsent }, { signal }) => {
    if (model === undefined) throw badRequest("there is no model");
    const { id, protocol, url, name, secret } = model;
    const { inputMicrousdPerMillion, outputMicrousdPerMillion } = model;
    await offered("models", async () => {
      const models = await kernel.models();
      const listed = await models.listModels({}, call(signal));
      const known = listed.models.find((each) => each.id === id && each.url === url);
      const asListed =
        known?.inputMicrousdPerMillion === inputMicrousdPerMillion &&
        known.outputMicrousdPerMillion === outputMicrousdPerMillion;
      const priced = inputMicrousdPerMillion > 0n || outputMicrousdPerMillion > 0n;
      const one = {
        ...(known ?? (await whoRuns(kernel, url, signal))),
        id,
        protocol,
        url,
        name,
        secret,
        inputMicrousdPerMillion,
        outputMicrousdPerMillion,
        priceConfirmed: asListed ? known.priceConfirmed : priced,
        isDefault: makeDefault,
        isMemory: model.isMemory,
      };
      await models.confirmModel({ model: one, unscrubbedConsent }, call(signal));
    });
    onChange();
    return {};
  },
  removeModel: async ({ id }, { signal }) => {
    await offered("models", async () => {
      await (await kernel.models()).removeModel({ id }, call(signal));
    });
    onChange();
    return {};
  },
});

type SecretCalls = Pick<Offered, "listSecrets" | "setSecret" | "removeSecret">;

const secretCalls = (kernel: Kernel): SecretCalls => ({
  listSecrets: async (_request, { signal }) =>
    whereOffered(
      async () => {
        const { secrets } = await (await kernel.secrets()).listSecrets({}, call(signal));
        return {
          secrets: secrets.map(({ name, binding, createdMs, usedMs }) => ({
            name,
            binding: bindingText(binding),
            createdMs,
            usedMs,
          })),
        };
      },
      { secrets: [] },
    ),
  setSecret: async (request, { signal }) => {
    const binding = bindingOf(request);
    await offered("secrets", async () => {
      const { name, value } = request;
      await (await kernel.secrets()).setSecret({ name, value, binding }, call(signal));
    });
    return {};
  },
  removeSecret: async ({ name }, { signal }) => {
    await offered("secrets", async () => {
      await (await kernel.secrets()).removeSecret({ name }, call(signal));
    });
    return {};
  },
});

export const registryCalls = (kernel: Kernel, onChange: () => void): Offered => ({
  ...modelCalls(kernel, onChange),
  ...secretCalls(kernel),
  listDevices: async (_request, { signal }) =>
    whereOffered(
      async () => {
        const { devices } = await (await kernel.devices()).listDevices({}, call(signal));
        return { devices: deviceLines(devices) };
      },
      { devices: [] },
    ),
});
