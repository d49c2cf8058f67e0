/**
 * What earlier contributions hold: exact copies by content root, near-duplicates by signature, passages by fingerprint.
 * It only grows, in the order in which contributions count as earlier, and can be saved as bytes and read again.
 *
 * Memory of a contribution: some 1.6 KB and 0.5 to 1 byte a byte of new text (near-index.ts, coverage-index.ts).
 */
import { createHash } from "node:crypto";
import { bytesToHex, compareBytes, type Hex, hexToBytes } from "../../core/bytes.ts";
import { type Coverage, CoverageIndex } from "./coverage-index.ts";
import { type Near, NearIndex } from "./near-index.ts";
import type { Sketch } from "./sketch.ts";
import { COMMON_HOLDERS, DUPLICATE, INDEX_LIMITS, INDEX_VERSION, SKETCH } from "./thresholds.ts";

export interface IndexedContent {
  /** A contribution id in decimal, or a file name. */
  readonly id: string;
  readonly contentRoot: Hex;
}

export interface Comparison {
  /** The first content with the same root. */
  readonly exact: string | undefined;
  readonly near: readonly { readonly id: string; readonly jaccard: number }[];
  readonly coverage: Omit<Coverage, "sources"> & { readonly sources: readonly { id: string; words: number }[] };
}

/** `version`: of another version of the index; `damaged`: not the bytes that were saved. Either way it is built anew. */
export class QualityIndexError extends Error {
  readonly code: "version" | "damaged" | "full";
  constructor(code: QualityIndexError["code"], message: string) {
    super(message);
    this.name = "QualityIndexError";
    this.code = code;
  }
}

export class QualityIndex {
  readonly #contents: IndexedContent[] = [];
  readonly #byRoot = new Map<Hex, number>();
  readonly #near = new NearIndex();
  readonly #coverage = new CoverageIndex();

  /** In the order in which they were added. */
  get contents(): readonly IndexedContent[] {
    return this.#contents;
  }

  /** Throws QualityIndexError `full`. */
  add(content: IndexedContent, sketch: Pick<Sketch, "signature" | "fingerprints">): void {
    const position = this.#contents.length;
    if (
      position >= INDEX_LIMITS.contributions ||
      this.#coverage.size + sketch.fingerprints.length > INDEX_LIMITS.fingerprints
    ) {
      throw new QualityIndexError("full", `the index holds ${position} contributions, as many as fit`);
    }
    this.#append(content, sketch.signature);
    this.#coverage.add(position, sketch.fingerprints);
  }

  /** Against everything that was added so far. */
  compare(contentRoot: Hex, sketch: Sketch): Comparison {
    const idOf = (position: number): string => this.#contents[position]!.id;
    const exact = this.#byRoot.get(contentRoot);
    const near: Near[] = this.#near.near(sketch.signature, DUPLICATE.similar);
    const { covered, common, sources } = this.#coverage.coverage(sketch.shingles, sketch.words, COMMON_HOLDERS);
    return {
      exact: exact === undefined ? undefined : idOf(exact),
      near: near.map(({ position, jaccard }) => ({ id: idOf(position), jaccard })),
      coverage: { covered, common, sources: sources.map(({ position, words }) => ({ id: idOf(position), words })) },
    };
  }

  #append(content: IndexedContent, signature: Uint32Array): void {
    if (!this.#byRoot.has(content.contentRoot)) this.#byRoot.set(content.contentRoot, this.#contents.length);
    this.#contents.push(content);
    this.#near.add(signature);
  }

  /**
   * `"OLQI" ‖ u32 version ‖ u32 contents ‖ u32 fingerprints ‖ contents (u16 length of id ‖ id ‖ root ‖ 255 × u32) ‖ fingerprints
   * (u32 ‖ u32 first ‖ u8 holders, rising) ‖ sha256 of all before`. The same contents give the same bytes.
   */
  encode(): Uint8Array {
    const ids = this.#contents.map(({ id }) => new TextEncoder().encode(id));
    const idBytes = ids.reduce((sum, { length }) => sum + length, 0);
    const length = HEADER_BYTES + idBytes + ids.length * CONTENT_BYTES + this.#coverage.size * ENTRY_BYTES;
    const bytes = new Uint8Array(length + CHECKSUM_BYTES);
    const view = new DataView(bytes.buffer);
    bytes.set(MAGIC);
    view.setUint32(4, INDEX_VERSION);
    view.setUint32(8, ids.length);
    view.setUint32(12, this.#coverage.size);
    let at = HEADER_BYTES;
    for (const [position, id] of ids.entries()) {
      view.setUint16(at, id.length);
      bytes.set(id, at + 2);
      bytes.set(hexToBytes(this.#contents[position]!.contentRoot), at + 2 + id.length);
      at += 34 + id.length;
      for (const value of this.#near.signature(position)) {
        view.setUint32(at, value);
        at += 4;
      }
    }
    for (const { fingerprint, first, holders } of this.#coverage.entries()) {
      view.setUint32(at, fingerprint);
      view.setUint32(at + 4, first);
      view.setUint8(at + 8, holders);
      at += ENTRY_BYTES;
    }
    bytes.set(checksum(bytes.subarray(0, length)), length);
    return bytes;
  }

  /** Throws QualityIndexError `version` or `damaged`. */
  static decode(bytes: Uint8Array): QualityIndex {
    const length = bytes.length - CHECKSUM_BYTES;
    if (length < HEADER_BYTES || compareBytes(bytes.subarray(0, 4), MAGIC) !== 0)
      throw damaged("it is no quality index");
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const version = view.getUint32(4);
    if (version !== INDEX_VERSION) {
      throw new QualityIndexError("version", `the index has version ${version}, this program reads ${INDEX_VERSION}`);
    }
    if (compareBytes(checksum(bytes.subarray(0, length)), bytes.subarray(length)) !== 0)
      throw damaged("its checksum is wrong");
    const index = new QualityIndex();
    let at = HEADER_BYTES;
    for (let left = view.getUint32(8); left > 0; left--) {
      const idLength = view.getUint16(at);
      const id = new TextDecoder().decode(bytes.subarray(at + 2, at + 2 + idLength));
      at += 2 + idLength;
      const contentRoot = bytesToHex(bytes.subarray(at, at + 32));
      at += 32;
      index.#append(
        { id, contentRoot },
        Uint32Array.from({ length: SKETCH.bins }, (_, i) => view.getUint32(at + i * 4)),
      );
      at += SKETCH.bins * 4;
    }
    for (let left = view.getUint32(12); left > 0; left--) {
      index.#coverage.put(view.getUint32(at), view.getUint32(at + 4), view.getUint8(at + 8));
      at += ENTRY_BYTES;
    }
    return index;
  }
}

const MAGIC = new TextEncoder().encode("OLQI");
const HEADER_BYTES = 16;
const CONTENT_BYTES = 2 + 32 + SKETCH.bins * 4;
const ENTRY_BYTES = 9;
const CHECKSUM_BYTES = 32;

const checksum = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash("sha256").update(bytes).digest());
const damaged = (why: string) => new QualityIndexError("damaged", `the index is damaged: ${why}`);
