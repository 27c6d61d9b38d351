/**
 * Behaviours of the protocol as a client sees them: each gives a value that is compared between a
 * server reached directly and the same server behind the gate.
 */
import type { PeerClient } from "./peer.ts";

export interface Seen {
  readonly client: PeerClient;
  /** Notifications so far, by method. */
  readonly heard: readonly string[];
  /** Waits until so many notifications of a method were heard. */
  readonly hear: (method: string, count: number) => Promise<void>;
  /** What the server asked the client for. */
  readonly asked: readonly string[];
  /** A folder that the files server works on, empty at first. */
  readonly folder: string;
}

export interface Behaviour {
  readonly id: string;
  readonly run: (seen: Seen) => Promise<unknown>;
  /** What a run must give to count as passed; absent: that it gives something. */
  readonly passes?: (value: unknown) => boolean;
}

/** An error as a client sees it is a value like any other. */
const outcome = async (work: Promise<unknown>): Promise<unknown> => {
  try {
    return await work;
  } catch (error) {
    const { code, message, data } = error as { code?: unknown; message?: unknown; data?: unknown };
    return { error: { code, message, ...(data === undefined ? {} : { data }) } };
  }
};

const call =
  (name: string, args: object = {}) =>
  ({ client }: Seen): Promise<unknown> =>
    outcome(client.callTool({ name, arguments: args }));

const failed = (value: unknown): boolean =>
  JSON.stringify(value).includes('"error"') || JSON.stringify(value).includes('"isError":true');
const succeeded = (value: unknown): boolean => !failed(value);
const has =
  (text: string) =>
  (value: unknown): boolean =>
    JSON.stringify(value).includes(text);

const dynamic = "demo://resource/dynamic/text/1";

/** Against `server-everything`, 2025-11-25. */
export const everythingBehaviours: readonly Behaviour[] = [
  {
    id: "initialize",
    run: async ({ client }) => ({
      info: client.getServerVersion(),
      capabilities: client.getServerCapabilities(),
      instructions: client.getInstructions(),
    }),
    passes: has("mcp-servers/everything"),
  },
  { id: "ping", run: ({ client }) => outcome(client.ping()), passes: succeeded },
  { id: "tools-list", run: ({ client }) => outcome(client.listTools()), passes: has("echo") },
  {
    id: "tools-list-wrong-cursor",
    run: ({ client }) => outcome(client.listTools({ cursor: "nowhere" })),
  },
  { id: "tool-text", run: call("echo", { message: "hi ÄÖ 漢字 🙂" }), passes: has("漢字 🙂") },
  {
    id: "tool-large-text",
    run: call("echo", { message: "0123456789".repeat(20_000) }),
    passes: succeeded,
  },
  { id: "tool-fractions", run: call("get-sum", { a: 1.5, b: -2.25 }), passes: has("-0.75") },
  { id: "tool-large-numbers", run: call("get-sum", { a: 9_007_199_254_740_990, b: 1 }) },
  { id: "tool-image", run: call("get-tiny-image"), passes: has("image/png") },
  {
    id: "tool-annotations",
    run: call("get-annotated-message", { messageType: "error", includeImage: true }),
    passes: has("annotations"),
  },
  {
    id: "tool-structured-content",
    run: call("get-structured-content", { location: "New York" }),
    passes: has("structuredContent"),
  },
  {
    id: "tool-resource-links",
    run: call("get-resource-links", { count: 3 }),
    passes: has("resource_link"),
  },
  {
    id: "tool-embedded-resource",
    run: call("get-resource-reference", { resourceType: "Text", resourceId: 1 }),
    passes: succeeded,
  },
  { id: "tool-unknown", run: call("no-such-tool"), passes: failed },
  { id: "tool-wrong-arguments", run: call("get-sum", { a: "one" }), passes: failed },
  { id: "tool-no-arguments", run: ({ client }) => outcome(client.callTool({ name: "echo" })) },
  {
    id: "tool-progress",
    run: async ({ client }) => {
      const progress: unknown[] = [];
      const result = await outcome(
        client.callTool(
          { name: "trigger-long-running-operation", arguments: { duration: 0.2, steps: 4 } },
          undefined,
          { onprogress: (each: unknown) => progress.push(each) },
        ),
      );
      // The official client drops what comes in one read with the result: the first step is certain.
      return { first: progress[0], result };
    },
    passes: has('"first":{"progress":1,"total":4}'),
  },
  {
    id: "tool-cancelled",
    run: async ({ client }) => {
      const abort = new AbortController();
      const work = outcome(
        client.callTool(
          { name: "trigger-long-running-operation", arguments: { duration: 1, steps: 10 } },
          undefined,
          { signal: abort.signal, onprogress: () => abort.abort("enough") },
        ),
      );
      return { cancelled: await work, afterwards: await outcome(client.ping()) };
    },
    passes: has("enough"),
  },
  {
    id: "tools-at-once",
    run: ({ client }) =>
      Promise.all(
        Array.from({ length: 20 }, (_, at) =>
          outcome(client.callTool({ name: "echo", arguments: { message: `m${at}` } })),
        ),
      ),
    passes: has("m19"),
  },
  {
    id: "sampling",
    run: async (seen) => ({
      result: await call("trigger-sampling-request", { prompt: "p", maxTokens: 5 })(seen),
      asked: seen.asked.includes("sampling/createMessage"),
    }),
    passes: has("sampled text"),
  },
  {
    id: "elicitation",
    run: async (seen) => ({
      result: await call("trigger-elicitation-request")(seen),
      asked: seen.asked.includes("elicitation/create"),
    }),
    passes: has("Ada"),
  },
  {
    id: "roots",
    run: async (seen) => ({
      result: await call("get-roots-list")(seen),
      asked: seen.asked.includes("roots/list"),
    }),
    passes: has("file:///roots/one"),
  },
  {
    id: "logging-level",
    run: ({ client }) => outcome(client.setLoggingLevel("debug")),
    passes: succeeded,
  },
  {
    id: "resources-list",
    run: ({ client }) => outcome(client.listResources()),
    passes: has("demo://"),
  },
  {
    id: "resource-templates-list",
    run: ({ client }) => outcome(client.listResourceTemplates()),
    passes: has("uriTemplate"),
  },
  {
    id: "resource-read-text",
    run: ({ client }) => outcome(client.readResource({ uri: dynamic })),
    passes: has("text"),
  },
  {
    id: "resource-read-blob",
    run: ({ client }) => outcome(client.readResource({ uri: "demo://resource/dynamic/blob/2" })),
    passes: has("blob"),
  },
  {
    id: "resource-unknown",
    run: ({ client }) => outcome(client.readResource({ uri: "demo://nowhere" })),
    passes: failed,
  },
  {
    id: "resource-subscribe",
    run: async ({ client }) => ({
      subscribed: await outcome(client.subscribeResource({ uri: dynamic })),
      unsubscribed: await outcome(client.unsubscribeResource({ uri: dynamic })),
    }),
    passes: succeeded,
  },
  {
    id: "prompts-list",
    run: ({ client }) => outcome(client.listPrompts()),
    passes: has("args-prompt"),
  },
  {
    id: "prompt-simple",
    run: ({ client }) => outcome(client.getPrompt({ name: "simple-prompt" })),
    passes: succeeded,
  },
  {
    id: "prompt-arguments",
    run: ({ client }) =>
      outcome(client.getPrompt({ name: "args-prompt", arguments: { city: "Kyoto" } })),
    passes: has("Kyoto"),
  },
  {
    id: "prompt-missing-argument",
    run: ({ client }) => outcome(client.getPrompt({ name: "args-prompt", arguments: {} })),
    passes: failed,
  },
  {
    id: "prompt-unknown",
    run: ({ client }) => outcome(client.getPrompt({ name: "nowhere" })),
    passes: failed,
  },
  {
    id: "prompt-embedded-resource",
    run: ({ client }) =>
      outcome(
        client.getPrompt({
          name: "resource-prompt",
          arguments: { resourceType: "Text", resourceId: "1" },
        }),
      ),
    passes: has("resource"),
  },
  {
    id: "completion",
    run: ({ client }) =>
      outcome(
        client.complete({
          ref: { type: "ref/prompt", name: "completable-prompt" },
          argument: { name: "department", value: "E" },
        }),
      ),
    passes: has("Engineering"),
  },
];

/** The same server over Streamable HTTP; what it has to say by itself comes on a stream of its own. */
export const httpBehaviours: readonly Behaviour[] = everythingBehaviours.map((each) => ({
  ...each,
  id: `http/${each.id}`,
}));

/** The server that a client starts otherwise, behind a gate that listens. */
export const listenBehaviours: readonly Behaviour[] = everythingBehaviours.map((each) => ({
  ...each,
  id: `listen/${each.id}`,
}));

const in_ = (folder: string, name: string): string => `${folder}/${name}`;

/** Against `server-filesystem`, 2025-11-25. */
export const filesBehaviours: readonly Behaviour[] = [
  { id: "files/tools-list", run: ({ client }) => outcome(client.listTools()), passes: has("edit") },
  {
    id: "files/allowed",
    run: call("list_allowed_directories"),
    passes: succeeded,
  },
  {
    id: "files/write-and-read",
    run: async (seen) => {
      const path = in_(seen.folder, "a.txt");
      const written = await call("write_file", { path, content: "one\ntwo\n" })(seen);
      return { written, read: await call("read_text_file", { path })(seen) };
    },
    passes: has("two"),
  },
  {
    id: "files/edit",
    run: async (seen) => {
      const path = in_(seen.folder, "b.txt");
      await call("write_file", { path, content: "old\n" })(seen);
      const edits = [{ oldText: "old", newText: "new" }];
      return { edited: await call("edit_file", { path, edits })(seen) };
    },
    passes: has("+new"),
  },
  {
    id: "files/folders",
    run: async (seen) => {
      const path = in_(seen.folder, "sub");
      const made = await call("create_directory", { path })(seen);
      const listed = await call("list_directory", { path: seen.folder })(seen);
      return { made, listed, tree: await call("directory_tree", { path: seen.folder })(seen) };
    },
    passes: has("[DIR] sub"),
  },
  {
    id: "files/move",
    run: async (seen) => {
      const source = in_(seen.folder, "c.txt");
      await call("write_file", { path: source, content: "c" })(seen);
      const destination = in_(seen.folder, "d.txt");
      return await call("move_file", { source, destination })(seen);
    },
    passes: succeeded,
  },
  {
    id: "files/search",
    run: (seen) => call("search_files", { path: seen.folder, pattern: "*.txt" })(seen),
    passes: has(".txt"),
  },
  {
    id: "files/outside",
    run: call("read_text_file", { path: "/etc/hostname" }),
    passes: failed,
  },
  {
    id: "files/missing",
    run: (seen) => call("read_text_file", { path: in_(seen.folder, "none") })(seen),
    passes: failed,
  },
];

/** Against a server of 2026-07-28. */
export const modernBehaviours: readonly Behaviour[] = [
  {
    id: "modern/discover",
    run: async ({ client }) => ({
      info: client.getServerVersion(),
      capabilities: client.getServerCapabilities(),
    }),
    passes: has("modern"),
  },
  { id: "modern/tools-list", run: ({ client }) => outcome(client.listTools()), passes: has("add") },
  { id: "modern/tool", run: call("add", { a: 1.5, b: 2 }), passes: has("3.5") },
  {
    id: "modern/input-required",
    run: async (seen) => ({
      result: await call("greet")(seen),
      asked: seen.asked.includes("elicitation/create"),
    }),
    passes: has("hello Ada"),
  },
  { id: "modern/tool-error", run: call("fail"), passes: failed },
  { id: "modern/tool-unknown", run: call("nothing"), passes: failed },
  { id: "modern/tool-wrong-arguments", run: call("add", { a: "x" }), passes: failed },
  {
    id: "modern/resource",
    run: ({ client }) => outcome(client.readResource({ uri: "note://one" })),
    passes: has("a note"),
  },
  {
    id: "modern/resource-unknown",
    run: ({ client }) => outcome(client.readResource({ uri: "note://two" })),
    passes: failed,
  },
  {
    id: "modern/prompt",
    run: ({ client }) => outcome(client.getPrompt({ name: "hello", arguments: { who: "x" } })),
    passes: has("hello x"),
  },
  {
    id: "modern/at-once",
    run: ({ client }) =>
      Promise.all(
        Array.from({ length: 10 }, (_, at) =>
          outcome(client.callTool({ name: "add", arguments: { a: at, b: 1 } })),
        ),
      ),
    passes: has('"10"'),
  },
];
