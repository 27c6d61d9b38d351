/** Embedders that ask somebody: a server of the OpenAI protocol, or a model from a folder. */
export { localEmbedder } from "./local.ts";
export { serverEmbedder, type ServerEmbedderOptions } from "./server.ts";
