/** Why what a person names is no server: how it is started or reached, and what it may reach. Pure. */
import { nameClass, parseCanonicalUrl, readHost, sameOrigin } from "@ioi/firewall";
import type { CanonicalValue, McpServer } from "@ioi/wire";
import { printable } from "../rejections.ts";

const placeComplaint = ({ url, network = [] }: McpServer): string | undefined => {
  if (url !== "" && network.length > 0) return "a server elsewhere has no program with a network";
  for (const { host } of network) {
    const read = readHost(host);
    if (!read.ok) return `${printable(host)} is no host in its one spelling: ${read.error}`;
    if (nameClass(read.value) === "reserved") return `${printable(host)} is what no host has`;
  }
  return undefined;
};

const absolute = (file: string): boolean => file.startsWith("/") && !file.includes("\0");

const commandComplaint = ({ argv, url, cwd, files, roots }: McpServer): string | undefined => {
  const [program] = argv;
  if ((program === undefined) === (url === "")) return "it is a command or an address, one of them";
  if (program === undefined) return undefined;
  if (!absolute(program) || !absolute(cwd)) return "its program and folder are absolute paths";
  if (files.length === 0) return "nobody knows the bytes of its program";
  const paths = [...files, ...roots].map((each) => each.path);
  return paths.every(absolute) ? undefined : "its files and folders are absolute paths";
};

export const serverComplaint = (server: McpServer): string | undefined =>
  commandComplaint(server) ?? placeComplaint(server);

/** Where a server elsewhere sends a message on: another address of its own origin. */
export const leadsInside = ({ url }: McpServer, address: CanonicalValue | undefined): boolean => {
  const server = parseCanonicalUrl(url);
  const to = parseCanonicalUrl(typeof address === "string" ? address : "");
  return server.ok && to.ok && sameOrigin(server.value, to.value) && to.value.text !== url;
};
