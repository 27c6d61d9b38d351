/** The launcher's service, which starts and kills nothing. */
import { implement } from "@ioi/host/rpc";
import { pb } from "@ioi/wire";

/** Says in `calls` what it was told. */
export const fakeLauncher = (calls: string[]): ReturnType<typeof implement> => {
  return implement(pb.Kernel, {
    kernelStatus: async () => ({
      processes: [
        { name: "guardian", pid: 1, uid: 0, sandbox: ["seccomp"], pssKib: 2048n, state: "ready" },
      ],
      rpcAddress: "127.0.0.1:1",
      httpAddress: "127.0.0.1:2",
      startedMs: 1_700_000_000_000n,
      restarts: 0,
      sandbox: "namespaces, Landlock, seccomp",
    }),
    stopSession: async ({ session }) => {
      calls.push(`kill ${session}`);
      const cut = { method: "GET", url: "https://a.example/x", bytesUp: 120n, counter: 7n };
      return { killed: 2, sent: [{ session, ...cut }] };
    },
    shutdown: async () => ({}),
    findModels: async () => ({ listens: false }),
    listFolders: async () => ({ path: "/home/me", names: [], files: [], truncated: false }),
    tourFolder: async () => ({ path: "/home/me/ioi-tour" }),
    doctor: async () => ({ json: "{}" }),
    doctorStatus: async () => ({}),
    chainStatus: async () => ({}),
    hold: async function* () {
      yield {};
    },
    letGo: async () => ({}),
    pageCaller: async () => ({ own: true }),
  });
};
