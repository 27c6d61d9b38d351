/** `ioi models list|discover|add|default|memory|rm`: which models agents may ask. */
import { type ExitCode, exitCodes } from "@ioi/base";
import { readModelUrl } from "@ioi/firewall";
import { discoverModels, type FoundModel } from "@ioi/host/models";
import { listenerOf } from "@ioi/host/proc";
import type { pb } from "@ioi/wire";
import type { CommandContext, Handler } from "../context.ts";
import { visible } from "../io.ts";
import { type Kernel, type ModelsClient, openKernel, retrying } from "../kernel/connection.ts";
import { requireFolder } from "../kernel/folder.ts";
import { callDeadlineMs } from "../limits.ts";
import { failWith, usage } from "../report.ts";

const call = { deadlineMs: callDeadlineMs };

const dollars = (micro: bigint): string => `$${(Number(micro) / 1_000_000).toFixed(2)}`;

const jsonOf = (model: pb.Model) => ({
  id: model.id,
  protocol: model.protocol,
  url: model.url,
  name: model.name,
  secret: model.secret === "" ? null : model.secret,
  usdPerMillion: {
    input: Number(model.inputMicrousdPerMillion) / 1_000_000,
    output: Number(model.outputMicrousdPerMillion) / 1_000_000,
    from: model.priceConfirmed ? "confirmed" : "prices.toml",
  },
  owner: model.ownerKnown
    ? { uid: model.ownerUid, program: model.program === "" ? null : model.program }
    : null,
  local: model.loopback,
  default: model.isDefault,
  memory: model.isMemory,
  contextTokens: model.contextTokens,
});

const describe = (model: pb.Model): string => {
  const price = `${dollars(model.inputMicrousdPerMillion)}/${dollars(model.outputMicrousdPerMillion)}`;
  const where = model.loopback
    ? `this machine${model.program === "" ? "" : `, ${visible(model.program)}`}`
    : "not on this machine: text goes there as it is";
  const use = model.isMemory ? "; memories are found by its vectors" : "";
  return `${model.isDefault ? "*" : " "} ${visible(model.id)}  ${visible(model.url)}  ${price} a million tokens  ${where}${use}`;
};

const listed = async (kernel: Kernel): Promise<pb.ListModelsReply> =>
  await retrying(kernel, async () => (await kernel.models()).listModels({}, call));

export const list: Handler<object> = async (context) => {
  requireFolder(context.dataFolder);
  await using kernel = await openKernel(context, { start: true });
  const { models, unscrubbedConsent, priceError } = await listed(kernel);
  const { output } = context;
  output.value({
    schema: "ioi.models/1",
    models: models.map(jsonOf),
    unscrubbedConsent,
    priceError: priceError === "" ? null : priceError,
  });
  if (models.length === 0) output.line("no models; ./ioi models discover looks on this machine");
  for (const model of models) output.line(describe(model));
  if (priceError !== "") output.line(`prices: ${visible(priceError)}; the older ones count`);
  return exitCodes.done;
};

const foundJson = (found: FoundModel, confirmed: readonly pb.Model[]) => ({
  id: found.id,
  url: found.url,
  protocol: "openai",
  name: found.name,
  owner: { uid: found.ownerUid, program: found.program === "" ? null : found.program },
  contextTokens: found.contextTokens,
  confirmed: confirmed.some(({ url, name }) => url === found.url && name === found.name),
});

export const discover: Handler<object> = async (context) => {
  const { io, output, signal } = context;
  requireFolder(context.dataFolder);
  await using kernel = await openKernel(context, { start: true });
  const found = await discoverModels(io.env, signal);
  const { models } = await listed(kernel);
  const rows = found.map((each) => foundJson(each, models));
  output.value({ schema: "ioi.models-found/1", found: rows });
  if (rows.length === 0) {
    output.line("no model server answers on this machine (asked: 11434, 8080, 1234, 8000)");
  }
  for (const row of rows) {
    const program = row.owner.program ?? "a program that cannot be seen";
    const next = row.confirmed ? "confirmed" : `./ioi models add ${row.id}`;
    output.line(`${row.id}  ${row.url}  uid ${row.owner.uid}, ${visible(program)}  ${next}`);
  }
  return exitCodes.done;
};

export interface AddOptions {
  readonly url?: string;
  readonly protocol?: string;
  readonly name?: string;
  readonly secret?: string;
  readonly priceIn?: number;
  readonly priceOut?: number;
  readonly context?: number;
  readonly default?: boolean;
  readonly memory?: boolean;
  readonly allowUnscrubbed?: boolean;
}

type Draft = Pick<pb.Model, "url" | "protocol" | "name" | "contextTokens" | "secret">;

/** Where the well-known providers are reached, and what their keys are called. */
const providers: Readonly<Record<string, Omit<Draft, "name">>> = {
  anthropic: {
    url: "https://api.anthropic.com/v1",
    protocol: "anthropic",
    contextTokens: 200_000,
    secret: "ANTHROPIC_API_KEY",
  },
  openai: {
    url: "https://api.openai.com/v1",
    protocol: "openai",
    contextTokens: 128_000,
    secret: "OPENAI_API_KEY",
  },
};

/** What a server of this machine is taken to remember where it does not say. */
const localContextTokens = 16_384;
const remoteContextTokens = 128_000;

/** What the id alone says: a model that was found, or one of a well-known provider. */
const draftOf = async (
  context: CommandContext,
  id: string,
  options: AddOptions,
): Promise<Draft> => {
  const { url, protocol = "openai", name, secret = "" } = options;
  const slash = id.indexOf("/");
  const rest = slash === -1 ? id : id.slice(slash + 1);
  if (url !== undefined) return { url, protocol, name: name ?? rest, contextTokens: 0, secret };
  const provider = slash === -1 ? undefined : providers[id.slice(0, slash)];
  if (provider !== undefined) {
    return { ...provider, name: name ?? rest, secret: options.secret ?? provider.secret };
  }
  const found = (await discoverModels(context.io.env, context.signal)).find(
    (each) => each.id === id,
  );
  if (found === undefined) {
    throw usage(
      `no model "${id}" was found on this machine: name it with --url, or ./ioi models discover`,
    );
  }
  const { url: at, name: called, contextTokens } = found;
  return { url: at, protocol: "openai", name: called, contextTokens, secret };
};

/** Who runs the server now: whoever confirms, confirms that one. */
const ownerOf = (url: string): Pick<pb.Model, "ownerKnown" | "ownerUid" | "program"> => {
  const read = readModelUrl(url);
  if (!read.ok || read.value.place !== "loopback") {
    return { ownerKnown: false, ownerUid: 0, program: "" };
  }
  const listener = listenerOf(read.value.port);
  if (listener !== undefined) {
    return { ownerKnown: true, ownerUid: listener.uid, program: listener.program };
  }
  throw usage(`nothing listens on port ${read.value.port}: start the server, then add its model`);
};

const isLocal = (url: string): boolean => {
  const read = readModelUrl(url);
  return read.ok && read.value.place === "loopback";
};

const consentText = `Text that agents read goes to this model as it is: no names, addresses, numbers or secrets
in it are masked. It is asked once for this data folder.`;

type Given = NonNullable<Parameters<ModelsClient["confirmModel"]>[0]["model"]>;

const confirm = async (
  models: ModelsClient,
  model: Given,
  unscrubbedConsent: boolean,
): Promise<void> => {
  await models.confirmModel({ model, unscrubbedConsent }, call);
};

const pricesOf = ({
  priceIn,
  priceOut,
}: AddOptions): Pick<
  pb.Model,
  "inputMicrousdPerMillion" | "outputMicrousdPerMillion" | "priceConfirmed"
> => {
  if ((priceIn === undefined) !== (priceOut === undefined)) {
    throw usage("--price-in and --price-out belong together");
  }
  return {
    inputMicrousdPerMillion: BigInt(priceIn ?? 0),
    outputMicrousdPerMillion: BigInt(priceOut ?? 0),
    priceConfirmed: priceIn !== undefined,
  };
};

export const add: Handler<AddOptions> = async (context, { args, options }) => {
  const id = args[0] ?? "";
  const prices = pricesOf(options);
  const draft = await draftOf(context, id, options);
  const local = isLocal(draft.url);
  const fallback = local ? localContextTokens : remoteContextTokens;
  const model: Given = {
    id,
    ...draft,
    ...ownerOf(draft.url),
    ...prices,
    contextTokens: options.context ?? (draft.contextTokens || fallback),
    isDefault: options.default === true,
  };
  requireFolder(context.dataFolder);
  await using kernel = await openKernel(context, { start: true });
  const models = await kernel.models();
  // One that is confirmed anew keeps what it is for.
  const before = (await listed(kernel)).models.find((each) => each.id === id);
  const isMemory = options.memory === true || before?.isMemory === true;
  if (!local && options.allowUnscrubbed === true) context.output.progress(consentText);
  await confirm(models, { ...model, isMemory }, options.allowUnscrubbed === true);
  return await told(context, kernel, id);
};

const told = async (context: CommandContext, kernel: Kernel, id: string): Promise<ExitCode> => {
  const { models } = await listed(kernel);
  const model = models.find((each) => each.id === id);
  if (model === undefined)
    throw failWith({ code: "E_CLI_MODEL_UNKNOWN", message: `no model ${id}` });
  context.output.value({ schema: "ioi.model-confirmed/1", model: jsonOf(model) });
  context.output.line(describe(model));
  return exitCodes.done;
};

const unknown = (id: string, models: readonly pb.Model[]): Error =>
  failWith({
    code: "E_CLI_MODEL_UNKNOWN",
    message: `no model "${id}" is confirmed${models.length === 0 ? "" : `; there is ${models.map((each) => each.id).join(", ")}`}`,
  });

export const setDefault: Handler<object> = async (context, { args }) => {
  const id = args[0] ?? "";
  requireFolder(context.dataFolder);
  await using kernel = await openKernel(context, { start: true });
  const { models } = await listed(kernel);
  const model = models.find((each) => each.id === id);
  if (model === undefined) throw unknown(id, models);
  await confirm(await kernel.models(), { ...model, isDefault: true }, false);
  return await told(context, kernel, id);
};

/** Whose vectors memories are found by; `none`: the built-in ones, beside words. */
export const setMemory: Handler<object> = async (context, { args }) => {
  const id = args[0] ?? "";
  requireFolder(context.dataFolder);
  await using kernel = await openKernel(context, { start: true });
  const { models } = await listed(kernel);
  const isMemory = id !== "none";
  const model = models.find((each) => (isMemory ? each.id === id : each.isMemory));
  if (model === undefined && isMemory) throw unknown(id, models);
  if (model !== undefined) await confirm(await kernel.models(), { ...model, isMemory }, false);
  context.output.value({ schema: "ioi.model-memory/1", memory: isMemory ? id : null });
  context.output.line(
    isMemory
      ? `memories are found by vectors of ${visible(id)}, from the next one that is remembered`
      : "memories are found by words",
  );
  return exitCodes.done;
};

export const remove: Handler<object> = async (context, { args }) => {
  const id = args[0] ?? "";
  requireFolder(context.dataFolder);
  await using kernel = await openKernel(context, { start: true });
  const { removed } = await (await kernel.models()).removeModel({ id }, call);
  if (!removed) throw unknown(id, (await listed(kernel)).models);
  context.output.value({ schema: "ioi.model-removed/1", id });
  context.output.line(`removed ${visible(id)}`);
  return exitCodes.done;
};
