/**
 * The policy that stands before a server without changing what it does: every call is receipted and
 * none is refused. For measuring, and for finding out what a server is asked before rules are made.
 */
export const transparentPolicy = (
  server: string,
): string => `# Everything goes through, with a receipt.
version = 1

[defaults]
verdict = "ask"

[[rule]]
id = "transparent"
effect = "allow"
target = ["mcp::call"]
where.server = { equals = "${server}" }
where.tool = { matches = "(?s).*" }

[tool."${server}"."*"]
roles = { "*" = "content" }
`;
