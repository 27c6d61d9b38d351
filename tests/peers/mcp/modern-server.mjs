// @ts-nocheck -- what it imports is installed beside its copy, not here
/**
 * A server of the era without sessions (MCP 2026-07-28) on the official package: what the other peers
 * do not have of it. Serves the older era as well, as the package does by itself.
 */
import { acceptedContent, inputRequired, McpServer } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { z } from "zod";

serveStdio(() => {
  const server = new McpServer({ name: "modern", version: "1.0.0" });
  server.registerTool(
    "add",
    { description: "Adds two numbers", inputSchema: z.object({ a: z.number(), b: z.number() }) },
    async ({ a, b }) => ({
      content: [{ type: "text", text: String(a + b) }],
    }),
  );
  server.registerTool(
    "greet",
    { description: "Asks for a name and greets", inputSchema: z.object({}) },
    async (_args, context) => {
      const answer = acceptedContent(
        context.mcpReq.inputResponses,
        "who",
        z.object({ name: z.string() }),
      );
      if (answer === undefined) {
        return inputRequired({
          inputRequests: {
            who: inputRequired.elicit({
              message: "Who are you?",
              requestedSchema: {
                type: "object",
                properties: { name: { type: "string" } },
                required: ["name"],
              },
            }),
          },
        });
      }
      return { content: [{ type: "text", text: `hello ${answer.name}` }] };
    },
  );
  server.registerTool("fail", { description: "Fails", inputSchema: z.object({}) }, async () => ({
    content: [{ type: "text", text: "no" }],
    isError: true,
  }));
  server.registerResource("note", "note://one", { mimeType: "text/plain" }, async (uri) => ({
    contents: [{ uri: uri.href, mimeType: "text/plain", text: "a note" }],
  }));
  server.registerPrompt("hello", { argsSchema: z.object({ who: z.string() }) }, ({ who }) => ({
    messages: [{ role: "user", content: { type: "text", text: `hello ${who}` } }],
  }));
  return server;
});
