/** The only way to a signature: log and guard first, both durable, then the key. */
import { type Domain, voteDigest } from "../../consensus/scheme.ts";
import type { Subject } from "../../consensus/types.ts";
import type { WalRecord } from "../../consensus/wal.ts";
import type { Guard } from "./guard.ts";
import { type Wal, WalError } from "./wal-file.ts";

/**
 * Votes on their way to the disk at once. After a crash at most so many are in the log and not in the guard, or the
 * reverse, and none of those was signed; more is a sign that one of the two is not what it was.
 */
export const MAX_IN_FLIGHT = 16;
/** Votes that wait for one of those places. */
const MAX_WAITING = 256;

/** The vote was not signed, and no later one will be: what is on the disk is not known any more. */
export class SigningFailed extends Error {
  constructor(cause: unknown) {
    super(`votes cannot be made durable, so that none is signed any more: ${(cause as Error).message}`, { cause });
    this.name = "SigningFailed";
  }
}

export interface VoteSigner {
  /**
   * Makes the vote durable, together with `extraRecords` (the block that it speaks of, what else must not be lost), and
   * signs it. 96 bytes. Rejects with VoteRefused, having written nothing, when the guard refuses it, and with
   * SigningFailed when the disk fails, then with every later call; with WalError FULL until the log is rotated.
   */
  signVote(subject: Subject, extraRecords?: readonly WalRecord[]): Promise<Uint8Array>;
}

export interface VoteSignerParts {
  readonly wal: Pick<Wal, "append">;
  readonly guard: Pick<Guard, "check" | "advance">;
  /** 32-byte digest to 96-byte signature. */
  readonly sign: (digest: Uint8Array) => Uint8Array;
  readonly domain: Domain;
  /** Hash of the validator set of an epoch. */
  readonly setHashOf: (epoch: number) => Uint8Array;
}

export function createVoteSigner({ wal, guard, sign, domain, setHashOf }: VoteSignerParts): VoteSigner {
  let inFlight = 0;
  let failure: SigningFailed | undefined;
  const waiting: (() => void)[] = [];

  const fail = (cause: unknown): SigningFailed => {
    failure ??= new SigningFailed(cause);
    return failure;
  };

  /** The guard holds the vote as signed from the call of `advance` on: nothing that contradicts it can overtake it. */
  async function makeDurable(subject: Subject, records: readonly WalRecord[]): Promise<void> {
    const refusal = guard.check(subject);
    if (refusal?.code === "FAILED") throw fail(refusal);
    if (refusal !== undefined) throw refusal;
    const results = await Promise.allSettled([
      guard.advance(subject),
      wal.append([...records, { type: "vote", subject }]),
    ]);
    const failed = results.find((result) => result.status === "rejected");
    if (failed === undefined) return;
    // The log takes more after a rotation; what is on the disk is known.
    if (failed.reason instanceof WalError && failed.reason.code === "FULL") throw failed.reason;
    throw fail(failed.reason);
  }

  return {
    async signVote(subject, extraRecords = []) {
      if (waiting.length >= MAX_WAITING) throw new RangeError(`${waiting.length} votes wait to be signed`);
      if (inFlight >= MAX_IN_FLIGHT) await new Promise<void>((resolve) => waiting.push(resolve));
      else inFlight++;
      try {
        if (failure !== undefined) throw failure;
        await makeDurable(subject, extraRecords);
        return sign(voteDigest(domain, setHashOf(subject.epoch), subject));
      } finally {
        // Whoever waits takes this place.
        const next = waiting.shift();
        if (next === undefined) inFlight--;
        else next();
      }
    },
  };
}
