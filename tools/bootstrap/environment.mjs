/**
 * Environments of children, rebuilt from what the bootstrap itself was given.
 *
 * npm writes its whole configuration and the package's fields into the environment of a script;
 * another npm, pnpm or the program itself must not take them for a person's wishes.
 */
import fs from "node:fs";
import path from "node:path";

/** npm settings that say how to reach the registry; the others are dropped. */
const kept =
  /^npm_config_(registry|cafile|ca|cert|key|strict_ssl|proxy|https_proxy|http_proxy|noproxy|no_proxy|userconfig|globalconfig|.*:.*|\/\/.*|@.*)$/i;

/** @param {NodeJS.ProcessEnv} given */
const withoutNpm = (given) => {
  /** @type {NodeJS.ProcessEnv} */
  const env = {};
  for (const [name, value] of Object.entries(given)) {
    if (/^(npm_|pnpm_)/i.test(name) || name === "INIT_CWD") continue;
    if (name === "NODE_OPTIONS" || name === "NODE_PATH" || name === "NODE_ENV") continue;
    env[name] = value;
  }
  return env;
};

/** @param {NodeJS.ProcessEnv} given */
export const installEnvironment = (given) => {
  const env = withoutNpm(given);
  for (const [name, value] of Object.entries(given)) {
    if (kept.test(name)) env[name] = value;
  }
  // Neither asks anything and neither shows a notice.
  return { ...env, CI: "true", npm_config_update_notifier: "false" };
};

/**
 * A registry that npm was given by its environment, which pnpm does not read.
 * @param {NodeJS.ProcessEnv} given
 */
export const registryOf = (given) => given["npm_config_registry"] ?? given["NPM_CONFIG_REGISTRY"];

/**
 * @param {string} root
 * @param {NodeJS.ProcessEnv} given
 * @param {boolean} development tools on PATH
 */
export const programEnvironment = (root, given, development) => {
  const env = withoutNpm(given);
  env["IOI_PARENT_PID"] = String(process.pid);
  const cache = compileCache(root, given);
  if (cache !== undefined) env["NODE_COMPILE_CACHE"] = cache;
  if (development) {
    const own = [path.join(root, ".runtime/bin"), path.join(root, "node_modules/.bin")];
    env["PATH"] = [...own, given["PATH"] ?? "/usr/bin:/bin"].join(":");
  }
  return env;
};

/**
 * Compiled code is kept in the project, or in the person's cache where the project is read-only.
 * @param {string} root
 * @param {NodeJS.ProcessEnv} given
 */
const compileCache = (root, given) => {
  try {
    fs.accessSync(root, fs.constants.W_OK);
    return path.join(root, ".cache/node");
  } catch {
    const home = given["XDG_CACHE_HOME"] ?? (given["HOME"] && path.join(given["HOME"], ".cache"));
    return home ? path.join(home, "ioi/node") : undefined;
  }
};

/**
 * How to run npm: the one that runs us, else the one on PATH.
 * @param {NodeJS.ProcessEnv} given
 * @returns {{ file: string, args: string[] } | undefined}
 */
export const findNpm = (given) => {
  const running = given["npm_execpath"];
  if (running !== undefined && /(^|\/)npm-cli\.c?js$/.test(running) && fs.existsSync(running)) {
    return { file: process.execPath, args: [running] };
  }
  for (const folder of (given["PATH"] ?? "").split(":")) {
    const candidate = path.join(folder, "npm");
    if (folder !== "" && isExecutable(candidate)) return { file: candidate, args: [] };
  }
  return undefined;
};

/** @param {string} file */
const isExecutable = (file) => {
  try {
    fs.accessSync(file, fs.constants.X_OK);
    return fs.statSync(file).isFile();
  } catch {
    return false;
  }
};
