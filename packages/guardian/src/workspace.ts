/** Which folders may be a session's scope, lexically; existence is the launcher's to check. */

/** System folders: shown to programs for reading anyway, or not the person's own. */
const systemFolders = [
  "/bin",
  "/boot",
  "/dev",
  "/etc",
  "/lib",
  "/lib32",
  "/lib64",
  "/proc",
  "/run",
  "/sbin",
  "/sys",
  "/usr",
] as const;

const within = (path: string, folder: string): boolean =>
  path === folder || path.startsWith(`${folder}/`);

const isPlain = (path: string): boolean =>
  path.startsWith("/") &&
  path.length <= 4096 &&
  !/\p{Cc}/u.test(path) &&
  path
    .slice(1)
    .split("/")
    .every((segment) => segment !== "" && segment !== "." && segment !== "..");

/** Why an agent cannot be run from `path`; the launcher looks at what is there. */
export const agentFolderComplaint = (path: string): string | undefined => {
  if (!isPlain(path)) {
    return "an agent's folder is an absolute path without . or .. and without control characters";
  }
  const hidden = ["/dev", "/proc", "/sys"].find((folder) => within(path, folder));
  return hidden === undefined ? undefined : `${hidden} holds no agent`;
};

/** Why `path` cannot be a workspace; undefined if it can. */
export const workspaceComplaint = (
  path: string,
  productFolders: readonly string[],
): string | undefined => {
  if (!isPlain(path)) {
    return "a workspace is an absolute path without . or .. and without control characters, below /";
  }
  const system = systemFolders.find((folder) => within(path, folder));
  if (system !== undefined) return `${system} belongs to the system`;
  const product = productFolders.find((folder) => within(path, folder));
  if (product !== undefined) {
    return `a workspace lies outside of ${product}, where the product's own program or data is`;
  }
  return undefined;
};
