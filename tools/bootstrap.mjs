/**
 * Brings a fresh clone to a running program: installs the pinned runtime, the packages of the
 * lockfile, then hands over to TypeScript on that runtime.
 *
 * Usage: node tools/bootstrap.mjs start|test|check|gen|cli [arguments]
 *
 * This first file is written in the language of very old Node releases, so that they can still read
 * it and be told what is wrong; everything else is behind the dynamic import.
 */
var major = Number(process.version.slice(1).split(".")[0]);

if (major < 20) {
  var message = "Node " + process.version.slice(1) + " cannot run this; Node 20 or newer is needed";
  var next =
    "install Node 20 or newer (any package manager's build will do) and run the same command again";
  if (process.argv.indexOf("--json") !== -1) {
    process.stdout.write(
      JSON.stringify({ code: "E_BOOTSTRAP_NODE", message: message, next: next, cause: [] }) + "\n",
    );
  }
  process.stderr.write("error[E_BOOTSTRAP_NODE]: " + message + ". Next: " + next + "\n");
  process.exitCode = 7;
} else {
  import("./bootstrap/main.mjs").then(function (main) {
    return main.main(process.argv.slice(2));
  });
}
