/**
 * Model servers of this machine: what answers `GET /v1/models` where Ollama, llama.cpp, LM Studio and
 * vLLM listen, with who runs it. Nothing is used because it was found: a person confirms.
 *
 * Bounds: `discoverMs`, `discoverBytesMax` of an answer, `discoverModelsMax` models of a server.
 */
import { listenerOf } from "../proc/listeners.ts";
import { discoverBytesMax, discoverModelsMax, discoverMs } from "./limits.ts";

export interface FoundModel {
  /** As in `ollama/llama3.2`. */
  readonly id: string;
  /** Base of the API. */
  readonly url: string;
  readonly name: string;
  /** 0: the server does not say. */
  readonly contextTokens: number;
  readonly ownerUid: number;
  /** Absolute; empty where it cannot be seen. */
  readonly program: string;
}

interface Place {
  readonly server: string;
  readonly port: number;
}

const usual: readonly Place[] = [
  { server: "ollama", port: 11_434 },
  { server: "llamacpp", port: 8080 },
  { server: "lmstudio", port: 1234 },
  { server: "vllm", port: 8000 },
];

const loopbackNames = new Set(["", "localhost", "127.0.0.1", "0.0.0.0"]);

/** `OLLAMA_HOST` as Ollama reads it: host, port or both, with or without a scheme. */
export const ollamaPort = (value: string | undefined): number | undefined => {
  const text = (value ?? "").trim().replace(/^https?:\/\//, "");
  const parts = /^([^:/]*)(?::(\d{1,5}))?\/?$/.exec(text);
  if (text === "" || parts === null || !loopbackNames.has(parts[1] ?? "")) return undefined;
  const port = Number(parts[2] ?? 11_434);
  return port > 0 && port < 65_536 ? port : undefined;
};

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const bodyOf = async (response: Response): Promise<unknown> => {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of response.body ?? []) {
    bytes += part.length;
    if (bytes > discoverBytesMax) return undefined;
    parts.push(part);
  }
  return JSON.parse(Buffer.concat(parts).toString("utf8")) as unknown;
};

/** vLLM says `max_model_len`, llama.cpp `meta.n_ctx`; others say nothing. */
const contextOf = (model: Readonly<Record<string, unknown>>): number => {
  const meta = isRecord(model["meta"]) ? model["meta"] : {};
  const found = [model["max_model_len"], meta["n_ctx"]].find(
    (value) => typeof value === "number" && Number.isSafeInteger(value) && value > 0,
  );
  return typeof found === "number" ? Math.min(found, 0xffff_ffff) : 0;
};

const nameShape = /^[\w][\w.:/@+-]{0,99}$/;

const modelsAt = async (place: Place, signal: AbortSignal): Promise<readonly FoundModel[]> => {
  const listener = listenerOf(place.port);
  if (listener === undefined) return [];
  const url = `http://127.0.0.1:${place.port}/v1`;
  try {
    const response = await fetch(`${url}/models`, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(discoverMs)]),
      redirect: "error",
    });
    if (!response.ok) return [];
    const body = await bodyOf(response);
    const list = isRecord(body) && Array.isArray(body["data"]) ? body["data"] : [];
    return list
      .slice(0, discoverModelsMax)
      .filter(isRecord)
      .flatMap((model): readonly FoundModel[] => {
        const name = model["id"];
        if (typeof name !== "string" || !nameShape.test(name)) return [];
        return [
          {
            id: `${place.server}/${name}`,
            url,
            name,
            contextTokens: contextOf(model),
            ownerUid: listener.uid,
            program: listener.program,
          },
        ];
      });
  } catch {
    signal.throwIfAborted();
    // No server of models, or one that does not answer as one: nothing was found here.
    return [];
  }
};

/** Everything found, server by server. `env`: where `OLLAMA_HOST` may stand. */
export const discoverModels = async (
  env: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal,
  places: readonly Place[] = usual,
): Promise<readonly FoundModel[]> => {
  const port = ollamaPort(env["OLLAMA_HOST"]);
  const all = places.map((place) =>
    place.server === "ollama" && port !== undefined ? { ...place, port } : place,
  );
  return (await Promise.all(all.map((place) => modelsAt(place, signal)))).flat();
};
