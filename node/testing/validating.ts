/** A key with its memory, without files: log and guard of a validator that can be slow, fail, and crash. */
import { isSameSubject } from "../../consensus/certificates.ts";
import { type Domain, voteDigest } from "../../consensus/scheme.ts";
import { KIND, type Subject } from "../../consensus/types.ts";
import { encodeRecords, type WalRecord } from "../../consensus/wal.ts";
import { blsSign } from "../../core/bls.ts";
import { equalsBytes } from "../../core/bytes.ts";
import type { TestValidator } from "../../genesis/testing/validators.ts";
import type { Chain } from "../chain.ts";
import { setOf } from "../engine/start.ts";
import type { Validating } from "../engine/types.ts";
import { Positions, VoteRefused } from "../validator/positions.ts";
import { createVoteSigner } from "../validator/vote-signer.ts";
import { WalError } from "../validator/wal-file.ts";
import type { VirtualClock } from "./clock.ts";

/** What is durable, and what the process that writes it does with it. */
export class ValidatorDisk {
  readonly durable: WalRecord[] = [];
  /** Votes that the guard has durably. */
  readonly guarded: Subject[] = [];
  /** What the guard holds as signed, durable or on its way. */
  readonly positions: Positions;
  /** How long it takes until something is durable. */
  syncMs = 2;
  /** Bytes that the log says it has; 0 after a rotation. */
  logBytes = 0;
  rotations = 0;
  /** Makes every later write fail. */
  failure: Error | undefined;
  /** Refused by the guard, whatever was signed. */
  refuses: (subject: Subject) => boolean = () => false;

  constructor(durable: readonly WalRecord[] = [], guarded: readonly Subject[] = []) {
    this.durable.push(...durable);
    this.guarded.push(...guarded);
    this.positions = new Positions(0, 0, guarded);
  }

  /** What a process that starts now would find. */
  copy(): ValidatorDisk {
    return new ValidatorDisk(this.durable, this.guarded);
  }
}

export interface TestValidating extends Validating {
  /** Everything that left as a vote, in order. */
  readonly signed: readonly Subject[];
}

export interface TestValidatingParts {
  readonly validator: TestValidator;
  readonly chain: Chain;
  readonly domain: Domain;
  readonly clock: VirtualClock;
  readonly disk: ValidatorDisk;
  readonly reasons?: readonly string[];
}

/**
 * Signs with the real key through the real signer, and throws at the signature when a vote, or the block of a vote to
 * notarize, is not durable by then.
 */
export function testValidating(parts: TestValidatingParts): TestValidating {
  const { validator, chain, domain, clock, disk, reasons = [] } = parts;
  const signed: Subject[] = [];
  const setHashOf = (epoch: number) => setOf(chain, epoch).hash;
  const durableSubject = (digest: Uint8Array): Subject | undefined => {
    for (const record of disk.durable.toReversed()) {
      if (record.type !== "vote") continue;
      const { subject } = record;
      if (equalsBytes(voteDigest(domain, setHashOf(subject.epoch), subject), digest)) return subject;
    }
    return undefined;
  };
  const sign = (digest: Uint8Array): Uint8Array => {
    const subject = durableSubject(digest);
    if (subject === undefined) throw new Error("a vote is signed that is not durable");
    if (!disk.guarded.includes(subject)) throw new Error("a vote is signed that the guard does not have");
    if (subject.kind === KIND.notarize && !hasBlock(disk, chain, subject.block)) {
      throw new Error("a vote is signed for a block that is not durable");
    }
    signed.push(subject);
    return blsSign(validator.secretKey, digest);
  };
  const log = memoryLog(disk, chain, clock);
  const signer = createVoteSigner({ wal: log, guard: memoryGuard(disk, clock), sign, domain, setHashOf });
  return { publicKey: validator.publicKey, signer, log, reasons, signed };
}

const hasBlock = (disk: ValidatorDisk, chain: Chain, block: Uint8Array): boolean =>
  chain.isCommitted(block) || disk.durable.some((record) => record.type === "block" && equalsBytes(record.id, block));

function memoryLog(disk: ValidatorDisk, chain: Chain, clock: VirtualClock) {
  const records = [...disk.durable];
  let lazy: WalRecord[] = [];
  const sync = async (): Promise<void> => {
    await clock.sleep(disk.syncMs);
    if (disk.failure !== undefined) throw new WalError("FAILED", `the log cannot be written: ${disk.failure.message}`);
  };
  return {
    records,
    get sizeBytes() {
      return disk.logBytes;
    },
    async append(added: readonly WalRecord[]): Promise<void> {
      encodeRecords(added);
      const written = [...lazy, ...added];
      lazy = [];
      await sync();
      disk.durable.push(...written);
    },
    appendLazy(added: readonly WalRecord[]): void {
      lazy.push(...added);
    },
    async rotate(kept: readonly WalRecord[]): Promise<void> {
      encodeRecords(kept);
      const tip = kept.find((record) => record.type === "tip")?.view ?? 0;
      const votes = kept.flatMap((record) => (record.type === "vote" ? [record.subject] : []));
      for (const vote of disk.positions.votes) {
        const isKept = vote.view <= tip || votes.some((one) => isSameSubject(one, vote));
        if (!isKept) throw new Error("a vote above the tip is left out of the new log");
        const isForBlock = vote.view > tip && vote.kind === KIND.notarize;
        const isHere = kept.some((record) => record.type === "block" && equalsBytes(record.id, vote.block));
        if (isForBlock && !isHere && !chain.isCommitted(vote.block)) {
          throw new Error("a block that was voted for is left out of the new log");
        }
      }
      await sync();
      disk.durable.splice(0, disk.durable.length, ...kept);
      disk.rotations++;
      disk.logBytes = 0;
    },
  };
}

function memoryGuard(disk: ValidatorDisk, clock: VirtualClock) {
  const check = (subject: Subject): VoteRefused | undefined =>
    disk.refuses(subject) ? new VoteRefused("CONFLICT", subject, "the test says so") : disk.positions.check(subject);
  return {
    check,
    async advance(subject: Subject): Promise<void> {
      const refusal = check(subject);
      if (refusal !== undefined) throw refusal;
      disk.positions.add(subject);
      await clock.sleep(disk.syncMs);
      disk.guarded.push(subject);
    },
  };
}
