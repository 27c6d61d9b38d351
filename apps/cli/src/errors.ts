/** Errors that the command line itself meets. `docs/errors.md` is generated from these entries. */
import type { ErrorCatalogue } from "@ioi/base";

export const errors = {
  E_CLI_MCP_PROGRAM: {
    what: "The program of an MCP server was not found.",
    why: "It is not on the search path, or is no file that can be hashed.",
    next: "Give its absolute path behind --.",
    exit: 2,
  },
  E_CLI_MCP_RUNNER: {
    what: "An MCP server cannot be started by what fetches it.",
    why: "Behind the gate there is no network, and a server is confirmed as a file with a hash.",
    next: "Install the server and name its program behind --.",
    exit: 2,
  },
  E_CLI_GATE_CLIENT: {
    what: "The configuration of an MCP client cannot be used.",
    why: "It is not where this client keeps it, or is no JSON.",
    next: "./ioi gate install --help names the clients that are known.",
    exit: 5,
  },
  E_CLI_MCP_LOOK: {
    what: "An MCP server did not say what its tools are.",
    why: "It did not start, ended, or does not speak the protocol; it is confirmed all the same.",
    next: "./ioi mcp list shows what it sees; --read gives it a folder that it lacks.",
    exit: 5,
  },
  E_CLI_MCP_LINE: {
    what: "A client sent more than a message may have.",
    why: "A gate reads whole messages, and their size is bounded.",
    next: "docs/limits.md names the bound.",
    exit: 5,
  },
  E_CLI_ATTACHMENT: {
    what: "What was to be attached is no file of the task.",
    why: "It is not there, is not a plain file, or lies in no folder of the task.",
    next: "Name a file in the folder that --workspace gives.",
    exit: 5,
  },
  E_CLI_USAGE: {
    what: "The command line is not one that ioi knows.",
    why: "A command, an option or a value is missing, unknown or malformed.",
    next: "./ioi --help",
    exit: 2,
  },
  E_CLI_UNKNOWN_NAME: {
    what: "There is no suite or bench of this name.",
    why: "Names are exact.",
    next: "./ioi suite --list",
    exit: 2,
  },
  E_CLI_UNAVAILABLE: {
    what: "This version does not have what was asked for.",
    why: "It is described but not built yet, or this machine lacks what it needs.",
    next: "The status table of README.md says what is there.",
    exit: 7,
  },
  E_CLI_NO_DATA: {
    what: "The data folder is not there.",
    why: "Nothing was started with it yet, or --data names another folder.",
    next: "./ioi start --data D makes it.",
    exit: 5,
  },
  E_CLI_NO_KERNEL: {
    what: "No kernel runs on this data folder.",
    why: "The command looks at a running kernel and starts none.",
    next: "./ioi start",
    exit: 5,
  },
  E_CLI_KERNEL_START: {
    what: "The kernel did not start.",
    why: "The message is its own; the log files hold more.",
    next: "./ioi logs",
    exit: 5,
  },
  E_CLI_KERNEL_GONE: {
    what: "The kernel ended while a command waited for it.",
    why: "It was stopped or killed and did not come back in time.",
    next: "./ioi sessions list shows what it had acknowledged.",
    exit: 5,
  },
  E_CLI_NO_PAGE: {
    what: "The kernel serves no page.",
    why: "It was started with --no-page, or by a command for its own time.",
    next: "./ioi start",
    exit: 5,
  },
  E_CLI_MODEL_UNKNOWN: {
    what: "No model of this name is confirmed.",
    why: "Agents ask only models that a person confirmed; names are exact.",
    next: "./ioi models list shows them; ./ioi models discover looks on this machine.",
    exit: 2,
  },
  E_CLI_SERVICE_ROOT: {
    what: "Only the superuser installs and removes the service.",
    why: "It makes users of the machine and gives folders to them.",
    next: "sudo ./ioi service install",
    exit: 2,
  },
  E_CLI_SERVICE_INSTALLED: {
    what: "The service is installed already.",
    why: "The data folder names its users.",
    next: "./ioi service status",
    exit: 5,
  },
  E_CLI_SERVICE_MISSING: {
    what: "The service is not installed here.",
    why: "The data folder names no users, or --data names another folder.",
    next: "./ioi service status --data D",
    exit: 5,
  },
  E_CLI_SERVICE_USER: {
    what: "A user of the service's name is on this machine already.",
    why: "Another installation, or somebody else, made it; it is not taken over.",
    next: "./ioi service status with the other installation's --data, or userdel the user.",
    exit: 5,
  },
  E_CLI_SERVICE_FOLDER: {
    what: "The folder holds a kernel's data already.",
    why: "Its keys were made by another user, and stay what they are worth.",
    next: "Choose another with --data.",
    exit: 5,
  },
  E_CLI_SERVICE_PROGRAM: {
    what: "The service's users could not run the program.",
    why: "A folder above it, or the program, is closed to other users.",
    next: "Put IOI below /opt, or open the folder that the message names.",
    exit: 5,
  },
  E_CLI_SERVICE_RUNNING: {
    what: "The kernel of the service runs.",
    why: "Its users and folders cannot go while it does.",
    next: "Stop it, then uninstall.",
    exit: 5,
  },
  E_CLI_SERVICE_STEP: {
    what: "A step of the installation failed.",
    why: "The message names the command and its own words; what was begun was taken back.",
    next: "Mend what it names, then try again.",
    exit: 5,
  },
  E_CLI_CARD_MISMATCH: {
    what: "The card that was shown is not the one that the approval names.",
    why: "The hash of the card's text differs; signing it would approve something unseen.",
    next: "Do not approve; ./ioi receipts verify",
    exit: 5,
  },
  E_CLI_SCOPE_REFUSED: {
    what: "The task did not begin: its scope was not accepted.",
    why: "The scope card was answered with no.",
    next: "Say the task in other words, or choose the folder with --workspace and --access.",
    exit: 3,
  },
  E_CLI_DEVICE_KEY: {
    what: "The device key of this terminal cannot be used.",
    why: "The file is missing, malformed, or readable by others.",
    next: "./ioi keys shows where it lies; it is made on the first start.",
    exit: 5,
  },
  E_CLI_RECEIPTS_WRONG: {
    what: "The receipt log is not what the Guardian signed.",
    why: "A byte was changed, a record is missing, or the key is another one.",
    next: "Compare with an export that you made earlier: ./ioi receipts verify --bundle FILE --key KEY",
    exit: 6,
  },
  E_CLI_NO_RECEIPTS: {
    what: "There is no receipt log to read.",
    why: "Nothing was done with this data folder yet.",
    next: "./ioi run '/help'",
    exit: 5,
  },
  E_CLI_FILE: {
    what: "A file cannot be read.",
    why: "It is missing, too large, or not what it should be.",
    next: "Check the path.",
    exit: 5,
  },
  E_CLI_OUT: {
    what: "A file cannot be written.",
    why: "The folder is missing or read-only, or the disk is full.",
    next: "Choose another path.",
    exit: 5,
  },
  E_CLI_SYSTEM: {
    what: "The system refused something the command needed.",
    why: "The message is the system's own.",
    next: "Check permissions and free space.",
    exit: 5,
  },
  E_CLI_BUG: {
    what: "A bug of ioi ended the command.",
    why: "Something that cannot be did happen.",
    next: "Please report it with the file that the message names; it holds no content of yours.",
    exit: 1,
  },
} as const satisfies ErrorCatalogue;

export type CliErrorCode = keyof typeof errors;
