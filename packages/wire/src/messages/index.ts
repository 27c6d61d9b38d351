export * from "./action.ts";
export * from "./device.ts";
export * from "./chain.ts";
export * from "./mcp.ts";
export * from "./policy.ts";
export * from "./receipt.ts";
export * from "./scope.ts";
export * from "./ticket.ts";
