/**
 * The signer guard: the last word on what a key signs, apart from consensus and its log. A vote is signed only after the
 * guard has it durably, so that whatever the log says or the state machine asks after a restart, nothing that
 * contradicts an earlier vote leaves.
 */
import type { Subject } from "../../consensus/types.ts";
import { CommitQueue } from "./commit-queue.ts";
import type { Files } from "./files.ts";
import { type GuardContents, type GuardFile, writeGuard } from "./guard-file.ts";
import { Positions, VoteRefused } from "./positions.ts";

export interface Guard {
  /** Nothing at or below this view is signed. */
  readonly floor: number;
  /** Highest view signed. */
  readonly lastView: number;
  /** Votes that are remembered. */
  readonly votes: readonly Subject[];
  /** Why it must not be signed; undefined when it may be. The vote that was signed already may be signed again. */
  check(subject: Subject): VoteRefused | undefined;
  /**
   * Resolves when the vote is durable: only then may it be signed. From the call on, what contradicts it is refused.
   * Rejects with VoteRefused; nothing was written then, unless its code is FAILED.
   */
  advance(subject: Subject): Promise<void>;
  close(): Promise<void>;
}

/** Votes that wait for the disk. */
const MAX_WAITING = 1_024;

/** Takes possession: writes the guard anew, in this place, so that every earlier copy of it is stale from now on. */
export async function openGuard(
  files: Files,
  dir: string,
  contents: GuardContents,
  roomBytes?: number,
): Promise<Guard> {
  const positions = new Positions(contents.floor, contents.last, contents.votes);
  const replace = () => {
    const { floor, last, votes } = positions;
    return writeGuard(files, dir, { ...contents, floor, last, votes }, roomBytes);
  };
  return new FileGuard(positions, replace, await replace());
}

class FileGuard implements Guard {
  readonly #positions: Positions;
  readonly #replace: () => Promise<GuardFile>;
  readonly #queue: CommitQueue<Subject>;
  #file: GuardFile;
  #isClosed = false;

  constructor(positions: Positions, replace: () => Promise<GuardFile>, file: GuardFile) {
    this.#positions = positions;
    this.#replace = replace;
    this.#file = file;
    this.#queue = new CommitQueue(
      (votes) => this.#commit(votes),
      (votes) => votes.length,
    );
  }

  get floor(): number {
    return this.#positions.floor;
  }

  get lastView(): number {
    return this.#positions.last;
  }

  get votes(): readonly Subject[] {
    return this.#positions.votes;
  }

  check(subject: Subject): VoteRefused | undefined {
    const { failure } = this.#queue;
    if (failure !== undefined) {
      return new VoteRefused("FAILED", subject, `the guard cannot be written: ${failure.message}`, { cause: failure });
    }
    if (this.#isClosed) return new VoteRefused("FAILED", subject, "the guard is closed");
    return this.#positions.check(subject);
  }

  async advance(subject: Subject): Promise<void> {
    const refusal = this.check(subject);
    if (refusal !== undefined) throw refusal;
    if (this.#queue.length >= MAX_WAITING) throw new VoteRefused("FAILED", subject, "too many votes wait for the disk");
    const isKnown = this.#positions.has(subject);
    this.#positions.add(subject);
    try {
      // A known one may still be on its way.
      await (isKnown ? this.#queue.flush() : this.#queue.push(subject));
    } catch {
      throw this.check(subject) ?? new VoteRefused("FAILED", subject, "the guard cannot be written");
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const known = this.#queue.failure;
    try {
      await this.#queue.flush().catch((error) => {
        if (known === undefined) throw error;
      });
      // A backup that was made while this ran is stale from now on.
      if (known === undefined) await this.#renew();
    } finally {
      await this.#file.close();
    }
  }

  async #commit(votes: readonly Subject[]): Promise<void> {
    // The positions hold these already, and perhaps some that come later: no harm.
    if (!(await this.#file.append(votes))) await this.#renew();
  }

  async #renew(): Promise<void> {
    const old = this.#file;
    this.#file = await this.#replace();
    await old.close();
  }
}

/** For a place that does not sign: remembers what it was given, refuses everything, touches no file. */
export function observingGuard(contents: GuardContents | undefined, reason: string): Guard {
  const refuse = (subject: Subject) => new VoteRefused("OBSERVING", subject, `this node only observes: ${reason}`);
  return {
    floor: contents?.floor ?? 0,
    lastView: contents?.last ?? 0,
    votes: contents?.votes ?? [],
    check: refuse,
    advance: (subject) => Promise.reject(refuse(subject)),
    close: async () => {},
  };
}
