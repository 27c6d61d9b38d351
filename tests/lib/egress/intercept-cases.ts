/**
 * Programs whose encrypted connections to one host are opened by consent, in the little world of `suite
 * egress`: real clients, a real server, an authority that one program believes. Controls: the same bytes
 * in a tunnel, which pass unread, and another program's authority.
 */
import fs from "node:fs";
import path from "node:path";
import { caseOf, policy, secureName, type World } from "./place.ts";
import { fetch, lines, type ProgramView, run, said, script } from "./program-cases.ts";

const url = `https://${secureName}`;

const opened = `
[[rule]]
id = "opened"
effect = "allow"
target = ["sys::exec"]
where.argv = { profile = "closed" }
network = [{ host = "${secureName}", intercept = true }]
`;

const looked = `
[[rule]]
id = "posts"
effect = "allow"
target = ["net::post"]
where.url = { host = "${secureName}" }
[[rule]]
id = "no-canary"
effect = "deny"
target = ["net::post"]
where.content = { contains = "canary-words" }
`;

const tunnelled = opened.replace(", intercept = true", "");

const setPolicy = (world: World, text: string): void => {
  fs.writeFileSync(path.join(world.data, "guardian/policy.toml"), text, { mode: 0o600 });
};

const modes = (view: ProgramView): string => {
  const evidence = view.actions[0]?.outcome?.evidence ?? {};
  return `${evidence["net_modes"] ?? "none"}`;
};

const python = `python3 -c 'import urllib.request as u; print(u.urlopen("${url}/python").read().decode())'`;

/** By its lease: what clients say is read, and they see nothing of it. */
const leasedCases = async (world: World): Promise<void> => {
  const { cases } = world;
  const view = await run(
    world,
    script(world, "opened.sh", [
      `curl -sS -m 20 ${url}/curl`,
      python,
      fetch("--http2", `${url}/two`),
      "cp /etc/ioi-trust.pem mine.pem",
      fetch("--cacert mine.pem", `${url}/own`),
      `curl -s -m 20 --pinnedpubkey sha256//${"A".repeat(43)}= ${url}/pinned; echo pinned $?`,
      fetch("-H 'connection: upgrade' -H 'upgrade: websocket'", `${url}/socket`),
    ]),
  );
  const page = `page of ${secureName}`;
  const [curl, py, ...rest] = lines(view).filter((each) => each !== "");
  const pinned = world.secure.requests.filter((each) => /pinned|socket/.test(each)).length;
  cases.push(
    caseOf(
      "what programs say to a host that is opened is read, and goes",
      `${page}, ${page}, 200 200, 200 200, intercepted`,
      `${curl}, ${py}, ${rest[0]}, ${rest[1]}, ${modes(view)}`,
    ),
    caseOf(
      "a program that knows its server's key fails, and so does what upgrades",
      "pinned 90, 200 501, 0 requests",
      `${rest[2]}, ${rest[3]}, ${pinned} requests`,
    ),
  );
};

/** One program's authority is nobody else's. */
const authorityCases = async (world: World): Promise<void> => {
  const { cases } = world;
  const view = await run(
    world,
    script(world, "others.sh", [fetch("--cacert mine.pem", `${url}/other`), fetch(`${url}/again`)]),
  );
  const mine = fs.readFileSync(path.join(world.workspace, "mine.pem"), "latin1");
  const certificate = mine.slice(mine.lastIndexOf("-----BEGIN"));
  const store = "/etc/ssl/certs/ca-certificates.crt";
  const outside = fs.existsSync(store) ? fs.readFileSync(store, "latin1") : "";
  cases.push(
    caseOf(
      "an authority is believed by its program alone: not by the next, nor outside",
      "200 000; 200 200; outside false, false",
      `${lines(view).slice(0, 2).join("; ")}; outside ` +
        `${outside.includes(certificate)}, ${fs.existsSync("/etc/ioi-trust.pem")}`,
    ),
  );
};

/** Where to stands in what the person typed; in a script it would be nobody's word. */
const post = async (
  world: World,
  words: string,
  ...more: readonly string[]
): Promise<ProgramView> =>
  await run(world, [
    "curl",
    "-s",
    "-m",
    "20",
    "-o",
    "answer",
    "-w",
    "%{http_code}",
    "-d",
    words,
    ...more,
    `${url}/in`,
  ]);

/** A rule on content holds inside; in a tunnel nobody can keep it. */
const contentCases = async (world: World): Promise<void> => {
  const { cases, secure } = world;
  const got = (): number => secure.requests.filter((each) => each.startsWith("POST")).length;
  setPolicy(world, policy + opened + looked);
  const plain = await post(world, "plain-words");
  const refused = await post(world, "canary-words");
  const inside = got();
  setPolicy(world, policy + tunnelled + looked);
  const unread = await post(world, "canary-words", "-k");
  cases.push(
    caseOf(
      "a rule on content refuses what is said inside TLS",
      "200; 403; 1 request, intercepted",
      `${said(plain)}; ${said(refused)}; ${inside} request, ${modesOfWants(plain)}`,
      got() > inside,
    ),
    caseOf(
      "the same in a tunnel passes unread, and says so",
      "200, tunnel",
      `${said(unread)}, ${modes(unread)}`,
    ),
  );
};

const modesOfWants = ({ actions }: ProgramView): string =>
  [...new Set(actions.slice(1).flatMap(({ outcome }) => outcome?.evidence["mode"] ?? []))].join(
    " ",
  );

/** Named on the command line, without a rule. */
const namedCases = async (world: World): Promise<void> => {
  const { cases } = world;
  setPolicy(world, policy);
  const view = await run(
    world,
    ["curl", "-sS", "-m", "20", `${url}/named`],
    ["--intercept", secureName],
  );
  cases.push(
    caseOf(
      "a host that the person names to be read",
      `page of ${secureName}, net::get GET ${url}/named allow, intercepted`,
      `${said(view)}, ${view.actions[1]?.display} ${view.actions[1]?.verdict}, ${modesOfWants(view)}`,
    ),
  );
};

export const interceptCases = async (world: World): Promise<void> => {
  setPolicy(world, policy + opened);
  await leasedCases(world);
  await authorityCases(world);
  await contentCases(world);
  await namedCases(world);
  setPolicy(world, policy);
};
