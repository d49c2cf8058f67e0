import { bytesToBigInt, equalsBytes } from "./bytes.ts";

/** Solidity's Error(string), which every tool decodes without an ABI. */
const SELECTOR = Uint8Array.of(0x08, 0xc3, 0x79, 0xa0);

/** selector ‖ 32 ‖ length ‖ UTF-8 text padded to 32 bytes. */
export function revertReason(text: string): Uint8Array {
  const bytes = new TextEncoder().encode(text);
  const out = new Uint8Array(4 + 64 + Math.ceil(bytes.length / 32) * 32);
  const view = new DataView(out.buffer);
  out.set(SELECTOR);
  view.setUint32(4 + 28, 32);
  view.setUint32(4 + 60, bytes.length);
  out.set(bytes, 4 + 64);
  return out;
}

/**
 * The text of Error(string), at most `mostBytes` of it. Undefined when these are not its bytes; what stands after the
 * text, and how it is padded, does not matter: contracts write it by hand.
 */
export function readRevertReason(output: Uint8Array, mostBytes: number): string | undefined {
  if (output.length < 4 + 64 || !equalsBytes(output.subarray(0, 4), SELECTOR)) return undefined;
  const words = output.subarray(4);
  const offset = bytesToBigInt(words.subarray(0, 32));
  if (offset + 32n > BigInt(words.length)) return undefined;
  const start = Number(offset) + 32;
  const length = bytesToBigInt(words.subarray(start - 32, start));
  if (length > BigInt(words.length - start)) return undefined;
  return new TextDecoder().decode(words.subarray(start, start + Math.min(Number(length), mostBytes)));
}
