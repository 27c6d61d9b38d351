export { receiveSlice, type Receiver } from "./receive.ts";
export {
  agentId,
  type NewSlice,
  type OpenedSlice,
  openSlice,
  type OpenWith,
  sealSlice,
  type SliceError,
} from "./slice.ts";
