/**
 * `ioi devices`: which keys may answer for the person. Pairing and revoking are signed with this
 * terminal's key; the six digits come from the page whose key it is, read by a person.
 */
import { exitCodes, toHex } from "@ioi/base";
import { domains, signPayload } from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";
import { type PairStatement, pairStatement, type pb, schema } from "@ioi/wire";
import type { CommandContext, Handler } from "../context.ts";
import { visible } from "../io.ts";
import { type Kernel, openKernel } from "../kernel/connection.ts";
import { readDeviceKey } from "../kernel/device.ts";
import { folderPaths, requireFolder } from "../kernel/folder.ts";
import { callDeadlineMs } from "../limits.ts";
import { failWith, usage } from "../report.ts";
import { isoTime } from "../times.ts";

const listDevices = async (kernel: Kernel): Promise<readonly pb.Device[]> => {
  const devices = await kernel.devices();
  return (await devices.listDevices({}, { deadlineMs: callDeadlineMs })).devices;
};

const signed = (context: CommandContext, statement: PairStatement) => {
  const key = readDeviceKey(folderPaths(context.dataFolder).deviceKey, nodeCrypto);
  const encoded = schema.encode(pairStatement, statement);
  const { payload, signature } = signPayload(nodeCrypto, key, domains.pair, encoded);
  return { statement: payload, signature, device: key.publicKey };
};

const timeOf = (ms: bigint): string | null => (ms === 0n ? null : isoTime(ms));

export const list: Handler<object> = async (context) => {
  requireFolder(context.dataFolder);
  await using kernel = await openKernel(context, { start: true });
  const devices = await listDevices(kernel);
  const rows = devices.map(({ id, kind, name, pairedMs, waits, limits }) => ({
    id: toHex(id),
    kind,
    name,
    pairedAt: timeOf(pairedMs),
    waits,
    limits: limits === "" ? null : limits,
  }));
  const { output } = context;
  output.value({ schema: "ioi.devices/1", devices: rows });
  for (const { id, kind, name, pairedAt, waits, limits } of rows) {
    const since = waits ? "waits for its code" : pairedAt === null ? "" : `since ${pairedAt}`;
    output.line(`${id.slice(0, 16)}  ${kind.padEnd(9)}  ${visible(name)}  ${since}`.trimEnd());
    if (limits !== null) output.line(`  ${limits}`);
  }
  return exitCodes.done;
};

export const pair: Handler<object> = async (context, { args }) => {
  const code = (args[0] ?? "").replaceAll(/[ -]/g, "");
  if (!/^\d{6}$/.test(code)) throw usage("a code has six digits", "./ioi devices pair 123456");
  requireFolder(context.dataFolder);
  await using kernel = await openKernel(context, { start: false });
  const waiting = (await listDevices(kernel)).find(({ waits }) => waits);
  if (waiting === undefined) {
    throw failWith({ code: "E_DEVICE_CODE", message: "no device waits for a code" });
  }
  const statement = signed(context, { type: "pair", version: 1, device: waiting.id, code });
  const devices = await kernel.devices();
  const paired = await devices.pairDevice(statement, { deadlineMs: callDeadlineMs });
  const { output } = context;
  const id = toHex(paired.device);
  output.value({ schema: "ioi.device/1", id, name: paired.name, kind: waiting.kind });
  output.line(`paired ${visible(paired.name)} (${waiting.kind}), ${id.slice(0, 16)}`);
  if (waiting.limits !== "") output.line(`  ${waiting.limits}`);
  return exitCodes.done;
};

export const revoke: Handler<object> = async (context, { args }) => {
  const given = (args[0] ?? "").toLowerCase();
  if (!/^[0-9a-f]{6,64}$/.test(given)) throw usage("a device is named by six or more hex digits");
  requireFolder(context.dataFolder);
  await using kernel = await openKernel(context, { start: true });
  const found = (await listDevices(kernel)).filter(({ id }) => toHex(id).startsWith(given));
  const [device] = found;
  if (device === undefined) {
    throw failWith({ code: "E_DEVICE_UNKNOWN", message: `no device begins with ${given}` });
  }
  if (found.length > 1) throw usage(`${given} begins ${found.length} devices; give more of it`);
  if (device.kind === "terminal") throw usage("this terminal's own key is not revoked");
  if (device.waits) throw usage("this device is not paired");
  const { id, pairedMs } = device;
  const statement = signed(context, {
    type: "revoke",
    version: 1,
    device: id,
    pairedMs: Number(pairedMs),
  });
  const devices = await kernel.devices();
  await devices.revokeDevice(statement, { deadlineMs: callDeadlineMs });
  context.output.value({ schema: "ioi.device/1", id: toHex(id), revoked: true });
  context.output.line(`revoked ${visible(device.name)}: its answers count no more`);
  return exitCodes.done;
};
