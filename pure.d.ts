/**
 * What the pure folders may use of the platform: UTF-8 and WebAssembly of libraries, nothing that reads a clock, a
 * timer, a file or randomness. Only tsconfig.pure.json includes this file.
 */
declare class TextEncoder {
  encode(text: string): Uint8Array<ArrayBuffer>;
}

declare class TextDecoder {
  constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
  decode(bytes: Uint8Array): string;
}
