/** `ioi models` against a list in memory: what a person types, and what is confirmed by it. */
import assert from "node:assert/strict";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { indexDimensionMax } from "@ioi/scs";
import { FakeKernel, runWith, temporaryFolder } from "./support.ts";

type Ioi = (argv: readonly string[]) => ReturnType<typeof runWith>;

const withKernel = async (use: (kernel: FakeKernel, ioi: Ioi) => Promise<void>): Promise<void> => {
  using folder = temporaryFolder();
  await using kernel = await FakeKernel.open(folder.path);
  await use(kernel, (argv) =>
    runWith([...argv, "--data", kernel.data], { cwd: folder.path, env: {} }),
  );
};

const listening = async (): Promise<{ readonly port: number } & AsyncDisposable> => {
  const made = http.createServer((_request, response) => response.end("{}"));
  await new Promise<void>((resolve) => {
    made.listen(0, "127.0.0.1", resolve);
  });
  return {
    port: (made.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      made.closeAllConnections();
      await new Promise((resolve) => made.close(resolve));
    },
  };
};

test("models add: a server of this machine is confirmed with who runs it", () =>
  withKernel(async (kernel, ioi) => {
    await using server = await listening();
    const url = `http://127.0.0.1:${server.port}/v1`;
    const { exit, out } = await ioi(["models", "add", "box/one", "--url", url, "--json"]);
    assert.equal(exit, 0);
    assert.deepEqual(JSON.parse(out).model.owner, {
      uid: process.getuid?.(),
      program: process.execPath,
    });
    const [model] = kernel.models.list;
    assert.deepEqual(
      [model?.name, model?.protocol, model?.contextTokens, model?.priceConfirmed],
      ["one", "openai", 16_384, false],
    );
  }));

test("models add: where nobody listens nobody can be confirmed", () =>
  withKernel(async (kernel, ioi) => {
    const { port } = await (async () => {
      await using server = await listening();
      return { port: server.port };
    })();
    const url = `http://127.0.0.1:${port}/v1`;
    const { exit, err } = await ioi(["models", "add", "box/one", "--url", url]);
    assert.equal(exit, 2);
    assert.match(err, /nothing listens on port/);
    assert.equal(kernel.models.list.length, 0);
  }));

test("models add: a provider's id says the rest; prices belong together", () =>
  withKernel(async (kernel, ioi) => {
    const consent = "--allow-unscrubbed";
    const { exit, err } = await ioi(["models", "add", "anthropic/claude-sonnet-4-5", consent]);
    assert.equal(exit, 0);
    assert.match(err, /no names, addresses, numbers or secrets/);
    const [model] = kernel.models.list;
    assert.deepEqual(
      [model?.url, model?.protocol, model?.name, model?.secret, kernel.models.unscrubbedConsent],
      ["https://api.anthropic.com/v1", "anthropic", "claude-sonnet-4-5", "ANTHROPIC_API_KEY", true],
    );
    const half = ["models", "add", "openai/gpt-5", "--price-in", "1", consent];
    assert.equal((await ioi(half)).exit, 2);
    assert.equal((await ioi([...half, "--price-out", "2.5"])).exit, 0);
    assert.deepEqual(
      [
        kernel.models.list[1]?.inputMicrousdPerMillion,
        kernel.models.list[1]?.outputMicrousdPerMillion,
      ],
      [1_000_000n, 2_500_000n],
    );
    assert.equal((await ioi(["models", "add", "a", "--price-in", "x"])).exit, 2);
    assert.equal((await ioi(["models", "add", "a", "--protocol", "gopher"])).exit, 2);
  }));

test("models list, default and rm", () =>
  withKernel(async (kernel, ioi) => {
    assert.match((await ioi(["models"])).out, /^no models; /);
    for (const id of ["anthropic/a", "anthropic/b"]) {
      await ioi(["models", "add", id, "--allow-unscrubbed"]);
    }
    assert.equal((await ioi(["models", "default", "anthropic/b"])).exit, 0);
    assert.equal(kernel.models.list.find(({ id }) => id === "anthropic/b")?.isDefault, true);
    const listed = JSON.parse((await ioi(["models", "list", "--json"])).out);
    assert.equal(listed.schema, "ioi.models/1");
    assert.deepEqual(
      listed.models.map(({ id }: { readonly id: string }) => id),
      ["anthropic/a", "anthropic/b"],
    );
    assert.match((await ioi(["models"])).out, /not on this machine: text goes there as it is/);
    assert.equal((await ioi(["models", "rm", "anthropic/a"])).exit, 0);
    const gone = await ioi(["models", "rm", "anthropic/a"]);
    assert.equal(gone.exit, 2);
    assert.match(gone.err, /E_CLI_MODEL_UNKNOWN.*there is anthropic\/b/);
    assert.equal((await ioi(["models", "default", "x"])).exit, 2);
  }));

test("status says which model is asked, and where text goes", () =>
  withKernel(async (_kernel, ioi) => {
    assert.match((await ioi(["status"])).out, /no model; /);
    await ioi(["models", "add", "anthropic/a", "--default", "--allow-unscrubbed"]);
    assert.match(
      (await ioi(["status"])).out,
      /text goes as it is, nothing masked, to anthropic\/a/,
    );
    const { models } = JSON.parse((await ioi(["status", "--json"])).out);
    assert.deepEqual(models, {
      default: "anthropic/a",
      confirmed: 1,
      unscrubbedConsent: true,
      remote: ["anthropic/a"],
    });
  }));

test("help says how long the vectors of a model for memories may be", async () => {
  for (const command of ["add", "memory"]) {
    const { out } = await runWith(["models", command, "--help"]);
    const most = `in ${indexDimensionMax} numbers at most`;
    assert.ok(out.replaceAll(/\s+/g, " ").includes(most), out);
  }
});
