export * from "./brand.ts";
export * from "./bytes.ts";
export * from "./errors.ts";
export * from "./machine.ts";
export * from "./ports.ts";
export * from "./result.ts";
export * from "./text.ts";
export * from "./time.ts";
