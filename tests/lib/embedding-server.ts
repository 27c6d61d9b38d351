/**
 * A server that embeds texts, of the OpenAI protocol: a component for each group of words that mean the
 * same, so that texts without a common word lie together where they mean the same. Deterministic.
 */
import http from "node:http";
import type { AddressInfo } from "node:net";

const meanings: readonly (readonly string[])[] = [
  ["key", "unlock", "opener"],
  ["mat", "doormat", "rug"],
  ["tea", "beverage", "drinks", "drink"],
  ["cat", "pet", "animal"],
  ["gate", "entrance", "door"],
];

export const meaningOf = (text: string): readonly number[] => {
  const words = text.toLowerCase().split(/[^a-z]+/);
  const count = (group: readonly string[]): number =>
    words.filter((word) => group.includes(word)).length;
  // The last one is what every text has in common.
  return [...meanings.map(count), 0.1, 0, 0];
};

const bodyOf = async (request: http.IncomingMessage): Promise<string> => {
  const blocks: Buffer[] = [];
  for await (const block of request as AsyncIterable<Buffer>) blocks.push(block);
  return Buffer.concat(blocks).toString("utf8");
};

export class EmbeddingServer implements AsyncDisposable {
  readonly #server: http.Server;
  /** Every text that came. */
  readonly texts: string[] = [];

  private constructor() {
    this.#server = http.createServer((request, response) => {
      void this.#answer(request).then((text) => {
        response.writeHead(200, { "content-type": "application/json" });
        response.end(text);
      });
    });
  }

  /** `port`: that of one that has ended. */
  static async start(port = 0): Promise<EmbeddingServer> {
    const server = new EmbeddingServer();
    await new Promise<void>((resolve) => {
      server.#server.listen(port, "127.0.0.1", resolve);
    });
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/v1`;
  }

  async #answer(request: http.IncomingMessage): Promise<string> {
    const { input } = JSON.parse(await bodyOf(request)) as { readonly input: readonly string[] };
    this.texts.push(...input);
    const data = input.map((text, index) => ({ index, embedding: meaningOf(text) }));
    return JSON.stringify({ object: "list", model: "meanings", data, usage: { prompt_tokens: 1 } });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
