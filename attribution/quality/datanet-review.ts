/**
 * Reports on all contributions of a Datanet that are pending or accepted, each against those with lower ids. Only what is
 * new is read; when one of those before was rejected meanwhile, everything is read again, so that the reports depend on the chain and the
 * contents alone.
 */
import type { ContentSource } from "../content-store.ts";
import type { DatanetChain, Submitted } from "./datanet-reader.ts";
import type { QualityIndex } from "./quality-index.ts";
import type { QualityReport } from "./report.ts";
import { Review } from "./review.ts";
import { REVIEW_LIMITS } from "./thresholds.ts";

export interface ReviewedContribution {
  readonly submitted: Submitted;
  /** Undefined: not kept (REVIEW_LIMITS.reports), or before a saved index ends. */
  readonly report: QualityReport | undefined;
}

export interface DatanetReview {
  readonly licence: number;
  readonly isPermissioned: boolean;
  /** By rising id; pending and accepted ones. */
  readonly contributions: readonly ReviewedContribution[];
}

export interface DatanetReviewsPorts {
  readonly chain: DatanetChain;
  readonly content: ContentSource;
  readonly limits?: Partial<Record<keyof typeof REVIEW_LIMITS, number>>;
  /** Where the index of the contributions before the first pending one is kept; these then have no report. */
  readonly indexes?: SavedIndexes;
}

export interface SavedIndexes {
  /** Undefined when there is none that can be used. */
  load(datanetId: bigint): Promise<QualityIndex | undefined>;
  save(datanetId: bigint, index: QualityIndex): Promise<void>;
}

/** The Datanet is larger than what is reviewed here. */
export class ReviewLimitError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "ReviewLimitError";
  }
}

interface State {
  readonly review: Review;
  /** Ids of what was reported on, in order. */
  readonly done: bigint[];
  readonly reports: Map<bigint, QualityReport>;
  /** The first one whose content could not be read. */
  missing: Submitted | undefined;
}

export class DatanetReviews {
  readonly #chain: DatanetChain;
  readonly #content: ContentSource;
  readonly #limits: Record<keyof typeof REVIEW_LIMITS, number>;
  readonly #indexes: SavedIndexes | undefined;
  readonly #states = new Map<bigint, State>();

  constructor({ chain, content, limits, indexes }: DatanetReviewsPorts) {
    this.#indexes = indexes;
    this.#chain = chain;
    this.#content = content;
    this.#limits = { ...REVIEW_LIMITS, ...limits };
  }

  /** Undefined when there is no such Datanet. Callers take turns. Throws ReviewLimitError, QualityIndexError `full`, and what chain and content throw. */
  async review(datanetId: bigint): Promise<DatanetReview | undefined> {
    const facts = await this.#chain.datanet(datanetId);
    if (facts === undefined) return undefined;
    const counted = (await this.#chain.submitted(datanetId)).filter(counts);
    this.#requireWithinLimits(datanetId, counted);
    const state = await this.#stateFor(datanetId, counted, facts.licence);
    const decided = decidedPrefix(counted);
    const isNew = state.done.length < decided;
    for (const submitted of counted.slice(state.done.length, decided)) await this.#reportOn(submitted, state);
    // What is pending may be rejected, and would have to go out of the index again.
    if (isNew && state.missing === undefined) await this.#indexes?.save(datanetId, state.review.index);
    for (const submitted of counted.slice(state.done.length)) await this.#reportOn(submitted, state);
    return {
      ...facts,
      contributions: counted.map((submitted) => ({ submitted, report: state.reports.get(submitted.id) })),
    };
  }

  #requireWithinLimits(datanetId: bigint, counted: readonly Submitted[]): void {
    const bytes = counted.reduce((sum, { size }) => sum + Math.min(size, this.#limits.contentBytes), 0);
    if (counted.length > this.#limits.contributions || bytes > this.#limits.datanetBytes) {
      throw new ReviewLimitError(
        `Datanet ${datanetId} has ${counted.length} contributions of ${bytes} bytes; ` +
          `at most ${this.#limits.contributions} of ${this.#limits.datanetBytes} are reviewed here`,
      );
    }
  }

  /** The one that there is, when everything that it has seen still counts. */
  async #stateFor(datanetId: bigint, counted: readonly Submitted[], licence: number): Promise<State> {
    const known = this.#states.get(datanetId);
    this.#states.delete(datanetId);
    const isPrefix = known?.done.every((id, i) => counted[i]?.id === id) === true;
    const isStale = known?.missing !== undefined && (await this.#bytesOf(known.missing)) instanceof Uint8Array;
    const state = known !== undefined && isPrefix && !isStale ? known : await this.#begin(datanetId, counted, licence);
    this.#states.set(datanetId, state);
    for (const oldest of this.#states.keys()) {
      if (this.#states.size <= this.#limits.datanets) break;
      this.#states.delete(oldest);
    }
    return state;
  }

  async #begin(datanetId: bigint, counted: readonly Submitted[], licence: number): Promise<State> {
    const saved = await this.#indexes?.load(datanetId);
    const contents = saved?.contents ?? [];
    const isUsable =
      contents.length <= decidedPrefix(counted) &&
      contents.every(
        ({ id, contentRoot }, i) => id === String(counted[i]!.id) && contentRoot === counted[i]!.contentRoot,
      );
    return {
      review: isUsable ? new Review(licence, saved) : new Review(licence),
      done: isUsable ? contents.map(({ id }) => BigInt(id)) : [],
      reports: new Map(),
      missing: undefined,
    };
  }

  async #reportOn(submitted: Submitted, state: State): Promise<void> {
    const candidate = { ...submitted, id: String(submitted.id) };
    const content = await this.#bytesOf(submitted);
    if (typeof content === "string") {
      state.reports.set(submitted.id, state.review.missing(candidate, content));
      state.missing ??= submitted;
    } else state.reports.set(submitted.id, state.review.report(candidate, content));
    state.done.push(submitted.id);
    for (const oldest of state.reports.keys()) {
      if (state.reports.size <= this.#limits.reports) break;
      state.reports.delete(oldest);
    }
  }

  /** The content, or why it cannot be had. */
  async #bytesOf({ contentRoot, size }: Submitted): Promise<Uint8Array | string> {
    if (size > this.#limits.contentBytes) {
      return `${size} bytes are more than the ${this.#limits.contentBytes} that are reviewed here`;
    }
    const content = await this.#content.get(contentRoot);
    if (content === undefined) return `the content store does not have ${contentRoot}`;
    if (content.length !== size) return `the content has ${content.length} bytes, declared are ${size}`;
    return content;
  }
}

/** What a later contribution is compared with. */
const counts = ({ status }: Submitted): boolean => status === "pending" || status === "accepted";

/** How many stand before the first one that is pending. */
function decidedPrefix(counted: readonly Submitted[]): number {
  const first = counted.findIndex(({ status }) => status === "pending");
  return first < 0 ? counted.length : first;
}
