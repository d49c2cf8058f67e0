/**
 * Map keys for short byte strings: one char a byte. Spelling the arguments out lets V8 build a flat string in one
 * step, which beats `Buffer.latin1Slice`, hex and loops; state lookups do this for every access.
 */
export function bytesKey(b: Uint8Array): string {
  if (b.length === 20) return key20(b);
  if (b.length === 32) return key32(b);
  let key = "";
  for (let i = 0; i < b.length; i++) key += String.fromCharCode(b[i]!);
  return key;
}

/** Inverse of `bytesKey`. */
export function keyBytes(key: string): Uint8Array {
  return writeKey(key, new Uint8Array(key.length), 0);
}

/** Writes the bytes of a key to `out` from `at`; returns `out`. */
export function writeKey(key: string, out: Uint8Array, at: number): Uint8Array {
  for (let i = 0; i < key.length; i++) out[at + i] = key.charCodeAt(i);
  return out;
}

// biome-ignore format: one line per quarter reads better than one argument per line
const key20 = (b: Uint8Array) => String.fromCharCode(
  b[0]!, b[1]!, b[2]!, b[3]!, b[4]!, b[5]!, b[6]!, b[7]!, b[8]!, b[9]!,
  b[10]!, b[11]!, b[12]!, b[13]!, b[14]!, b[15]!, b[16]!, b[17]!, b[18]!, b[19]!,
);

// biome-ignore format: as above
const key32 = (b: Uint8Array) => String.fromCharCode(
  b[0]!, b[1]!, b[2]!, b[3]!, b[4]!, b[5]!, b[6]!, b[7]!, b[8]!, b[9]!, b[10]!, b[11]!, b[12]!, b[13]!, b[14]!, b[15]!,
  b[16]!, b[17]!, b[18]!, b[19]!, b[20]!, b[21]!, b[22]!, b[23]!, b[24]!, b[25]!, b[26]!, b[27]!, b[28]!, b[29]!, b[30]!, b[31]!,
);
