/**
 * Which of Ethereum's rules a block of a foreign chain obeys, by the fork schedule of its genesis file, and those rules
 * as @ethereumjs/common knows them: from Frontier to Amsterdam, and the forks that only change the blobs of a block.
 *
 * As in geth, a block is after the merge when its difficulty is 0; forks by time count from then on only.
 */
import { paramsBlock } from "@ethereumjs/block";
import { type ChainConfig, Common, Hardfork, type HardforksDict, Mainnet } from "@ethereumjs/common";
import { keccak256 } from "../../core/crypto.ts";
import { ecrecover } from "../common.ts";
import { kzg } from "../kzg.ts";
import { GAS_PER_BLOB } from "../tx/intrinsic.ts";

/** In order, with the key of geth's genesis file that says when. Paris is said by no key. */
const BLOCK_FORKS = [
  [Hardfork.Homestead, "homesteadBlock"],
  [Hardfork.Dao, "daoForkBlock"],
  [Hardfork.TangerineWhistle, "eip150Block"],
  [Hardfork.SpuriousDragon, "eip158Block"],
  [Hardfork.Byzantium, "byzantiumBlock"],
  [Hardfork.Constantinople, "constantinopleBlock"],
  [Hardfork.Petersburg, "petersburgBlock"],
  [Hardfork.Istanbul, "istanbulBlock"],
  [Hardfork.MuirGlacier, "muirGlacierBlock"],
  [Hardfork.Berlin, "berlinBlock"],
  [Hardfork.London, "londonBlock"],
  [Hardfork.ArrowGlacier, "arrowGlacierBlock"],
  [Hardfork.GrayGlacier, "grayGlacierBlock"],
] as const;

const TIME_FORKS = [
  [Hardfork.Shanghai, "shanghaiTime"],
  [Hardfork.Cancun, "cancunTime"],
  [Hardfork.Prague, "pragueTime"],
  [Hardfork.Osaka, "osakaTime"],
  [Hardfork.Bpo1, "bpo1Time"],
  [Hardfork.Bpo2, "bpo2Time"],
  [Hardfork.Bpo3, "bpo3Time"],
  [Hardfork.Bpo4, "bpo4Time"],
  [Hardfork.Bpo5, "bpo5Time"],
  [Hardfork.Amsterdam, "amsterdamTime"],
] as const;

export const FORK_BLOCK_KEYS: readonly string[] = BLOCK_FORKS.map(([, key]) => key);
export const FORK_TIME_KEYS: readonly string[] = TIME_FORKS.map(([, key]) => key);

/** Of a fork: blobs in a block. */
export interface BlobSchedule {
  readonly target: bigint;
  readonly max: bigint;
  readonly baseFeeUpdateFraction: bigint;
}

/** What a genesis file says of the rules. Keys as in `FORK_BLOCK_KEYS` and `FORK_TIME_KEYS`; absent: never. */
export interface ForkSchedule {
  readonly chainId: bigint;
  readonly blocks: ReadonlyMap<string, bigint>;
  /** Unix seconds. */
  readonly times: ReadonlyMap<string, bigint>;
  /** Of forks by block, also those that change nothing here; ascending, without 0 (EIP-2124). */
  readonly startBlocks: readonly bigint[];
  /** By the fork's name in lower case. Absent: Ethereum's own. */
  readonly blobs: ReadonlyMap<string, BlobSchedule>;
  /** Signers seal blocks and get their fees (EIP-225). */
  readonly isClique: boolean;
  readonly depositContract: string | undefined;
}

export interface ForkPoint {
  readonly number: bigint;
  /** Unix seconds. */
  readonly timestamp: bigint;
  readonly difficulty: bigint;
}

export class Forks {
  readonly chainId: bigint;
  readonly #schedule: ForkSchedule;
  readonly #config: ChainConfig;
  readonly #commons = new Map<string, Common>();

  constructor(schedule: ForkSchedule) {
    this.chainId = schedule.chainId;
    this.#schedule = schedule;
    this.#config = chainConfig(schedule);
  }

  /** EIP-6110: in hex. */
  get depositContract(): string {
    return (this.#schedule.depositContract ?? Mainnet.depositContractAddress ?? "").toLowerCase();
  }

  /** Those by time that the schedule has, in their order. */
  get byTime(): { readonly fork: string; readonly at: bigint }[] {
    return TIME_FORKS.flatMap(([fork, key]) => {
      const at = this.#schedule.times.get(key);
      return at === undefined ? [] : [{ fork, at }];
    });
  }

  /**
   * EIP-2124: blocks and times that started the forks up to a block and a time, each once. After the merge every fork by
   * block has been.
   */
  startsUntil(genesisTime: bigint, number: bigint, timestamp: bigint): bigint[] {
    const times = this.byTime.map(({ at }) => at);
    const isMerged = times.some((at) => at <= timestamp);
    const blocks = this.#schedule.startBlocks.filter((at) => isMerged || at <= number);
    return [...blocks, ...new Set(times.filter((at) => at > genesisTime && at <= timestamp))];
  }

  isDaoFork(number: bigint): boolean {
    return this.#schedule.blocks.get("daoForkBlock") === number;
  }

  /** Of a block that nobody made, as geth has it: the parent's, but none where a fork by time says that it is merged. */
  difficultyAfter(parent: Pick<ForkPoint, "difficulty">, timestamp: bigint): bigint {
    return this.byTime.some(({ at }) => at <= timestamp) ? 0n : parent.difficulty;
  }

  /** The name that @ethereumjs/common has for the rules of the block. */
  forkOf({ number, timestamp, difficulty }: ForkPoint): string {
    const { blocks, times } = this.#schedule;
    const at = (key: string) => blocks.get(key);
    // The genesis block has whatever its file says; what counts are the fields of its header.
    const isMerged = number === 0n || difficulty === 0n;
    const byTime = isMerged
      ? TIME_FORKS.findLast(([, key]) => (times.get(key) ?? timestamp + 1n) <= timestamp)
      : undefined;
    if (byTime !== undefined) return byTime[0];
    if (number > 0n && difficulty === 0n) return Hardfork.Paris;
    const byBlock = BLOCK_FORKS.findLast(([, key]) => (at(key) ?? number + 1n) <= number);
    return byBlock?.[0] ?? Hardfork.Chainstart;
  }

  /** The rules of a fork, with native crypto. Shared: not to be set to another fork. */
  common(fork: string): Common {
    let common = this.#commons.get(fork);
    if (common === undefined) {
      common = this.newCommon(fork);
      this.#commons.set(fork, common);
    }
    return common;
  }

  /** One for an EVM alone, which stays subscribed to it. */
  newCommon(fork: string): Common {
    const customCrypto = { kzg, ecrecover, keccak256: (bytes: Uint8Array) => keccak256(bytes) };
    const common = new Common({ chain: this.#config, hardfork: fork, customCrypto });
    common.updateParams(paramsBlock);
    return common;
  }
}

/** Its protected table of what each fork changes. */
class OpenCommon extends Common {
  get changes(): HardforksDict {
    return Object.fromEntries(this.HARDFORK_CHANGES);
  }
}

function chainConfig(schedule: ForkSchedule): ChainConfig {
  const { blocks, times, blobs, isClique, depositContract } = schedule;
  const known = new OpenCommon({ chain: Mainnet }).changes;
  const customHardforks: HardforksDict = {};
  for (const [fork] of TIME_FORKS) {
    const said = blobs.get(fork);
    if (said === undefined) continue;
    const { target, max, baseFeeUpdateFraction } = said;
    const params = {
      target: Number(target),
      max: Number(max),
      targetBlobGasPerBlock: Number(target * GAS_PER_BLOB),
      maxBlobGasPerBlock: Number(max * GAS_PER_BLOB),
      blobGasPriceUpdateFraction: Number(baseFeeUpdateFraction),
    };
    customHardforks[fork] = { ...(known[fork] ?? { eips: [] }), params };
  }
  return {
    name: "foreign",
    chainId: Number(schedule.chainId),
    defaultHardfork: Hardfork.Chainstart,
    consensus: isClique
      ? { type: "poa", algorithm: "clique", clique: { period: 0, epoch: 30_000 } }
      : { type: "pow", algorithm: "ethash", ethash: {} },
    // Only the genesis block follows from these, and we make it ourselves.
    genesis: { gasLimit: 0, difficulty: 0, nonce: "0x0000000000000000", extraData: "0x" },
    // All of them in their order, used or not: which rules a fork has depends on what stands before it.
    hardforks: [
      { name: Hardfork.Chainstart, block: 0 },
      ...BLOCK_FORKS.map(([name, key]) => ({ name, block: numberOrNull(blocks.get(key)) })),
      { name: Hardfork.Paris, block: null },
      ...TIME_FORKS.flatMap(([name, key]) => {
        if (known[name] === undefined && customHardforks[name] === undefined) return [];
        const time = times.get(key);
        return [{ name, block: null, ...(time !== undefined && { timestamp: Number(time) }) }];
      }),
    ],
    customHardforks,
    bootstrapNodes: [],
    ...(depositContract !== undefined && { depositContractAddress: depositContract as `0x${string}` }),
  };
}

const numberOrNull = (value: bigint | undefined): number | null => (value === undefined ? null : Number(value));
