/**
 * What of a person's environment reaches the kernel: what it needs to run, and keys of services,
 * which go to the Guardian over a descriptor and into no process's environment.
 */
import { knownKeys } from "@ioi/guardian/known-keys";
import { memoryFile } from "@ioi/host/libc";

type Environment = Readonly<Record<string, string | undefined>>;

/** Needed to find programs and folders, and to say times and letters as the person does. */
const passed: readonly string[] = [
  "HOME",
  "LANG",
  "LC_ALL",
  "LC_CTYPE",
  "LOGNAME",
  "NODE_COMPILE_CACHE",
  "NODE_V8_COVERAGE",
  "PATH",
  "SSL_CERT_DIR",
  "SSL_CERT_FILE",
  "TERM",
  "TMPDIR",
  "TZ",
  "USER",
  "XDG_CACHE_HOME",
  "XDG_CONFIG_HOME",
  "XDG_DATA_HOME",
  "XDG_RUNTIME_DIR",
];

export const kernelEnvironment = (env: Environment): Record<string, string> => {
  const kept: Record<string, string> = {};
  for (const name of passed) {
    const value = env[name];
    if (value !== undefined) kept[name] = value;
  }
  return kept;
};

/** Names of the keys that this environment offers. */
export const keysIn = (env: Environment): readonly string[] =>
  [...knownKeys.keys()].filter((name) => (env[name] ?? "").trim() !== "");

/** A descriptor of a file that holds them; undefined where there are none. */
export const keysFile = (env: Environment): number | undefined => {
  const names = keysIn(env);
  if (names.length === 0) return undefined;
  const bytes = Buffer.from(JSON.stringify(Object.fromEntries(names.map((n) => [n, env[n]]))));
  const descriptor = memoryFile("keys", bytes);
  bytes.fill(0);
  return descriptor;
};
