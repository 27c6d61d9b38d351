/** Confirmed models as a list in memory. */
import { implement } from "@ioi/host/rpc";
import { pb } from "@ioi/wire";

export class FakeModels {
  readonly list: pb.Model[] = [];
  unscrubbedConsent = false;

  service(): ReturnType<typeof implement> {
    return implement(pb.Models, {
      listModels: async () => ({
        models: this.list,
        unscrubbedConsent: this.unscrubbedConsent,
      }),
      confirmModel: async ({ model, unscrubbedConsent }) => {
        this.unscrubbedConsent ||= unscrubbedConsent;
        if (model === undefined) return {};
        const others = this.list.filter(({ id }) => id !== model.id);
        this.list.splice(0, this.list.length, ...others, model);
        return {};
      },
      removeModel: async ({ id }) => {
        const at = this.list.findIndex((each) => each.id === id);
        if (at !== -1) this.list.splice(at, 1);
        return { removed: at !== -1 };
      },
    });
  }
}
