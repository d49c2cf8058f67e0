/** What blocks take from L1, for those who make and check them: bridge/derivation.ts on what this node knows of L1. */
import {
  checkOrigin,
  chooseOrigin,
  type DerivationRules,
  type DerivedOrigin,
  MAX_ORIGIN_ADVANCE,
  type OriginInput,
} from "../../bridge/derivation.ts";
import type { L1Block } from "../../bridge/l1-block.ts";
import { readL1FeeScalars, readL1Origin } from "../../execution/block/l1-origin.ts";
import type { L1Parameters } from "../../genesis/l1.ts";
import type { Chain } from "../chain.ts";
import type { Clock } from "../ports.ts";

/** L1 as far as it counts: see node/l1/. */
export interface L1Source {
  /** Final L1 blocks that follow one another, from `number` on, at most `limit`. Empty when that one is not known here. */
  blocks(number: bigint, limit: number): readonly L1Block[];
  /** Called after more blocks became known. Returns the unsubscriber. */
  onAdvance(listener: () => void): () => void;
}

export interface OriginParts {
  readonly chain: Chain;
  readonly clock: Clock;
  readonly parameters: L1Parameters;
  readonly source: L1Source;
  /** How long a check waits for L1 blocks that another node knows already. */
  readonly patienceMs: number;
  /** Whether blocks made here carry no transactions of users for now: too much of the chain is not on L1 yet. */
  readonly isThrottled: () => boolean;
}

export class Origins {
  readonly #parts: OriginParts;

  constructor(parts: OriginParts) {
    this.#parts = parts;
  }

  /**
   * For a block on `parent`, which is the head or above it. Undefined when L1 is not known as far as the parent's origin:
   * then no block can be made.
   */
  next(parent: Uint8Array, timestamp: bigint): DerivedOrigin | undefined {
    const input = this.#input(parent, timestamp);
    return input && chooseOrigin(input);
  }

  get isThrottled(): boolean {
    return this.#parts.isThrottled();
  }

  /** Whether L1 demands deposits of the next block on the head. */
  get hasDeposits(): boolean {
    const { chain, source } = this.#parts;
    const state = chain.stateAfter(chain.head.hash);
    if (state === undefined) return false;
    const [, ...later] = source.blocks(readL1Origin(state).number, MAX_ORIGIN_ADVANCE + 1);
    return later.some(({ deposits }) => deposits.length > 0);
  }

  /** `block` has been executed. Undefined when it takes from L1 what it must, otherwise why not. */
  async problem(block: Uint8Array): Promise<string | undefined> {
    const { chain } = this.#parts;
    const executed = chain.blockAbove(block);
    if (executed === undefined) return "it is not here";
    const { header, transactions } = executed;
    const deposits = transactions.filter(({ deposit }) => deposit !== undefined).map(({ raw }) => raw);
    const claimed = {
      deposits,
      prevRandao: header.prevRandao,
      parentBeaconBlockRoot: header.parentBeaconBlockRoot,
      hasTransactions: transactions.length > deposits.length,
    };
    const until = this.#parts.clock.nowMs() + this.#parts.patienceMs;
    for (;;) {
      const input = this.#input(header.parentHash, header.timestamp);
      const check = input && checkOrigin(input, claimed);
      if (check?.ok === true) return undefined;
      if (check?.ok === false && check.fault === "invalid") return check.reason;
      if (!(await this.#advance(until))) {
        return check === undefined
          ? "L1 is not known here as far as its parent's origin"
          : `its origin ${check.number} is not known here`;
      }
    }
  }

  /** False when nothing more became known of L1 by then. */
  #advance(untilMs: number): Promise<boolean> {
    const { clock, source } = this.#parts;
    if (clock.nowMs() >= untilMs) return Promise.resolve(false);
    return new Promise((resolve) => {
      const end = (result: boolean) => {
        off();
        cancel();
        resolve(result);
      };
      const off = source.onAdvance(() => end(true));
      const cancel = clock.at(untilMs, () => end(false));
    });
  }

  #input(parent: Uint8Array, timestamp: bigint): OriginInput | undefined {
    const { chain, parameters, source } = this.#parts;
    const state = chain.stateAfter(parent);
    if (state === undefined) return undefined;
    const origin = readL1Origin(state);
    const blocks = source.blocks(origin.number, MAX_ORIGIN_ADVANCE + 1);
    if (blocks.length === 0) return undefined;
    const { gasLimit, blockBytes } = chain.rules;
    const { maxDriftSeconds } = parameters;
    const rules: DerivationRules = { gasLimit, blockBytes, maxDriftSeconds, ...readL1FeeScalars(state) };
    return { parent: origin, blocks, timestamp, rules };
  }
}
