/** Errors of channels between processes. */
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
} as const satisfies ErrorCatalogue;
