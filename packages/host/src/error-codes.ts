/** What the codes of this package mean, without what they come from. */
import type { ErrorCatalogue } from "@ioi/base";
import { errors as backup } from "./backup/errors.ts";
import { errors as crypto } from "./crypto/errors.ts";
import { errors as dataplane } from "./dataplane/errors.ts";
import { errors as libc } from "./libc/errors.ts";
import { errors as ports } from "./ports/errors.ts";
import { errors as process } from "./process/errors.ts";
import { errors as rpc } from "./rpc/errors.ts";
import { errors as sandbox } from "./sandbox/errors.ts";

export const errors: ErrorCatalogue = {
  ...backup,
  ...crypto,
  ...dataplane,
  ...libc,
  ...ports,
  ...process,
  ...rpc,
  ...sandbox,
};
