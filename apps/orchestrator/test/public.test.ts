/** The public port: the chain as its readers see it, by an independent client too; its limits. */
import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { after, mock, test } from "node:test";
import {
  create,
  createFileRegistry,
  fromBinary,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import * as grpc from "@grpc/grpc-js";
import { equalBytes, toHex, utf8Encode } from "@ioi/base";
import { nodeCrypto } from "@ioi/host/crypto";
import { client, connect } from "@ioi/host/rpc";
import { verifyBlockProof } from "@ioi/consensus";
import { keyText, verifyChainProof } from "@ioi/validator";
import { blockHeader, pb, schema } from "@ioi/wire";
import { eventStreamsMax, peerCallsBurst, peerConnectionsMax } from "../src/limits.ts";
import { PeerLimits } from "../src/peer-limits.ts";
import { listenPublic } from "../src/public.ts";
import { TestChain } from "./support.ts";

const servers: net.Server[] = [];
const createServer = net.createServer;
mock.method(net, "createServer", ((...given: Parameters<typeof createServer>) => {
  const server = createServer(...given);
  servers.push(server);
  return server;
}) as typeof createServer);

const ready = { now: true };
const node = await TestChain.open();
const config = { host: "127.0.0.1", port: 0, version: "9.9.9" };
const address = await listenPublic(config, { ready: () => ready.now, chain: node.chain });
for (const size of [1, 5, 9]) await node.anchor(size);
const head = node.chain.head?.header.height ?? 0n;

const sockets: net.Socket[] = [];
const dial = async () => {
  const socket = net.connect(Number(address.split(":")[1]), "127.0.0.1");
  sockets.push(socket);
  await once(socket, "connect");
  return connect(socket, { protocol: "grpc" });
};

after(async () => {
  mock.restoreAll();
  for (const socket of sockets) socket.destroy();
  for (const server of servers) server.close();
  await node.close();
});

test("status and health of the node, no other service", async () => {
  await using channel = await dial();
  const status = await client(pb.Node, channel).status({});
  assert.deepEqual(
    [status.version, status.ready, status.height, status.receiptsSize, status.firstHeight],
    ["9.9.9", true, head, 9n, 1n],
  );
  assert.deepEqual([status.grade, status.epoch, status.stateHeight], ["local", 0n, head - 3n]);
  assert.deepEqual([status.view, status.idleBlockMs], [head, 0]);
  assert.ok(equalBytes(status.chainId, new Uint8Array(32).fill(0xab)));
  assert.ok(equalBytes(status.receiptsRoot, node.tree.root(9)));
  assert.ok(equalBytes(status.identity, node.identity));
  const { SERVING, NOT_SERVING, SERVICE_UNKNOWN } = pb.HealthCheckResponse_ServingStatus;
  const health = client(pb.Health, channel);
  assert.equal((await health.check({ service: "" })).status, SERVING);
  assert.equal((await health.check({ service: pb.Node.typeName })).status, SERVING);
  assert.equal((await health.check({ service: pb.Gate.typeName })).status, SERVICE_UNKNOWN);
  ready.now = false;
  assert.equal((await health.check({ service: "" })).status, NOT_SERVING);
  assert.equal((await client(pb.Node, channel).status({})).ready, false);
  ready.now = true;
  const unknown = { code: "E_RPC_UNKNOWN_METHOD" };
  await assert.rejects(client(pb.Gate, channel).openSession({ session: "s" }), unknown);
  await assert.rejects(client(pb.Person, channel).listApprovals({}), unknown);
  await assert.rejects(client(pb.ChainSigner, channel).sign({}), unknown);
  await assert.rejects(client(pb.Process, channel).drain({}), unknown);
});

test("blocks by height and from the newest down; what is not there is said", async () => {
  await using channel = await dial();
  const nodeClient = client(pb.Node, channel);
  const heightOf = ({ header }: pb.Block): bigint => {
    const decoded = schema.decode(blockHeader, header);
    assert.ok(decoded.ok);
    return decoded.value.height;
  };
  assert.equal(heightOf(await nodeClient.getBlock({ height: 2n })), 2n);
  assert.equal(heightOf(await nodeClient.getBlock({})), head);
  for (const height of [0n, head + 1n, 2n ** 64n - 1n]) {
    await assert.rejects(nodeClient.getBlock({ height }), { code: "E_CHAIN_NO_BLOCK" });
    await assert.rejects(nodeClient.proveBlock({ height }), { code: "E_CHAIN_NO_BLOCK" });
  }
  const list = async (request: MessageInitShape<typeof pb.ListBlocksRequestSchema>) =>
    (await nodeClient.listBlocks(request)).blocks.map(heightOf);
  const down = (from: bigint): bigint[] =>
    Array.from({ length: Number(from) }, (_, i) => from - BigInt(i));
  assert.deepEqual(await list({}), down(head));
  assert.deepEqual(await list({ limit: 2 }), [head, head - 1n]);
  assert.deepEqual(await list({ from: 2n }), [2n, 1n]);
  assert.deepEqual(await list({ from: 2n ** 64n - 1n, limit: 4_000_000_000 }), down(head));
});

test("every block has a proof that verifies by the start's hash alone", async () => {
  await using channel = await dial();
  const nodeClient = client(pb.Node, channel);
  const { start } = await nodeClient.status({});
  for (const height of [undefined, 1n, head - 1n]) {
    const reply = await nodeClient.proveBlock(height === undefined ? {} : { height });
    const { header } = await nodeClient.getBlock({ height: reply.height });
    const verified = verifyBlockProof(nodeCrypto, reply.proof, start);
    assert.ok(verified.ok);
    assert.deepEqual(schema.encode(blockHeader, verified.value.header), new Uint8Array(header));
    assert.equal(reply.height, height ?? head);
  }
});

test("a query's answer verifies with the Guardian's key alone, absence too", async () => {
  await using channel = await dial();
  const nodeClient = client(pb.Node, channel);
  for (const name of ["receipts/checkpoint", "receipts/5", "receipts/6"]) {
    const key = utf8Encode(name);
    const reply = await nodeClient.query({ key });
    const proof = {
      schema: "ioi.chain-proof/2",
      key: keyText(key),
      value: reply.found ? toHex(reply.value) : null,
      proof: toHex(reply.proof),
      block: toHex(reply.blockProof),
      signature: toHex(reply.startSignature),
      identity: toHex(node.identity),
    } as const;
    assert.equal(reply.found, name !== "receipts/6");
    assert.ok(verifyChainProof(nodeCrypto, proof, node.identity).ok, name);
    const other = { ...proof, value: proof.value === null ? "00" : null };
    assert.equal(verifyChainProof(nodeCrypto, other, node.identity).ok, false, name);
  }
  await assert.rejects(nodeClient.query({ key: new Uint8Array(1025) }), {
    code: "E_RPC_MALFORMED",
  });
  await assert.rejects(nodeClient.query({ height: 99n }), { code: "E_CHAIN_NO_BLOCK" });
  const { entries } = await nodeClient.scan({ prefix: utf8Encode("receipts/"), limit: 2 });
  assert.deepEqual(
    entries.map(({ key }) => Buffer.from(key).toString()),
    ["receipts/1", "receipts/5"],
  );
  const rest = await nodeClient.scan({
    prefix: utf8Encode("receipts/"),
    after: utf8Encode("receipts/5"),
  });
  assert.deepEqual(
    rest.entries.map(({ key }) => Buffer.from(key).toString()),
    ["receipts/9", "receipts/checkpoint"],
  );
});

test("a foreign client reads why from the status", async () => {
  const foreign = new grpc.Client(address, grpc.credentials.createInsecure());
  const call = (method: string, request: Uint8Array): Promise<number> =>
    new Promise((resolve) => {
      const bytes = (value: Uint8Array): Buffer => Buffer.from(value);
      foreign.makeUnaryRequest(`/ioi.public.v1.Node/${method}`, bytes, bytes, request, (error) =>
        resolve(error?.code ?? grpc.status.OK),
      );
    });
  try {
    const height = toBinary(
      pb.GetBlockRequestSchema,
      create(pb.GetBlockRequestSchema, { height: 99n }),
    );
    assert.equal(await call("GetBlock", height), grpc.status.NOT_FOUND);
    assert.equal(await call("GetBlock", new Uint8Array(0)), grpc.status.OK);
    assert.equal(await call("GetBlock", Uint8Array.of(0xff)), grpc.status.INVALID_ARGUMENT);
    const key = toBinary(
      pb.QueryRequestSchema,
      create(pb.QueryRequestSchema, { key: new Uint8Array(2000) }),
    );
    assert.equal(await call("Query", key), grpc.status.INVALID_ARGUMENT);
    assert.equal(await call("Submit", new Uint8Array(0)), grpc.status.UNIMPLEMENTED);
  } finally {
    foreign.close();
  }
});

test("events: blocks that were, then blocks as they are made", async () => {
  await using channel = await dial();
  const aborter = new AbortController();
  const seen: string[] = [];
  const options = { deadlineMs: Number.POSITIVE_INFINITY, signal: aborter.signal };
  const events = client(pb.Node, channel).events({ from: 1n }, options);
  const reading = (async () => {
    for await (const { event } of events) {
      assert.ok(event.case === "block");
      seen.push(toHex(event.value.id));
      if (seen.length === Number(head)) void node.anchor(12);
      if (seen.length === Number(head) + 1) break;
    }
  })();
  await reading;
  aborter.abort();
  const expected: string[] = [];
  for (let height = 1n; height <= head + 1n; height++) {
    const block = await node.chain.block(height);
    assert.ok(block.ok);
    expected.push(toHex(block.value.id));
  }
  assert.deepEqual(seen, expected);
});

test("an independent client finds everything it needs by reflection", async () => {
  const foreign = new grpc.Client(address, grpc.credentials.createInsecure());
  const reflect = foreign.makeBidiStreamRequest(
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    (request: pb.ServerReflectionRequest) =>
      Buffer.from(toBinary(pb.ServerReflectionRequestSchema, request)),
    (bytes: Buffer) => fromBinary(pb.ServerReflectionResponseSchema, bytes),
  );
  const ask = async (
    messageRequest: MessageInitShape<typeof pb.ServerReflectionRequestSchema>["messageRequest"],
  ): Promise<pb.ServerReflectionResponse["messageResponse"]> => {
    const init = { host: "h", ...(messageRequest === undefined ? {} : { messageRequest }) };
    reflect.write(create(pb.ServerReflectionRequestSchema, init));
    const [reply] = (await once(reflect, "data")) as [pb.ServerReflectionResponse];
    return reply.messageResponse;
  };
  try {
    const listed = await ask({ case: "listServices", value: "" });
    assert.ok(listed.case === "listServicesResponse");
    assert.deepEqual(
      listed.value.service.map(({ name }) => name),
      ["ioi.public.v1.Node", "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"],
    );
    for (const symbol of [
      "ioi.public.v1.Node",
      "ioi.public.v1.Node.Query",
      "ioi.public.v1.Block",
    ]) {
      const found = await ask({ case: "fileContainingSymbol", value: symbol });
      assert.ok(found.case === "fileDescriptorResponse", symbol);
      // What came must be enough to call the node: no file beside it.
      const file = found.value.fileDescriptorProto.map((bytes) =>
        fromBinary(FileDescriptorProtoSchema, bytes),
      );
      const registry = createFileRegistry(create(FileDescriptorSetSchema, { file }));
      assert.equal(registry.getService("ioi.public.v1.Node")?.methods.length, 7);
    }
    const byName = await ask({ case: "fileByFilename", value: "ioi/public/v1/node.proto" });
    assert.equal(byName.case, "fileDescriptorResponse");
    for (const bad of [
      { case: "fileContainingSymbol", value: "ioi.kernel.v1.Gate" },
      { case: "fileByFilename", value: "../../etc/passwd" },
      { case: "allExtensionNumbersOfType", value: "x" },
      undefined,
    ] as const) {
      assert.equal((await ask(bad)).case, "errorResponse");
    }
  } finally {
    reflect.cancel();
    reflect.on("error", () => undefined);
    foreign.close();
  }
});

test("calls of one peer are limited, and come back with time", () => {
  const time = { nowMs: 0 };
  const limits = new PeerLimits(() => time.nowMs);
  for (let i = 0; i < peerCallsBurst; i++) limits.call("a");
  assert.throws(() => limits.call("a"), { code: "E_PEER_LIMIT" });
  limits.call("b");
  time.nowMs += 10;
  limits.call("a");
  time.nowMs += 3_600_000;
  for (let i = 0; i < peerCallsBurst; i++) limits.call("a");
  assert.throws(() => limits.call("a"), { code: "E_PEER_LIMIT" });
});

test("streams and connections of one peer are limited, and given back", () => {
  const limits = new PeerLimits(() => 0);
  const streams = Array.from({ length: eventStreamsMax }, () => limits.stream("a"));
  assert.throws(() => limits.stream("a"), { code: "E_PEER_LIMIT" });
  streams[0]?.[Symbol.dispose]();
  limits.stream("a");
  for (let i = 0; i < peerConnectionsMax; i++) assert.ok(limits.connect("a") !== undefined);
  assert.equal(limits.connect("a"), undefined);
  assert.ok(limits.connect("b") !== undefined);
});
