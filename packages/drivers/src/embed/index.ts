/** Embedders that ask somebody: a server of the OpenAI protocol. */
export { serverEmbedder, type ServerEmbedderOptions } from "./server.ts";
