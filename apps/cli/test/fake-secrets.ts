/** `Secrets` of a kernel that keeps them as they are. */
import { type Implementation, implement } from "@ioi/host/rpc";
import { pb } from "@ioi/wire";

/** `calls`: what was asked for. */
export const fakeSecrets = (secrets: Map<string, string>, calls: string[]): Implementation =>
  implement(pb.Secrets, {
    setSecret: async ({ name, value, binding }) => {
      secrets.set(name, value);
      calls.push(`secret ${name} ${binding?.host} ${binding?.header} ${binding?.template}`);
      return {};
    },
    listSecrets: async () => ({
      secrets: [...secrets.keys()].map((name) => ({
        name,
        binding: { scheme: "https", host: "a.example", port: 443, pathPrefix: "/v1" },
        createdMs: 1000n,
      })),
    }),
    removeSecret: async ({ name }) => ({ removed: secrets.delete(name) }),
  });
