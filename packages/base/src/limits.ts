/** Bounds of the vocabulary. */

/** Bytes of UTF-8 in one path of the Files port. */
export const filesPathBytesMax = 4000;
/** Bytes of UTF-8 in one name of the Files port, leaving room for a replacement's affixes. */
export const filesNameBytesMax = 249;
