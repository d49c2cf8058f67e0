/**
 * What is known of the views of one epoch: its rounds, what is final, and which block each view certified. Knowledge
 * only; what follows from it is decided in simplex.ts.
 */
import type { BallotRules } from "./ballots.ts";
import { isSameBlock } from "./certificates.ts";
import { Round } from "./round.ts";
import type { Certificate, Proposal, Subject, Tip, Vote } from "./types.ts";

/** Votes and proposals this far ahead are kept; a certificate of any view is news. */
export const FUTURE_VIEWS = 16;
/** Finalized views whose votes are still compared, to catch those who contradict themselves late. */
export const PAST_VIEWS = 32;
/** Undecided views older than this keep their certificates and forget their votes. */
export const UNDECIDED_VIEWS = 256;
/** Views that one repair asks for. */
const FETCH_VIEWS = 64;

export interface EpochStart {
  readonly epoch: number;
  readonly rules: BallotRules;
  /** The last block of the epoch before, or genesis, at the epoch's base view. */
  readonly base: Tip;
  /** Final. */
  readonly tip: Tip;
  /** Heights of blocks that a log remembers. */
  readonly heights: readonly { readonly block: Uint8Array; readonly height: number }[];
}

export class Views {
  readonly epoch: number;
  readonly rules: BallotRules;
  readonly base: Tip;
  /** Its height is -1 while only its certificate is known. */
  finalized: Tip;
  /** Not yet over. */
  current: number;
  /** The highest notarized view before the current one, as far as it is known. */
  lastNotarized: number;
  readonly #rounds = new Map<number, Round>();
  readonly #heights: EpochStart["heights"];
  #parent: Tip | undefined;

  constructor({ epoch, rules, base, tip, heights }: EpochStart) {
    this.epoch = epoch;
    this.rules = rules;
    this.base = base;
    this.finalized = tip;
    this.current = tip.view + 1;
    this.lastNotarized = tip.view;
    this.#heights = heights;
  }

  get(view: number): Round | undefined {
    return this.#rounds.get(view);
  }

  /** The round of a view, begun where there was none. */
  at(view: number): Round {
    let round = this.#rounds.get(view);
    if (round === undefined) {
      round = new Round(view, this.rules);
      this.#rounds.set(view, round);
    }
    return round;
  }

  /** Rounds above the final one, rising. */
  get open(): Round[] {
    return [...this.#rounds.values()].filter(({ view }) => view > this.finalized.view).sort((a, b) => a.view - b.view);
  }

  get size(): { readonly rounds: number; readonly votes: number } {
    let votes = 0;
    for (const round of this.#rounds.values()) votes += round.ballots.size;
    return { rounds: this.#rounds.size, votes };
  }

  /** Votes and proposals count from a little behind the final view to a little ahead of the current one. */
  isTimely({ epoch, view }: Subject): boolean {
    const isPast = view <= this.finalized.view - PAST_VIEWS || view < this.current - UNDECIDED_VIEWS;
    return epoch === this.epoch && !isPast && view <= this.current + FUTURE_VIEWS;
  }

  /** Moves past every view that is over. False when there was none. */
  advance(): boolean {
    const before = this.current;
    for (const { view, isOver } of this.#rounds.values()) if (isOver && view >= this.current) this.current = view + 1;
    if (this.current <= this.finalized.view) this.current = this.finalized.view + 1;
    this.#parent = undefined;
    if (this.current === before) return false;
    this.lastNotarized = this.current - 1;
    while (this.lastNotarized > this.finalized.view && this.blockAt(this.lastNotarized) === undefined) {
      this.lastNotarized--;
    }
    this.#forgetPast();
    return true;
  }

  #forgetPast(): void {
    for (const [view, round] of this.#rounds) {
      if (view <= this.finalized.view - PAST_VIEWS) this.#rounds.delete(view);
      else if (view < this.current - UNDECIDED_VIEWS && round.ballots.size > 0) {
        this.#rounds.set(view, round.withoutVotes(this.rules));
      }
    }
  }

  /** The notarized or final block of a view. */
  blockAt(view: number): Uint8Array | undefined {
    if (view === this.finalized.view) return this.finalized.block;
    if (view === this.base.view) return this.base.block;
    return this.#rounds.get(view)?.notarized?.block;
  }

  heightOf(view: number, block: Uint8Array): number | undefined {
    for (const tip of [this.finalized, this.base]) {
      if (tip.height >= 0 && isSameBlock(tip.block, block)) return tip.height;
    }
    return (
      this.#rounds.get(view)?.heightOf(block) ?? this.#heights.find((known) => isSameBlock(known.block, block))?.height
    );
  }

  /**
   * What a block of the current view stands on: the highest notarized view after which everything was skipped (Simplex
   * rule 3). Undefined when a certificate or the height is not known. Kept until something changes, because there may be
   * many skipped views.
   */
  get parent(): Tip | undefined {
    this.#parent ??= this.#findParent();
    return this.#parent;
  }

  #findParent(): Tip | undefined {
    for (let view = this.current - 1; view >= this.finalized.view; view--) {
      const block = this.blockAt(view);
      if (block !== undefined) {
        const height = this.heightOf(view, block);
        return height === undefined ? undefined : { view, height, block };
      }
      if (this.#rounds.get(view)?.nullification === undefined) return undefined;
    }
    return undefined;
  }

  /**
   * Whether the parent is notarized or final, and each view between it and the proposal's nullified (rule 4). "garbled"
   * when what it says of its parent is not what its leader can have meant: a new block that is said to stand on itself,
   * or a certified one that is said not to.
   */
  standingOf({ vote, height, parent }: Proposal): "sound" | "unsound" | "unknown" | "garbled" {
    if (vote.parentView < this.finalized.view) return "unsound"; // it would revert what is final
    const known = this.blockAt(vote.parentView);
    if (known === undefined) return "unknown";
    const isAgain = isSameBlock(known, vote.block);
    if (isAgain !== isSameBlock(parent, vote.block)) return "garbled";
    if (!isSameBlock(known, parent)) return "unsound";
    const parentHeight = this.heightOf(vote.parentView, known);
    if (parentHeight !== undefined && height !== parentHeight + (isAgain ? 0 : 1)) return "unsound";
    for (let view = vote.view - 1; view > vote.parentView; view--) {
      if (this.#rounds.get(view)?.nullification === undefined) return "unknown";
    }
    return "sound";
  }

  /** What would help to go on: the current view, the last, and what the current proposal still needs. */
  missing(): number[] {
    const views = new Set([this.current, this.current - 1]);
    const from = this.#rounds.get(this.current)?.proposal?.vote.parentView ?? this.finalized.view;
    for (let view = this.current - 1; view > from && views.size < FETCH_VIEWS; view--) {
      if (this.#rounds.get(view)?.nullification === undefined) views.add(view);
    }
    views.add(from);
    return [...views].filter((view) => view > this.finalized.view).sort((a, b) => a - b);
  }

  /** What is proven of a view, and the votes of `signer`, for peers who missed it. */
  stateOf(
    view: number,
    signer: number | undefined,
  ): { readonly certificates: readonly Certificate[]; readonly votes: readonly Vote[] } {
    const round = this.#rounds.get(view);
    const votes = signer === undefined ? [] : (round?.ballots.votesOf(signer) ?? []);
    return { certificates: round?.certificates ?? [], votes };
  }
}
