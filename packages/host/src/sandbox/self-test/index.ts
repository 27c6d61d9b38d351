export { testedKinds, type TestedKind } from "./catalogue.ts";
export type { SandboxGap, SandboxMechanism } from "./machine.ts";
export {
  selfTest,
  type SandboxCase,
  type SandboxReport,
  type SelfTestOptions,
} from "./self-test.ts";
