/**
 * What a key has signed, as far as it still matters, and what it may sign next. Pure.
 *
 * A late finalize is legal Simplex (rule 8), so that "never below the last view" would refuse honest votes. All votes of
 * a window of recent views of the epoch are remembered instead; below it, and at or below the floor, nothing is signed.
 */
import { isSlashable } from "../../consensus/ballots.ts";
import { isSameSubject } from "../../consensus/certificates.ts";
import { decodeSubject, encodeSubject } from "../../consensus/codec.ts";
import { baseView, epochOfView, KIND, type Subject } from "../../consensus/types.ts";

/** Views up to the last signed one whose votes are remembered. */
export const WINDOW_VIEWS = 1_024;

export type RefusalCode =
  /** No subject at all: it could not be read back. */
  | "MALFORMED"
  /** It contradicts a vote that was signed: both together would be slashable. */
  | "CONFLICT"
  | "BELOW_FLOOR"
  | "BELOW_WINDOW"
  /** This place does not sign until the operator says so. */
  | "OBSERVING"
  /** The guard could not be written, or is closed. */
  | "FAILED";

/** A vote that must not be signed. Nothing was written. */
export class VoteRefused extends Error {
  readonly code: RefusalCode;
  readonly subject: Subject;
  constructor(code: RefusalCode, subject: Subject, reason: string, options?: ErrorOptions) {
    super(`${describe(subject)} is refused: ${reason}`, options);
    this.name = "VoteRefused";
    this.code = code;
    this.subject = subject;
  }
}

export const KIND_NAMES = {
  [KIND.notarize]: "notarize",
  [KIND.nullify]: "nullify",
  [KIND.finalize]: "finalize",
} as const;

export const describe = ({ kind, view }: Subject): string => `${KIND_NAMES[kind]} in view ${view}`;

export class Positions {
  #floor: number;
  #last: number;
  readonly #byView = new Map<number, Subject[]>();

  /** `last`: highest view signed, also of votes that are forgotten. Votes that are too low to matter are dropped. */
  constructor(floor: number, last: number, votes: readonly Subject[]) {
    this.#floor = floor;
    this.#last = Math.max(last, ...votes.map(({ view }) => view));
    for (const vote of votes) if (vote.view > this.lowest && !this.has(vote)) this.#insert(vote);
  }

  /** Nothing at or below it is signed. */
  get floor(): number {
    return this.#floor;
  }

  get last(): number {
    return this.#last;
  }

  /** Votes at or below this view are refused, whatever they say: for the floor, the window, or an epoch that is over. */
  get lowest(): number {
    // The last block of an epoch is final before the next epoch votes: no vote of an earlier one is still wanted.
    return Math.max(this.#floor, this.#last - WINDOW_VIEWS, baseView(epochOfView(this.#last)));
  }

  /** At most three for each view above `lowest`. */
  get votes(): Subject[] {
    return [...this.#byView.values()].flat();
  }

  has(subject: Subject): boolean {
    return (this.#byView.get(subject.view) ?? []).some((vote) => isSameSubject(vote, subject));
  }

  /** Why it must not be signed; undefined when it may be, again or for the first time. */
  check(subject: Subject): VoteRefused | undefined {
    if (!isWellFormed(subject)) return new VoteRefused("MALFORMED", subject, "it is no subject of this protocol");
    if (subject.view <= this.#floor) {
      return new VoteRefused("BELOW_FLOOR", subject, `nothing at or below view ${this.#floor} is signed here`);
    }
    if (subject.view <= this.lowest) {
      return new VoteRefused("BELOW_WINDOW", subject, `view ${this.#last} is signed, and what was before is forgotten`);
    }
    const signed = (this.#byView.get(subject.view) ?? []).find((vote) => isSlashable(vote, subject));
    if (signed === undefined) return undefined;
    return new VoteRefused("CONFLICT", subject, `it contradicts the vote to ${describe(signed)}, which was signed`);
  }

  /** Precondition: `check` finds nothing. */
  add(subject: Subject): void {
    if (this.has(subject)) return;
    const before = this.lowest;
    this.#last = Math.max(this.#last, subject.view);
    this.#insert(subject);
    this.#forget(before);
  }

  #insert(subject: Subject): void {
    const votes = this.#byView.get(subject.view);
    if (votes === undefined) this.#byView.set(subject.view, [subject]);
    else votes.push(subject);
  }

  #forget(before: number): void {
    const { lowest } = this;
    // An epoch's first view lies 2^32 above the last of the epoch before.
    if (lowest - before > this.#byView.size) {
      for (const view of this.#byView.keys()) if (view <= lowest) this.#byView.delete(view);
    } else {
      for (let view = before + 1; view <= lowest; view++) this.#byView.delete(view);
    }
  }
}

function isWellFormed(subject: Subject): boolean {
  try {
    return isSameSubject(decodeSubject(encodeSubject(subject)), subject);
  } catch {
    return false;
  }
}

/** The first two votes of these that exclude each other. */
export function contradiction(votes: readonly Subject[]): readonly [Subject, Subject] | undefined {
  const byView = Map.groupBy(votes, ({ view }) => view);
  for (const group of byView.values()) {
    for (const [index, first] of group.entries()) {
      const second = group.slice(index + 1).find((vote) => isSlashable(first, vote));
      if (second !== undefined) return [first, second];
    }
  }
  return undefined;
}
