/** Errors of the launcher: what keeps the kernel or a driver from starting. */
import type { ErrorCatalogue } from "@ioi/base";

export const errors = {
  E_LAUNCHER_CONFIG: {
    what: "The launcher got no readable configuration.",
    why: "It was started by hand.",
    next: "Start the kernel with ./ioi start.",
    exit: 2,
  },
  E_LAUNCHER_HOST: {
    what: "The kernel does not listen on this address.",
    why: "An address other than loopback needs authentication, which is not available yet.",
    next: "./ioi start --host 127.0.0.1",
    exit: 7,
  },
  E_DATA_MIGRATION: {
    what: "The data folder of an older version could not be brought to this one.",
    why: "The copy that is kept before could not be made; nothing else was changed.",
    next: "Free some space, or check the permissions of the data folder, and start again.",
    exit: 5,
  },
  E_LAUNCHER_BOOT: {
    what: "The kernel's processes did not become ready.",
    why: "One of them ended or did not answer in time.",
    next: "./ioi logs shows the last events of each process.",
    exit: 5,
  },
  E_DRIVER_REFUSED: {
    what: "A driver was not started.",
    why: "Its profile is not signed by the Guardian, or names a folder that cannot be shown to it.",
    next: "./ioi policy lint, then check that the folders named there exist.",
    exit: 5,
  },
  E_DRIVERS_FULL: {
    what: "Too many drivers run at once.",
    why: "The number is bounded so that the machine stays usable.",
    next: "Stop a session with ./ioi stop SESSION.",
    exit: 5,
  },
  E_KERNEL_HELD: {
    what: "Too many programs need this kernel at once.",
    why: "Each gate before a server holds the kernel that another one started; their number is bounded.",
    next: "End a client, or keep a kernel running with ./ioi start.",
    exit: 5,
  },
  E_FOLDER_REFUSED: {
    what: "A folder is not shown.",
    why: "It is outside the home, belongs to the product, or cannot be read.",
    next: "Choose another folder, or name one with ./ioi run --workspace.",
    exit: 5,
  },
  E_DOCTOR_FAILED: {
    what: "The self-test gave no report.",
    why: "It took too long, or could not be started.",
    next: "Run ./ioi doctor.",
    exit: 5,
  },
  E_LAUNCHER_IDENTITIES: {
    what: "The users of the service are not what they should be.",
    why: "identities.json of the data folder is damaged, or others than the superuser can change it.",
    next: "sudo ./ioi service install writes it.",
    exit: 5,
  },
  E_LAUNCHER_SERVICE: {
    what: "Only the superuser starts the kernel on this data folder.",
    why: "It was installed as a service: each of its processes runs as a user of its own.",
    next: "sudo ./ioi service status says how it is started.",
    exit: 5,
  },
  E_PAGE_PORT: {
    what: "No port for the page is free.",
    why: "Other programs listen on the wanted one and on those after it.",
    next: "Choose another with --page-port, or 0 for any free one.",
    exit: 5,
  },
} as const satisfies ErrorCatalogue;
