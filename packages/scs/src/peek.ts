/** What a file says of itself before anybody opens it: who can, and what made its vectors. */
import { type Place, readHeader, requireFile } from "./header.ts";
import type { Parameters } from "./messages.ts";

/** The parameters of a file, which lie open. */
export const peekMemoryFile = async (place: Place): Promise<Parameters> => {
  await requireFile(place);
  const handle = await place.files.open(place.path, "read");
  try {
    return (await readHeader(handle, place)).parameters;
  } finally {
    await handle.close();
  }
};
