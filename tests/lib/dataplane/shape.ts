/** What both processes of `bench dataplane` know. */
export const messageBytes = 65_536;
export const planeOf = { slots: 64, slotBytes: messageBytes };
export const grpcPath = "/bench.Bulk/Send";
