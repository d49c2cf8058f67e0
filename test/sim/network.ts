/** The simulated network: loss, delay, duplicates, reordering, and cuts of some links, in both directions or in one. */
import {
  decodeCertificate,
  decodeProposal,
  decodeVote,
  encodeCertificate,
  encodeProposal,
  encodeVote,
} from "../../consensus/codec.ts";
import type { BlockId, Certificate, Proposal, Vote } from "../../consensus/types.ts";
import type { SimBlock } from "./ledger.ts";
import type { Plan } from "./plan.ts";
import type { Random } from "./random.ts";
import type { Scheduler } from "./scheduler.ts";

/** Blocks in a row, each with the certificate that made it final where the sender has one. */
export interface Range {
  readonly blocks: readonly SimBlock[];
  readonly certificates: readonly (Certificate | undefined)[];
}

export type Message =
  | { readonly type: "vote"; readonly vote: Vote }
  | { readonly type: "certificate"; readonly certificate: Certificate }
  /** Without the block where the last one of an epoch is proposed again: everybody has it, or asks for it. */
  | { readonly type: "proposal"; readonly proposal: Proposal; readonly block: SimBlock | undefined }
  /** Asks for the certificates and votes of these views. */
  | { readonly type: "views"; readonly views: readonly number[] }
  | { readonly type: "block-request"; readonly id: BlockId }
  | { readonly type: "block"; readonly block: SimBlock }
  /** The sender's committed height; who has more answers with a range. */
  | { readonly type: "status"; readonly height: number }
  | { readonly type: "range"; readonly range: Range };

/** The message as its bytes say it. Throws what the codec throws. */
export function recoded(message: Message): Message {
  switch (message.type) {
    case "vote":
      return { ...message, vote: decodeVote(encodeVote(message.vote)) };
    case "certificate":
      return { ...message, certificate: decodeCertificate(encodeCertificate(message.certificate)) };
    case "proposal":
      return { ...message, proposal: decodeProposal(encodeProposal(message.proposal)) };
    default:
      return message;
  }
}

export class Network {
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #plan: Plan["network"];
  readonly #endpoints: number;
  readonly #deliver: (to: number, from: number, message: Message) => void;
  /** By `from * endpoints + to`: the moment up to which the link is cut. */
  readonly #cutUntilMs: number[];
  #isHealed = false;

  constructor(
    scheduler: Scheduler,
    random: Random,
    plan: Plan["network"],
    endpoints: number,
    deliver: (to: number, from: number, message: Message) => void,
  ) {
    this.#scheduler = scheduler;
    this.#random = random;
    this.#plan = plan;
    this.#endpoints = endpoints;
    this.#deliver = deliver;
    this.#cutUntilMs = new Array(endpoints * endpoints).fill(0);
    this.#planPartition();
  }

  send(from: number, to: number, message: Message): void {
    const random = this.#random;
    const plan = this.#plan;
    if (!this.#isHealed) {
      if (this.#scheduler.nowMs < (this.#cutUntilMs[from * this.#endpoints + to] as number)) return;
      if (plan.lossRate > 0 && random.chance(plan.lossRate)) return;
    }
    const copies = plan.duplicateRate > 0 && random.chance(plan.duplicateRate) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      const sent = plan.isEncoded ? recoded(message) : message;
      this.#scheduler.after(this.#delayMs(), () => this.#deliver(to, from, sent));
    }
  }

  /** From now on every message arrives, within what Δ promises. */
  heal(): void {
    this.#isHealed = true;
  }

  #delayMs(): number {
    const { delayMs, tailRate, tailMs } = this.#plan;
    if (!this.#isHealed && tailRate > 0 && this.#random.chance(tailRate)) return this.#random.between(1, tailMs);
    return this.#random.between(1, delayMs);
  }

  #planPartition(): void {
    const { partitionEveryMs, partitionMs, oneWayRate } = this.#plan;
    if (partitionEveryMs === Number.POSITIVE_INFINITY) return;
    const random = this.#random;
    this.#scheduler.after(random.between(1, 2 * partitionEveryMs), () => {
      if (this.#isHealed) return;
      const side = Array.from({ length: this.#endpoints }, () => random.chance(0.5));
      const untilMs = this.#scheduler.nowMs + random.between(1, 2 * partitionMs);
      const isOneWay = random.chance(oneWayRate);
      for (let from = 0; from < this.#endpoints; from++) {
        for (let to = 0; to < this.#endpoints; to++) {
          if (side[from] === side[to] || (isOneWay && side[from])) continue;
          this.#cutUntilMs[from * this.#endpoints + to] = untilMs;
        }
      }
      this.#planPartition();
    });
  }
}
