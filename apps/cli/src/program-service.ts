/** The commands of the service. */
import { type Command, Option } from "commander";
import { bind, type Build, examples, group } from "./build.ts";

const place = (): Option =>
  new Option("--data <dir>", "the service's data folder (default: /var/lib/ioi)");

export const addServiceCommands = (program: Command, build: Build): void => {
  const service = group(
    program,
    "service",
    "one user of the machine for each process, by root, once",
  );
  const install = service
    .command("install")
    .description("make the users and their folders, and a unit where systemd runs")
    .addOption(place())
    .option("--person <name>", "whose agents will run; with sudo, who called it")
    .option("--dry-run", "only show what would be done");
  examples(install, ["service install --dry-run", "service install --person anna"]);
  bind(build, install, async () => (await import("./commands/service.ts")).install);
  const uninstall = service
    .command("uninstall")
    .description("remove the users and the unit")
    .addOption(place())
    .option("--keep-data", "keep policy, keys and receipts, as root's")
    .option("--delete-data", "delete them")
    .option("--dry-run", "only show what would be done");
  examples(uninstall, ["service uninstall --dry-run", "service uninstall --keep-data"]);
  bind(build, uninstall, async () => (await import("./commands/service.ts")).uninstall);
  const status = service
    .command("status", { isDefault: true })
    .description("whether it is installed, under which users, and whether it runs")
    .addOption(place());
  examples(status, ["service status", "service status --json"]);
  bind(build, status, async () => (await import("./commands/service.ts")).status);
};
