/** The console's protobuf messages and services; apart, since the page carries nothing else. */
export * from "./gen/ioi/console/v1/console_pb.ts";
