/**
 * Installs the pinned runtime into .runtime and the packages of the lockfile into node_modules.
 *
 * The runtime comes from Node's platform packages (no install script is needed) through npm, with
 * a lockfile that is made from tools/runtime.json, so npm itself checks the integrities. It is put
 * together in a temporary folder and renamed when whole. The packages follow with pnpm. A stamp is
 * written last; a start that finds it fresh does nothing of all this.
 *
 * Everything downloaded stays inside the project: deleting the folder removes it all.
 */
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { runQuietly } from "./children.mjs";
import { findNpm, installEnvironment, registryOf } from "./environment.mjs";
import { BootstrapError } from "./errors.mjs";
import { bootstrapFreeMiBMin } from "./limits.mjs";
import { takeLock } from "./lock.mjs";
import { platformKey } from "./platform.mjs";

/**
 * @typedef {"prod" | "dev"} Mode what running needs, or the development tools as well
 * @typedef {{ node: string, pnpm: string, platforms: Record<string, Record<string, string>> }} Pins
 * @typedef {object} World
 * @property {string} root
 * @property {NodeJS.ProcessEnv} env
 * @property {() => import("./platform.mjs").Facts} facts
 * @property {(text: string) => void} say
 * @property {AbortSignal} signal
 */

const stampInputs = ["pnpm-lock.yaml", "pnpm-workspace.yaml", "tools/runtime.json"];

/** @param {string} root */
const stampOf = (root) => {
  const hash = createHash("sha256");
  for (const name of stampInputs) {
    hash.update(`${name}\0`).update(fs.readFileSync(path.join(root, name)));
  }
  return hash.digest("hex");
};

/**
 * @param {string} root
 * @param {Mode} mode
 */
const stampPath = (root, mode) => path.join(root, ".runtime", `stamp-${mode}`);

/** @param {string} file */
const read = (file) => {
  try {
    return fs.readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
};

/**
 * @param {string} root
 * @param {Mode} mode
 * @param {string} stamp
 */
const isFresh = (root, mode, stamp) =>
  read(stampPath(root, mode)) === stamp &&
  fs.existsSync(path.join(root, ".runtime/bin/node")) &&
  fs.existsSync(path.join(root, "node_modules/.modules.yaml"));

/** @param {string} root */
const hasDevelopmentTools = (root) =>
  /"?devDependencies"?: true/.test(read(path.join(root, "node_modules/.modules.yaml")) ?? "");

/**
 * Makes the installation whole, or throws a BootstrapError and leaves nothing half-installed.
 * @param {World} world
 * @param {Mode} asked
 */
export const install = async (world, asked) => {
  const { root } = world;
  const stamp = stampOf(root);
  if (isFresh(root, asked, stamp)) {
    touch(root, asked);
    return;
  }
  // pnpm would remove development tools that somebody is using.
  const mode = hasDevelopmentTools(root) ? "dev" : asked;
  /** @type {Pins} */
  const pins = JSON.parse(fs.readFileSync(path.join(root, "tools/runtime.json"), "utf8"));
  const key = platformKey(world.facts(), Object.keys(pins.platforms));
  const runtime = path.join(root, ".runtime");
  const existed = fs.existsSync(runtime);
  prepareFolder(runtime);
  try {
    const release = await takeLock(path.join(runtime, "lock"), world.say, world.signal);
    try {
      if (!isFresh(root, mode, stamp)) await installLocked(world, mode, pins, key, stamp);
    } finally {
      release();
    }
  } catch (error) {
    if (!existed) removeEmpty(runtime);
    throw asDiskFailure(error, root);
  }
};

/**
 * The shell's fast path compares times, so a stamp older than a lockfile that was only touched is
 * made new.
 * @param {string} root
 * @param {Mode} mode
 */
const touch = (root, mode) => {
  const now = new Date();
  try {
    fs.utimesSync(stampPath(root, mode), now, now);
  } catch {
    // A read-only installation stays on the slow path.
  }
};

/** @param {string} runtime */
const prepareFolder = (runtime) => {
  try {
    // Not recursive: Node reports a read-only file system as a missing folder then.
    makeFolder(runtime);
    const probe = path.join(runtime, `probe.${process.pid}`);
    fs.writeFileSync(probe, "x");
    fs.rmSync(probe);
  } catch (error) {
    throw asDiskFailure(error, path.dirname(runtime));
  }
};

/** @param {string} folder */
const makeFolder = (folder) => {
  try {
    fs.mkdirSync(folder);
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== "EEXIST") throw error;
  }
};

/** @param {string} folder */
const removeEmpty = (folder) => {
  try {
    fs.rmdirSync(folder);
  } catch {
    // Somebody else is using it.
  }
};

/**
 * @param {unknown} error
 * @param {string} root
 */
const asDiskFailure = (error, root) => {
  const { code } = /** @type {NodeJS.ErrnoException} */ (error);
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new BootstrapError("E_BOOTSTRAP_DISK", `the disk under ${root} is full`);
  }
  if (code === "EROFS" || code === "EACCES" || code === "EPERM") {
    return new BootstrapError("E_BOOTSTRAP_READ_ONLY", `${root} cannot be written (${code})`);
  }
  return error;
};

/**
 * @param {World} world
 * @param {Mode} mode
 * @param {Pins} pins
 * @param {string} key
 * @param {string} stamp
 */
const installLocked = async (world, mode, pins, key, stamp) => {
  const { root, say } = world;
  const started = performance.now();
  const runtime = path.join(root, ".runtime");
  removeLeftovers(runtime);
  requireSpace(root);
  const wanted = JSON.stringify({ key, node: pins.node, pnpm: pins.pnpm });
  if (read(path.join(runtime, "bin/runtime.json")) !== wanted) {
    say(`downloading Node ${pins.node} and pnpm ${pins.pnpm} (80 MB)`);
    await installRuntime(world, pins, key, wanted);
  }
  say(`installing the packages of the lockfile${mode === "dev" ? ", development tools too" : ""}`);
  await installPackages(world, mode);
  if (mode === "dev") fs.writeFileSync(stampPath(root, "dev"), stamp);
  else fs.rmSync(stampPath(root, "dev"), { force: true });
  fs.writeFileSync(stampPath(root, "prod"), stamp);
  say(`ready after ${((performance.now() - started) / 1000).toFixed(1)} s`);
};

/**
 * What a bootstrap that was killed left behind.
 * @param {string} runtime
 */
const removeLeftovers = (runtime) => {
  for (const name of fs.readdirSync(runtime)) {
    if (name.startsWith("tmp-")) {
      fs.rmSync(path.join(runtime, name), { recursive: true, force: true });
    }
  }
};

/** @param {string} root */
const requireSpace = (root) => {
  const { bavail, bsize } = fs.statfsSync(root);
  const free = Math.floor((bavail * bsize) / 1_048_576);
  if (free >= bootstrapFreeMiBMin) return;
  throw new BootstrapError(
    "E_BOOTSTRAP_DISK",
    `${free} MiB are free under ${root}; the installation asks for ${bootstrapFreeMiBMin} MiB`,
  );
};

/**
 * @param {World} world
 * @param {Pins} pins
 * @param {string} key
 * @param {string} wanted
 */
const installRuntime = async (world, pins, key, wanted) => {
  const runtime = path.join(world.root, ".runtime");
  const npm = findNpm(world.env);
  if (npm === undefined) throw new BootstrapError("E_BOOTSTRAP_NPM", "npm is not on PATH");
  const temporary = path.join(runtime, `tmp-${process.pid}`);
  try {
    fs.mkdirSync(temporary);
    writeRuntimeLockfile(temporary, pins, pins.platforms[key] ?? {});
    const result = await runQuietly(npm.file, [...npm.args, ...npmArguments(temporary)], {
      cwd: temporary,
      env: installEnvironment(world.env),
      signal: world.signal,
      progress: () => folderBytes(temporary),
    });
    world.signal.throwIfAborted();
    if (result.code !== 0) throw explain("npm", result, world.root);
    await assemble(world, temporary, pins, wanted);
  } finally {
    fs.rmSync(temporary, { recursive: true, force: true });
  }
};

/** @param {string} temporary */
const npmArguments = (temporary) => [
  "ci",
  "--ignore-scripts",
  "--no-audit",
  "--no-fund",
  "--loglevel=error",
  // A log that grows would look like progress.
  "--logs-max=0",
  "--fetch-retries=1",
  "--fetch-timeout=20000",
  "--fetch-retry-mintimeout=1000",
  "--fetch-retry-maxtimeout=2000",
  `--cache=${path.join(temporary, "cache")}`,
];

/**
 * @param {string} folder
 * @param {Pins} pins
 * @param {Record<string, string>} packages
 */
const writeRuntimeLockfile = (folder, pins, packages) => {
  /** @type {Record<string, string>} */
  const dependencies = {};
  /** @type {Record<string, object>} */
  const locked = {};
  for (const [name, integrity] of Object.entries(packages)) {
    const version = name.startsWith("node-") ? pins.node : pins.pnpm;
    dependencies[name] = version;
    locked[`node_modules/${name}`] = { version, integrity };
  }
  const project = { name: "runtime", version: "0.0.0", private: true, dependencies };
  const lock = {
    name: "runtime",
    version: "0.0.0",
    lockfileVersion: 3,
    requires: true,
    packages: { "": project, ...locked },
  };
  fs.writeFileSync(path.join(folder, "package.json"), JSON.stringify(project));
  fs.writeFileSync(path.join(folder, "package-lock.json"), JSON.stringify(lock));
};

/**
 * Puts the two programs together, runs each once, and swaps the folder in.
 * @param {World} world
 * @param {string} temporary
 * @param {Pins} pins
 * @param {string} wanted
 */
const assemble = async (world, temporary, pins, wanted) => {
  const runtime = path.join(world.root, ".runtime");
  const bin = path.join(temporary, "bin");
  fs.mkdirSync(bin);
  const modules = path.join(temporary, "node_modules");
  for (const name of Object.keys(pins.platforms[JSON.parse(wanted).key] ?? {})) {
    const program = name.startsWith("node-") ? "bin/node" : "pnpm";
    fs.renameSync(path.join(modules, name, program), path.join(bin, path.basename(program)));
  }
  for (const [program, version] of [
    ["node", `v${pins.node}`],
    ["pnpm", pins.pnpm],
  ]) {
    const result = await runQuietly(path.join(bin, `${program}`), ["--version"], {
      cwd: temporary,
      env: { PATH: "/usr/bin:/bin", HOME: temporary },
      signal: world.signal,
      progress: () => 0,
    });
    if (result.output.trim() !== version) {
      throw new BootstrapError(
        "E_BOOTSTRAP_PLATFORM",
        `the ${program} that was downloaded does not run on this machine`,
        result.tail,
      );
    }
  }
  fs.writeFileSync(path.join(bin, "runtime.json"), wanted);
  const target = path.join(runtime, "bin");
  if (fs.existsSync(target)) fs.renameSync(target, path.join(temporary, "old"));
  fs.renameSync(bin, target);
};

/**
 * @param {World} world
 * @param {Mode} mode
 */
const installPackages = async (world, mode) => {
  const { root } = world;
  const runtime = path.join(root, ".runtime");
  const fresh = !fs.existsSync(path.join(root, "node_modules"));
  fs.rmSync(stampPath(root, "prod"), { force: true });
  const args = [
    "install",
    "--frozen-lockfile",
    "--trust-lockfile",
    "--ignore-scripts",
    "--reporter=ndjson",
    ...(mode === "prod" ? ["--prod"] : []),
  ];
  const registry = registryOf(world.env);
  if (registry !== undefined) args.push(`--registry=${registry}`);
  const own = path.join(runtime, "bin");
  const env = {
    ...installEnvironment(world.env),
    PATH: `${own}:${world.env["PATH"] ?? "/usr/bin:/bin"}`,
  };
  let whole = false;
  try {
    const result = await runQuietly(path.join(runtime, "bin/pnpm"), args, {
      cwd: root,
      env,
      signal: world.signal,
      progress: () => folderBytes(path.join(runtime, "store")),
    });
    world.signal.throwIfAborted();
    if (result.code !== 0) throw explain("pnpm", { ...result, tail: pnpmTail(result) }, root);
    whole = true;
  } finally {
    if (!whole && fresh) removeModules(root);
  }
};

/**
 * @param {import("./children.mjs").QuietResult} result
 * @returns {string[]}
 */
const pnpmTail = (result) => {
  const lines = [];
  for (const line of result.output.split("\n")) {
    try {
      const event = JSON.parse(line);
      if (event.level === "error" || event.level === "warn") lines.push(`${event.message}`);
    } catch {
      if (line.trim() !== "") lines.push(line);
    }
  }
  return lines.slice(-6);
};

/** @param {string} root */
const removeModules = (root) => {
  const folders = [root, path.join(root, "tests"), path.join(root, "tools")];
  for (const group of ["packages", "apps"]) {
    for (const name of fs.readdirSync(path.join(root, group))) {
      folders.push(path.join(root, group, name));
    }
  }
  for (const folder of folders) {
    fs.rmSync(path.join(folder, "node_modules"), { recursive: true, force: true });
  }
};

const networkSigns =
  /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ECONNABORTED|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ENETDOWN|EPROTO|ERR_SOCKET_TIMEOUT|ERR_PNPM_(META_FETCH_FAIL|FETCH\b)|NETWORK_ERROR|error sending request|dns error|network (request|timeout)|socket hang up|certificate|CERT_/i;

/**
 * Says in our words why npm or pnpm failed.
 * @param {"npm" | "pnpm"} tool
 * @param {import("./children.mjs").QuietResult} result
 * @param {string} root
 */
const explain = (tool, { output, tail, stalled, code }, root) => {
  if (/ENOSPC|EDQUOT|no space left|os error 28/i.test(output)) {
    return new BootstrapError("E_BOOTSTRAP_DISK", `the disk under ${root} filled up`, tail);
  }
  if (/EINTEGRITY|ERR_PNPM_TARBALL_INTEGRITY|integrity check/i.test(output)) {
    return new BootstrapError(
      "E_BOOTSTRAP_INTEGRITY",
      `${tool} got a package whose checksum is wrong`,
      tail,
    );
  }
  if (stalled || networkSigns.test(output)) {
    return new BootstrapError(
      "E_BOOTSTRAP_NETWORK",
      `${tool} could not reach the package registry${stalled ? " (no answer)" : ""}`,
      tail.slice(-3),
    );
  }
  if (/EROFS|EACCES|os error (30|13)\b/i.test(output)) {
    return new BootstrapError("E_BOOTSTRAP_READ_ONLY", `${tool} could not write in ${root}`, tail);
  }
  return new BootstrapError("E_BOOTSTRAP_INSTALL", `${tool} ended with code ${code}`, tail);
};

/**
 * Size of everything under a folder; only used to see whether it changes.
 * @param {string} folder
 * @returns {number}
 */
const folderBytes = (folder) => {
  let sum = 0;
  try {
    for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
      const full = path.join(folder, entry.name);
      if (entry.isDirectory()) sum += folderBytes(full);
      else if (entry.isFile()) sum += fs.lstatSync(full).size + 1;
    }
  } catch {
    // It is being renamed under us; the next look counts.
  }
  return sum;
};
