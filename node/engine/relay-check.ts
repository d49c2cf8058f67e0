/**
 * Votes that gossip may carry on. Consensus counts a vote before anybody has looked at its signature; it may travel on
 * only afterwards, because whoever passes a forged one on is blamed for it, and a stranger could have honest nodes ban
 * each other. The votes of a moment are checked together, and only those that are still wanted: where a certificate says
 * the same by then, the neighbours have that, and it tells them more.
 */
import type { Vote } from "../../consensus/types.ts";
import { bytesToHex } from "../../core/bytes.ts";
import type { Verdict } from "../p2p/types.ts";
import type { Clock } from "../ports.ts";

/** Most votes of a view come within it, and the check is no hurry: neighbours have them from their makers. */
const GATHER_MS = 20;

export interface SignedDigest {
  /** 96 bytes, uncompressed. */
  readonly publicKey: Uint8Array;
  readonly digest: Uint8Array;
  readonly signature: Uint8Array;
}

export interface RelayCheckParts {
  readonly clock: Clock;
  /** Key and digest of a vote; undefined when it is of no set that is known. */
  readonly resolve: (vote: Vote) => SignedDigest | undefined;
  /** Whether a certificate that was passed on makes the vote superfluous. */
  readonly isCertified: (vote: Vote) => boolean;
  /** True only when every one of them is valid by itself. */
  readonly verifyEach: (digest: Uint8Array, signed: readonly SignedDigest[]) => boolean;
}

interface Waiting {
  readonly vote: Vote;
  readonly signed: SignedDigest;
  readonly judge: (verdict: Verdict) => void;
}

export class RelayCheck {
  readonly #parts: RelayCheckParts;
  #waiting: Waiting[] = [];
  #cancel: (() => void) | undefined;
  #isStopped = false;

  constructor(parts: RelayCheckParts) {
    this.#parts = parts;
  }

  /** How many can wait is bounded by the number of messages that the network lets be in work. */
  judge(vote: Vote): Promise<Verdict> {
    const signed = this.#parts.resolve(vote);
    if (signed === undefined || this.#isStopped) return Promise.resolve("ignore");
    return new Promise((judge) => {
      this.#waiting.push({ vote, signed, judge });
      const { clock } = this.#parts;
      this.#cancel ??= clock.at(clock.nowMs() + GATHER_MS, () => this.#check());
    });
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel?.();
    for (const { judge } of this.#waiting.splice(0)) judge("ignore");
  }

  #check(): void {
    this.#cancel = undefined;
    const groups = new Map<string, Waiting[]>();
    for (const one of this.#waiting.splice(0)) {
      if (this.#parts.isCertified(one.vote)) {
        one.judge("ignore");
        continue;
      }
      const key = bytesToHex(one.signed.digest);
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [one]);
      else group.push(one);
    }
    for (const group of groups.values()) this.#checkGroup(group);
  }

  /** Votes on one digest. */
  #checkGroup(group: readonly Waiting[]): void {
    const { verifyEach } = this.#parts;
    const { digest } = group[0]!.signed;
    const areValid = verifyEach(
      digest,
      group.map(({ signed }) => signed),
    );
    for (const { signed, judge } of group) judge(areValid || verifyEach(digest, [signed]) ? "accept" : "reject");
  }
}
