/** The generated protobuf messages and services, under one name (`pb`). */
export * from "./gen/grpc/health/v1/health_pb.ts";
export * from "./gen/grpc/reflection/v1/reflection_pb.ts";
export * from "./gen/ioi/kernel/v1/carry_pb.ts";
export * from "./gen/ioi/kernel/v1/chain_pb.ts";
export * from "./gen/ioi/kernel/v1/devices_pb.ts";
export * from "./gen/ioi/kernel/v1/driver_pb.ts";
export * from "./gen/ioi/kernel/v1/egress_pb.ts";
export * from "./gen/ioi/kernel/v1/gate_pb.ts";
export * from "./gen/ioi/kernel/v1/mcp_pb.ts";
export * from "./gen/ioi/kernel/v1/models_pb.ts";
export * from "./gen/ioi/kernel/v1/person_pb.ts";
export * from "./gen/ioi/kernel/v1/policy_pb.ts";
export * from "./gen/ioi/kernel/v1/process_pb.ts";
export * from "./gen/ioi/kernel/v1/scopes_pb.ts";
export * from "./gen/ioi/kernel/v1/secrets_pb.ts";
export * from "./gen/ioi/kernel/v1/sessions_pb.ts";
export * from "./gen/ioi/public/v1/node_pb.ts";
