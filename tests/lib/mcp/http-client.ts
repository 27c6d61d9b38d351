/** A client over Streamable HTTP that says what it is told to. */
import http from "node:http";

export interface HttpAnswer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  /** Whole, or what came until `until` held. */
  readonly text: string;
}

export interface HttpSaid {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Cuts the connection when it holds. */
  readonly until?: (text: string) => boolean;
  readonly opened?: () => void;
}

export const httpSay = async (port: number, said: HttpSaid): Promise<HttpAnswer> => {
  const { method = "POST", path = "/mcp", headers = {}, body, until, opened } = said;
  return await new Promise<HttpAnswer>((resolve, reject) => {
    const options = { host: "127.0.0.1", port, method, path, headers, agent: false };
    const request = http.request(options, (response) => {
      opened?.();
      let text = "";
      const done = (): void =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
      response.setEncoding("utf8").on("data", (piece: string) => {
        text += piece;
        if (until?.(text) !== true) return;
        done();
        request.destroy();
      });
      response.once("end", done);
      response.once("error", done);
    });
    request.once("error", reject);
    request.end(body);
  });
};

/** Messages in a stream of events, each with its id. */
export const eventsIn = (text: string): readonly { readonly id: string; readonly data: string }[] =>
  text.split("\n\n").flatMap((block) => {
    const id = /^id: (.*)$/m.exec(block)?.[1];
    const data = /^data: (.*)$/m.exec(block)?.[1];
    return id === undefined || data === undefined ? [] : [{ id, data }];
  });
