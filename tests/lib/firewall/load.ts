/**
 * The load of `bench firewall`: rules and actions made from a seed, as this policy language says
 * them and as Cedar does. Every second action is one that some rule allows.
 */
import type { SeededRandom } from "@ioi/base";
import type { Root } from "@ioi/firewall";
import type { Action, CanonicalValue, Facts } from "@ioi/wire";

/** What a rule speaks of: below a folder by ending, a host's path, or a program. */
interface LoadRule {
  readonly id: string;
  readonly target: string;
  readonly effect: "allow" | "ask" | "deny";
  readonly name: string;
  readonly ending: string;
}

export interface Load {
  readonly toml: string;
  /** One policy for each rule that allows or denies, by id. */
  readonly cedar: Readonly<Record<string, string>>;
  readonly actions: readonly Action[];
  readonly roots: readonly Root[];
  readonly home: string;
}

const scope = "/home/u/work";
const home = "/home/u";
const endings = ["txt", "pdf", "csv", "md", "json", "png"] as const;
const targetsDrawn = [
  "fs::read",
  "fs::write",
  "fs::list",
  "fs::move",
  "fs::copy",
  "fs::delete",
  "net::get",
  "sys::exec",
] as const;

const pick = <T>(random: SeededRandom, list: readonly T[]): T =>
  list[random.below(list.length)] as T;

const makeRule = (random: SeededRandom, at: number): LoadRule => {
  const effect = pick(random, ["allow", "allow", "allow", "ask", "deny"] as const);
  const target = pick(random, targetsDrawn);
  return { id: `rule-${at}`, target, effect, name: `p${at}`, ending: pick(random, endings) };
};

const whereOf = ({ target, effect, name, ending }: LoadRule): string => {
  const glob = `{ glob = "scope:/${name}/**/*.${ending}" }`;
  if (target === "net::get") {
    return `where.url = { scheme = "https", host = "${name}.example.com", path_glob = "/v1/**" }`;
  }
  if (target === "sys::exec") {
    return `where.argv = { program = "/opt/${name}/bin/${name}", first = ["status"], rest = { matches = "[0-9]{1,4}" } }`;
  }
  // A refusal of a whole folder is one that sandboxes keep too; with any other programs would ask.
  if (effect === "deny") return `where.path = { glob = "scope:/${name}/**" }`;
  return target === "fs::move" || target === "fs::copy"
    ? `where.path = ${glob}\nwhere.to = ${glob}`
    : `where.path = ${glob}`;
};

const tomlOf = (rules: readonly LoadRule[]): string =>
  `version = 1\n${rules
    .map(
      (rule) =>
        `[[rule]]\nid = "${rule.id}"\neffect = "${rule.effect}"\ntarget = ["${rule.target}"]\n${whereOf(rule)}\n`,
    )
    .join("\n")}`;

/** Cedar has no asking; what asks here is a permission there, judged the same way. */
const cedarOf = ({ target, effect, name, ending }: LoadRule): string => {
  const head = `${effect === "deny" ? "forbid" : "permit"}(principal, action == Action::"${target}", resource)`;
  const path = (key: string): string => `context.${key} like "${scope}/${name}/*.${ending}"`;
  if (target === "net::get") {
    return `${head} when { context.scheme == "https" && context.host == "${name}.example.com" && context.path like "/v1/*" };`;
  }
  if (target === "sys::exec") {
    return `${head} when { context.program == "/opt/${name}/bin/${name}" && context.first == "status" };`;
  }
  if (effect === "deny") return `${head} when { context.path like "${scope}/${name}/*" };`;
  return target === "fs::move" || target === "fs::copy"
    ? `${head} when { ${path("path")} && ${path("to")} };`
    : `${head} when { ${path("path")} };`;
};

const factsOf = (realPath: string): Facts => ({
  realPath,
  exists: true,
  kind: "file",
  nlink: 1,
  size: 100,
});

const actionFor = (random: SeededRandom, { target, name, ending }: LoadRule): Action => {
  const file = `${scope}/${name}/a${random.below(100)}/b.${ending}`;
  const args: Record<string, CanonicalValue> = {};
  const facts: Record<string, Facts> = {};
  if (target === "net::get") {
    args["url"] = `https://${name}.example.com/v1/a${random.below(100)}`;
  } else if (target === "sys::exec") {
    const realPath = `/opt/${name}/bin/${name}`;
    args["argv"] = [realPath, "status", `${random.below(1000)}`];
    args["cwd"] = scope;
    facts["program"] = { realPath, exists: true, kind: "file", sha256: new Uint8Array(32) };
    facts["cwd"] = { realPath: scope, exists: true, kind: "directory" };
  } else {
    args["path"] = file;
    facts["path"] = factsOf(file);
    if (target === "fs::move" || target === "fs::copy") {
      args["to"] = `${scope}/${name}/c/d${random.below(100)}.${ending}`;
      facts["to"] = factsOf(args["to"] as string);
    }
    if (target === "fs::write") {
      args["content"] = { sha256: new Uint8Array(32), length: 5, head: "hello" };
      args["create"] = "any";
    }
  }
  return { version: 1, target, args, facts };
};

export const makeLoad = (random: SeededRandom, rules: number, actions: number): Load => {
  const made = Array.from({ length: rules }, (_, at) => makeRule(random, at));
  const allowing = made.filter(({ effect }) => effect === "allow");
  return {
    toml: tomlOf(made),
    cedar: Object.fromEntries(made.map((rule) => [rule.id, cedarOf(rule)])),
    actions: Array.from({ length: actions }, (_, at) => {
      const rule = pick(random, allowing);
      return actionFor(random, at % 2 === 0 ? rule : { ...rule, name: "nowhere" });
    }),
    roots: [{ name: "scope", path: scope, access: "write" }],
    home,
  };
};
