/** Errors of channels between processes and of key files. */
import type { ErrorCatalogue } from "@ioi/base";

export const errors = {
  E_TLS_PEER_REFUSED: {
    what: "The other end of a channel is not who it must be.",
    why: "Its certificate is missing, foreign or names another process, or it offers less than X25519MLKEM768.",
    next: "Restart the kernel; if it comes again, ./ioi doctor",
    exit: 5,
  },
  E_TLS_HANDSHAKE: {
    what: "A TLS handshake between two processes did not finish.",
    why: "The other end closed, refused, or took too long.",
    next: "Restart the kernel; if it comes again, ./ioi doctor",
    exit: 5,
  },
  E_KEYSTORE_IO: {
    what: "The key store or its key file cannot be read or written.",
    why: "The file is missing, not readable by this user, or the disk is full or read-only.",
    next: "Check the data folder's permissions and free space.",
    exit: 5,
  },
  E_KEYSTORE_OPEN_TO_OTHERS: {
    what: "Other users may read the key file.",
    why: "Its mode is wider than 0600.",
    next: "chmod 600 the file named in the message",
    exit: 5,
  },
} as const satisfies ErrorCatalogue;
