/**
 * `grpc.reflection.v1`: what the public services look like, for any client that asks.
 *
 * Source: grpc-proto, reflection.proto. Bounds: those of a peer's calls and streams; one answer for a question; only what is served, and
 * the files that it needs, is shown.
 */
import { type DescFile, type DescService, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { type Implementation, implement } from "@ioi/host/rpc";
import { pb } from "@ioi/wire";
import type { PeerLimits } from "./peer-limits.ts";

/** Status codes of gRPC. */
const notFound = 5;
const unimplemented = 12;

const withImports = (file: DescFile, into: Map<string, DescFile>): void => {
  if (into.has(file.proto.name)) return;
  into.set(file.proto.name, file);
  for (const each of file.dependencies) withImports(each, into);
};

const symbolsOf = (file: DescFile): readonly string[] => [
  ...file.messages.flatMap((message) => [
    message.typeName,
    ...message.nestedMessages.map((each) => each.typeName),
    ...message.nestedEnums.map((each) => each.typeName),
  ]),
  ...file.enums.map((each) => each.typeName),
  ...file.services.flatMap((service) => [
    service.typeName,
    ...service.methods.map((method) => `${service.typeName}.${method.name}`),
  ]),
];

export const reflectionService = (
  served: readonly DescService[],
  limits: PeerLimits,
): Implementation => {
  const services = [...served, pb.ServerReflection];
  const files = new Map<string, DescFile>();
  for (const service of services) withImports(service.file, files);
  const bySymbol = new Map<string, DescFile>();
  for (const file of files.values()) {
    for (const symbol of symbolsOf(file)) bySymbol.set(symbol, file);
  }
  const fileReply = (file: DescFile | undefined, asked: string) => {
    if (file === undefined) {
      const value = { errorCode: notFound, errorMessage: `${asked.slice(0, 200)} is not here` };
      return { case: "errorResponse", value } as const;
    }
    const needed = new Map<string, DescFile>();
    withImports(file, needed);
    const fileDescriptorProto = [...needed.values()].map(({ proto }) =>
      toBinary(FileDescriptorProtoSchema, proto),
    );
    return { case: "fileDescriptorResponse", value: { fileDescriptorProto } } as const;
  };
  const answer = ({ messageRequest }: pb.ServerReflectionRequest) => {
    switch (messageRequest.case) {
      case "listServices": {
        const service = services.map(({ typeName }) => ({ name: typeName }));
        return { case: "listServicesResponse", value: { service } } as const;
      }
      case "fileByFilename":
        return fileReply(files.get(messageRequest.value), messageRequest.value);
      case "fileContainingSymbol":
        return fileReply(bySymbol.get(messageRequest.value), messageRequest.value);
      default: {
        const value = { errorCode: unimplemented, errorMessage: "there are no extensions" };
        return { case: "errorResponse", value } as const;
      }
    }
  };
  return implement(pb.ServerReflection, {
    serverReflectionInfo: async function* (requests, context) {
      using _stream = limits.stream(context.peer);
      for await (const request of requests) {
        limits.call(context.peer);
        yield {
          validHost: request.host,
          originalRequest: request,
          messageResponse: answer(request),
        };
      }
    },
  });
};
