/**
 * The policy on the page: its text, what another text would do, and a change that waits for a device.
 * The console carries; the Guardian judges, makes the card, and puts a text in force.
 */
import { equalBytes, fromHex, toHex } from "@ioi/base";
import type { pb } from "@ioi/wire";
import type { Console } from "@ioi/wire/console";
import type { CallContext, Handlers } from "../http/connect.ts";
import type { Kernel } from "../kernel.ts";
import { callMs } from "../limits.ts";
import { badRequest, offered, whereOffered } from "./optional.ts";

type Offered = Pick<
  Handlers<typeof Console>,
  | "getPolicy"
  | "checkPolicy"
  | "testPolicy"
  | "tryPolicy"
  | "diffPolicy"
  | "explainPolicy"
  | "learnPolicy"
  | "shadowPolicy"
  | "proposePolicy"
  | "withdrawPolicy"
  | "policyHistory"
>;

type PolicyClient = Awaited<ReturnType<Kernel["policy"]>>;

export interface PolicyOptions {
  readonly kernel: Kernel;
  /** The key that a browser's approval page holds; empty: none that is known. */
  readonly deviceOf: (browser: string) => Uint8Array;
  readonly onChange: () => void;
}

const callOf = ({ signal }: Pick<CallContext, "signal">) => ({ signal, deadlineMs: callMs });

/** Changes that wait for a device; none where the kernel knows no such thing. */
export const waitingChanges = (
  kernel: Kernel,
  context: Pick<CallContext, "signal">,
): Promise<readonly pb.PolicyChange[]> =>
  whereOffered(
    async () => (await (await kernel.policy()).listPolicyChanges({}, callOf(context))).changes,
    [],
  );

const changeLine = ({ id, after, expiresMs, notWider }: pb.PolicyChange) => ({
  id,
  after: toHex(after),
  expiresMs,
  notWider,
});

const kindOf = async (
  { kernel, deviceOf }: PolicyOptions,
  context: CallContext,
): Promise<string> => {
  const own = deviceOf(context.browser);
  const { devices } = await (await kernel.devices()).listDevices({}, callOf(context));
  return devices.find(({ id, waits }) => !waits && equalBytes(id, own))?.kind ?? "";
};

const changeCalls = (
  options: PolicyOptions,
): Pick<Offered, "getPolicy" | "proposePolicy" | "withdrawPolicy" | "policyHistory"> => {
  const { kernel, onChange } = options;
  return {
    getPolicy: async ({ textHash }, context) =>
      await offered("the policy", async () => {
        const policy = await kernel.policy();
        const [found, words, waiting, deviceKind] = await Promise.all([
          policy.getPolicy({ textHash }, callOf(context)),
          policy.policyWords({}, callOf(context)),
          waitingChanges(kernel, context),
          kindOf(options, context),
        ]);
        return {
          text: found.text,
          textHash: toHex(found.textHash),
          policyHash: toHex(found.policyHash),
          error: found.error,
          origin: found.origin,
          words: words.json,
          waiting: waiting.map(changeLine),
          deviceKind,
        };
      }),
    proposePolicy: async ({ text, baseHash }, context) => {
      const base = fromHex(baseHash);
      if (base?.length !== 32) throw badRequest("the base is no hash");
      const made = await offered("the policy", async () =>
        (await kernel.policy()).proposePolicy({ text, baseHash: base }, callOf(context)),
      );
      onChange();
      return made.change === undefined ? {} : { change: changeLine(made.change) };
    },
    withdrawPolicy: async ({ id }, context) => {
      await offered("the policy", async () =>
        (await kernel.policy()).withdrawPolicy({ id }, callOf(context)),
      );
      onChange();
      return {};
    },
    policyHistory: async (_request, context) =>
      await offered("the policy", async () => {
        const { versions } = await (await kernel.policy()).policyHistory({}, callOf(context));
        return {
          versions: versions.map(({ receiptIndex, atMs, before, after, device, kept }) => ({
            receiptIndex,
            atMs,
            before: toHex(before),
            after: toHex(after),
            device,
            kept,
          })),
        };
      }),
  };
};

export const policyCalls = (options: PolicyOptions): Offered => {
  const asked = async (
    context: CallContext,
    ask: (
      policy: PolicyClient,
      call: ReturnType<typeof callOf>,
    ) => Promise<{ readonly json: string }>,
  ): Promise<{ readonly json: string }> =>
    await offered("the policy", async () => {
      const { json } = await ask(await options.kernel.policy(), callOf(context));
      return { json };
    });
  return {
    ...changeCalls(options),
    checkPolicy: ({ text }, context) =>
      asked(context, (policy, call) => policy.checkPolicy({ text }, call)),
    testPolicy: ({ text, tests }, context) =>
      asked(context, (policy, call) => policy.testPolicy({ text, tests }, call)),
    tryPolicy: ({ text, target, arguments: args, words }, context) =>
      asked(context, (policy, call) =>
        policy.tryPolicy({ text, target, arguments: args, words, headless: false }, call),
      ),
    diffPolicy: ({ before, after }, context) =>
      asked(context, (policy, call) => policy.diffPolicy({ before, after }, call)),
    explainPolicy: ({ text, receipt, session, action }, context) =>
      asked(context, (policy, call) =>
        policy.explainPolicy({ text, receipt, session, action }, call),
      ),
    learnPolicy: ({ text, sessions }, context) =>
      asked(context, (policy, call) => policy.learnPolicy({ text, sessions }, call)),
    shadowPolicy: ({ text }, context) =>
      asked(context, (policy, call) => policy.shadowPolicy({ text }, call)),
  };
};
