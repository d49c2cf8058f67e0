/**
 * A chain for bench/index.ts, block by block from its number: Datanets with contributions, models, and inferences that are
 * requested, committed and settled in three blocks one after the other. Its logs are encoded here word by word: encoding
 * them by the ABI would take longer than indexing them.
 */
import { type AbiEvent, toEventSelector } from "viem";
import { ATTRIBUTION_ADDRESS, DATANET_ADDRESS, MODELS_ADDRESS } from "../core/addresses.ts";
import { hexToBytes } from "../core/bytes.ts";
import type { Log } from "../core/chain.ts";
import { REWARD_KIND } from "../indexer/codes.ts";
import type { BlockSource, SourceBlock } from "../indexer/source.ts";
import { attributionAbi } from "../precompiles/interfaces/attribution.abi.ts";
import { datanetAbi } from "../precompiles/interfaces/datanet.abi.ts";
import { modelsAbi } from "../precompiles/interfaces/models.abi.ts";

export interface ChainSize {
  readonly contributions: number;
  readonly inferences: number;
  /** Inferences after those, one a block rather than twenty. */
  readonly single: number;
}

const DATANETS = 50;
const MODELS = 50;
const CONTRIBUTORS = 2_000;
const CONTRIBUTIONS_A_BLOCK = 100;
const INFERENCES_A_BLOCK = 20;
/** Contributions that an output draws on. */
const SOURCES = 3;
const SPAN_BYTES = 64;
const FIRST_TIME = 1_750_000_000;
/** A chain of days rather than hours, so that series have many buckets. */
const BLOCK_SECONDS = 60;

const SELECTORS = new Map(
  [datanetAbi, modelsAbi, attributionAbi].flatMap((abi) =>
    (abi as readonly { type: string; name?: string }[])
      .filter(({ type }) => type === "event")
      .map((event) => [event.name, hexToBytes(toEventSelector(event as AbiEvent))] as const),
  ),
);

type Word = number | bigint | Uint8Array;

/** 32 bytes each: numbers right-aligned, 20-byte addresses too. */
function words(...values: readonly Word[]): Uint8Array {
  const bytes = new Uint8Array(32 * values.length);
  const view = new DataView(bytes.buffer);
  for (const [i, value] of values.entries()) {
    const end = 32 * (i + 1);
    if (typeof value === "bigint") view.setBigUint64(end - 8, value);
    else if (value instanceof Uint8Array) bytes.set(value, end - value.length);
    else {
      view.setUint32(end - 4, value);
      view.setUint32(end - 8, value / 2 ** 32);
    }
  }
  return bytes;
}

const word = (value: Word): Uint8Array => words(value);

function log(address: Uint8Array, name: string, indexed: readonly Word[], ...data: readonly Word[]): Log {
  return { address, topics: [SELECTORS.get(name) as Uint8Array, ...indexed.map(word)], data: words(...data) };
}

/** ABI string: its length and its bytes, padded. At most 32 bytes. */
function shortString(text: string): readonly Word[] {
  const padded = new Uint8Array(32);
  padded.set(new TextEncoder().encode(text));
  return [text.length, padded];
}

function account(kind: number, n: number): Uint8Array {
  const address = words(n).slice(12);
  address[0] = kind;
  return address;
}

export const contributorOf = (contribution: number): Uint8Array => account(0xc0, contribution % CONTRIBUTORS);
function hashOf(kind: number, n: number): Uint8Array {
  const hash = words(n + 1);
  hash[0] = kind;
  return hash;
}
const outputRootOf = (inference: number): Uint8Array => hashOf(0x0a, inference);
export const timeOf = (block: number): number => FIRST_TIME + BLOCK_SECONDS * block;

/** Spread over all contributions, the low ones more often. */
function sourcesOf(inference: number, contributions: number): number[] {
  return Array.from({ length: SOURCES }, (_, k) => {
    const mixed = Math.imul(inference * SOURCES + k + 1, 0x9e3779b1) >>> 0;
    const share = mixed / 2 ** 32;
    return 1 + Math.floor(share * share * (contributions - SOURCES)) + k;
  });
}

export class BenchChain implements BlockSource {
  readonly head: { number: bigint; hash: Uint8Array };
  readonly #size: ChainSize;
  readonly #dataBlocks: number;

  constructor(size: ChainSize, blocks?: number) {
    this.#size = size;
    this.#dataBlocks = Math.ceil(size.contributions / CONTRIBUTIONS_A_BLOCK);
    const last = blocks ?? 1 + this.#dataBlocks + Math.ceil(size.inferences / INFERENCES_A_BLOCK) + size.single + 2;
    this.head = { number: BigInt(last), hash: hashOf(0x0b, last) };
  }

  onCommit(): () => void {
    return () => {};
  }

  block(number: bigint): SourceBlock | undefined {
    if (number > this.head.number) return undefined;
    const n = Number(number);
    const transactions = this.#events(n);
    return {
      hash: hashOf(0x0b, n),
      header: {
        number,
        parentHash: n === 0 ? new Uint8Array(32) : hashOf(0x0b, n - 1),
        timestamp: BigInt(timeOf(n)),
        gasUsed: 1_000_000n,
      },
      transactions: transactions.map((_, i) => ({
        hash: hashOf(0x07, n * 1_000 + i),
        from: account(1, i),
        to: ATTRIBUTION_ADDRESS,
        value: 0n,
      })),
      receipts: transactions.map((logs) => ({ status: 1, logs })),
    };
  }

  /** A list a transaction. */
  #events(n: number): Log[][] {
    if (n === 0) return [];
    if (n === 1) return [range(1, DATANETS).map(datanetCreated), range(1, MODELS).map(modelRegistered)];
    const { contributions, inferences, single } = this.#size;
    const first = (n - 2) * CONTRIBUTIONS_A_BLOCK + 1;
    if (n - 2 < this.#dataBlocks) {
      return range(first, Math.min(contributions, first + CONTRIBUTIONS_A_BLOCK - 1)).map(contributionAccepted);
    }
    const step = n - 2 - this.#dataBlocks;
    const full = Math.ceil(inferences / INFERENCES_A_BLOCK);
    const batch = (at: number): number[] => {
      if (at >= full) return at < full + single ? [inferences + at - full + 1] : [];
      return at < 0 ? [] : range(at * INFERENCES_A_BLOCK + 1, Math.min(inferences, (at + 1) * INFERENCES_A_BLOCK));
    };
    return [
      ...batch(step).map((id) => [inferenceRequested(id)]),
      ...batch(step - 1).map((id) => [outputCommitted(id, sourcesOf(id, contributions))]),
      ...batch(step - 2).map((id) => inferenceSettled(id, sourcesOf(id, contributions))),
    ];
  }
}

/** The beginning of a chain, a block longer with each `grow`. */
export class GrowingChain implements BlockSource {
  head: { number: bigint; hash: Uint8Array };
  readonly #whole: BenchChain;
  #next: SourceBlock | undefined;
  #wake: (head: BenchChain["head"]) => void = () => {};

  constructor(whole: BenchChain, head: number) {
    this.#whole = whole;
    this.head = { number: BigInt(head), hash: hashOf(0x0b, head) };
    this.prepare();
  }

  /** Makes the next block, so that growing takes no time. */
  prepare(): void {
    this.#next = this.#whole.block(this.head.number + 1n);
  }

  grow(): void {
    const number = this.head.number + 1n;
    this.head = { number, hash: hashOf(0x0b, Number(number)) };
    this.#wake(this.head);
  }

  block(number: bigint): SourceBlock | undefined {
    if (number > this.head.number) return undefined;
    return number === this.#next?.header.number ? this.#next : this.#whole.block(number);
  }

  onCommit(listener: (head: BenchChain["head"]) => void): () => void {
    this.#wake = listener;
    return () => {};
  }
}

const range = (from: number, to: number): number[] =>
  Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);

const datanetOf = (contribution: number): number => 1 + (contribution % DATANETS);
const modelOf = (inference: number): number => 1 + (inference % MODELS);

function datanetCreated(id: number): Log {
  const name = shortString(`Datanet ${id}`);
  const offsets = [224, 288, 352];
  return log(
    DATANET_ADDRESS,
    "DatanetCreated",
    [id, account(0xd0, id)],
    ...offsets,
    0,
    1,
    0,
    0,
    ...name,
    ...shortString("text"),
    ...shortString("ipfs://x"),
  );
}

function modelRegistered(id: number): Log {
  const name = shortString(`Model ${id}`);
  // kind, name, uri, artifact, config, licence, data, flattened, prices, shares: 12 words of head.
  const head: Word[] = [
    0,
    384,
    448,
    hashOf(1, id),
    hashOf(2, id),
    1,
    512,
    608,
    10n ** 15n,
    10n ** 15n,
    50_000,
    500_000,
  ];
  const datanet = 1 + (id % DATANETS);
  return log(
    MODELS_ADDRESS,
    "ModelRegistered",
    [id, account(0xee, id), 0],
    ...head,
    ...name,
    ...shortString("ipfs://m"),
    1,
    datanet,
    1,
    1,
    datanet,
    100,
  );
}

function contributionAccepted(id: number): Log[] {
  const datanet = datanetOf(id);
  const uri = shortString(`ipfs://content-${id}`);
  // Lineage as deep as the logarithm of their number.
  const parents = [Math.floor(id / 2), Math.floor(id / 3)].filter((parent) => parent > 0);
  // contentRoot, size, licence, uri, parents, bond: 6 words of head.
  const submitted = [hashOf(3, id), 100_000, 1, 192, 256, 10n ** 18n, ...uri, parents.length, ...parents];
  return [
    log(DATANET_ADDRESS, "ContributionSubmitted", [datanet, id, contributorOf(id)], ...submitted),
    log(
      DATANET_ADDRESS,
      "ContributionAccepted",
      [datanet, id, account(0xd0, datanet)],
      9_000,
      Math.floor((id - 1) / DATANETS),
    ),
  ];
}

function inferenceRequested(id: number): Log {
  const host = account(0xaa, modelOf(id));
  const data = [host, hashOf(4, id), 120, 0, 10n ** 18n, 2n ** 32n, 16, 10n ** 15n, 10n ** 15n, 10n ** 14n];
  return log(ATTRIBUTION_ADDRESS, "InferenceRequested", [id, modelOf(id), account(0xbb, id % 500)], ...data);
}

function outputCommitted(id: number, sources: readonly number[]): Log {
  const spans = sources.flatMap((contribution, k) => [k * SPAN_BYTES, SPAN_BYTES, contribution, 7]);
  const covered = sources.length * SPAN_BYTES;
  const data = [
    id,
    0,
    outputRootOf(id),
    1_000,
    covered,
    10n ** 18n,
    2n * 10n ** 18n,
    FIRST_TIME,
    288,
    sources.length,
    ...spans,
  ];
  return log(ATTRIBUTION_ADDRESS, "OutputCommitted", [id, modelOf(id), account(0xaa, modelOf(id))], ...data);
}

function inferenceSettled(id: number, sources: readonly number[]): Log[] {
  const fee = 10n ** 18n;
  const share = fee / 10n + BigInt(id);
  const reward = (to: Uint8Array, kind: number, source: number, weight: number, amount: bigint) =>
    log(ATTRIBUTION_ADDRESS, "RewardAccrued", [id, to, kind], source, weight, amount);
  const contributors = sources.map((contribution) =>
    reward(contributorOf(contribution), REWARD_KIND.CONTRIBUTOR, contribution, SPAN_BYTES, share),
  );
  const paid = share * BigInt(sources.length);
  const tenth = fee / 10n;
  const rest = fee - paid - 4n * tenth;
  return [
    ...contributors,
    reward(account(0xee, modelOf(id)), REWARD_KIND.MODEL_OWNER, modelOf(id), 0, tenth),
    reward(account(0xaa, modelOf(id)), REWARD_KIND.HOST, modelOf(id), 0, tenth),
    reward(account(0x51, 0), REWARD_KIND.STAKERS, 0, 0, tenth),
    reward(account(0x52, 0), REWARD_KIND.TREASURY, 0, 0, tenth),
    reward(account(0x52, 0), REWARD_KIND.TREASURY, 0, 0, rest),
    log(ATTRIBUTION_ADDRESS, "InferenceSettled", [id, modelOf(id)], fee, 0, 0, paid, 2n * tenth, tenth, tenth + rest),
  ];
}
