export {
  checkContent,
  checkContents,
  type ContentObligation,
  type ContentRefusal,
} from "./check.ts";
export { type ContentKind, contentKinds, findKind, type Finding } from "../detect/index.ts";
export { contentRefOf } from "./reference.ts";
