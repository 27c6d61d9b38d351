/** Scripted model servers for tests: see `server.ts` and `script.ts`. */
export {
  type Asked,
  type AskedCall,
  type AskedMessage,
  type AskedTool,
  type ModelReply,
  type Script,
  type Usage,
} from "./script.ts";
export { scriptedVector } from "./openai.ts";
export { ModelServer, type ModelServerOptions, type ProtocolName } from "./server.ts";
