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
