/** Chunks that are demanded of a host: each is shown in time, once. */
import type { ContentSource } from "../../attribution/content-store.ts";
import type { Logger } from "../log.ts";
import { type Demand, type HostChain, showCall } from "./chain.ts";
import type { Sender } from "./sender.ts";

export interface DemandsParts {
  readonly hostChain: HostChain;
  readonly content: ContentSource;
  readonly sender: Sender;
  readonly log: Logger;
}

const keyOf = ({ inferenceId, contribution, chunk }: Omit<Demand, "deadline">): string =>
  `${inferenceId}/${contribution}/${chunk}`;

/** At most 64 an inference, by the precompile. */
export class Demands {
  readonly #parts: DemandsParts;
  readonly #open = new Map<string, Demand>();
  readonly #showing = new Map<string, Promise<void>>();

  constructor(parts: DemandsParts) {
    this.#parts = parts;
  }

  add(demand: Demand): void {
    this.#open.set(keyOf(demand), demand);
  }

  /** It was shown. */
  remove(demand: Omit<Demand, "deadline">): void {
    this.#open.delete(keyOf(demand));
  }

  /** The inference has come to its end. */
  removeAllOf(inferenceId: bigint): void {
    for (const [key, demand] of this.#open) if (demand.inferenceId === inferenceId) this.#open.delete(key);
  }

  /** Begins to show what is open, as far as transactions may be sent. `timestamp`: of the head. */
  show(timestamp: bigint): void {
    const { sender, log } = this.#parts;
    const urgent = [...this.#open].sort(([, a], [, b]) => (a.deadline < b.deadline ? -1 : 1));
    for (const [key, demand] of urgent) {
      if (demand.deadline < timestamp) this.#open.delete(key);
      else if (sender.hasRoom && !this.#showing.has(key)) {
        const showing = this.#showOne(demand)
          .catch((err: unknown) => log.error({ err, demand: key }, "a demanded chunk is not shown yet"))
          .finally(() => this.#showing.delete(key));
        this.#showing.set(key, showing);
      }
    }
  }

  async settled(): Promise<void> {
    await Promise.all(this.#showing.values());
  }

  /** Whether it has been shown is known by its event. */
  async #showOne(demand: Demand): Promise<void> {
    const { hostChain, content, sender } = this.#parts;
    if (!(await hostChain.isOpen(demand))) {
      this.remove(demand);
      return;
    }
    const { root } = await hostChain.contentOf(demand.contribution);
    const bytes = await content.get(root);
    if (bytes === undefined) throw new Error(`content ${root} of contribution ${demand.contribution} is not at hand`);
    await sender.send({ label: `show ${keyOf(demand)}`, ...showCall(demand, bytes) });
  }
}
