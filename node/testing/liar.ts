/** A validator that follows the chain as others do, and proposes what it likes when its turn comes. */

import { decodeCertificate } from "../../consensus/codec.ts";
import { voteDigest } from "../../consensus/scheme.ts";
import { KIND, type Proposal, type Subject, type Vote } from "../../consensus/types.ts";
import { leaderOf } from "../../consensus/validators.ts";
import { blsSign } from "../../core/bls.ts";
import { equalsBytes } from "../../core/bytes.ts";
import type { Transaction } from "../../core/chain.ts";
import { COINBASE } from "../../execution/testing/world.ts";
import { testValidator } from "../../genesis/testing/validators.ts";
import { encodeBlockMessage } from "../engine/messages.ts";
import type { Cluster, Member } from "./cluster.ts";
import type { FakeNode } from "./network.ts";
import { testDomain } from "./node.ts";

export interface LiarBlock {
  readonly hash: Uint8Array;
  readonly raw: Uint8Array;
}

export class Liar {
  readonly #cluster: Cluster;
  readonly #key: number;
  /** An honest node without a key that tells what the others do. */
  readonly #eyes: Member;

  private constructor(cluster: Cluster, key: number, eyes: Member) {
    this.#cluster = cluster;
    this.#key = key;
    this.#eyes = eyes;
  }

  /** `key`: that of a member of the set which has no node. */
  static async join(cluster: Cluster, key: number): Promise<Liar> {
    return new Liar(cluster, key, await cluster.add(`eyes of ${key}`));
  }

  get #signer(): number {
    const { publicKey } = testValidator(this.#key);
    return this.#eyes.chain.validatorSet(0)!.validators.findIndex((v) => equalsBytes(v.publicKey, publicKey));
  }

  /** Of the last final block. */
  get #parentView(): number {
    const { chain } = this.#eyes;
    return decodeCertificate(chain.certificate(chain.head.number)!).view;
  }

  /** Lets time pass until it leads the view after the last final block's. Precondition: epoch 0. */
  async turn(): Promise<void> {
    const { chain, engine } = this.#eyes;
    const set = chain.validatorSet(0)!;
    const isTurn = () =>
      chain.head.number > 0n && engine.view === this.#parentView + 1 && leaderOf(engine.view, set) === this.#signer;
    for (let i = 0; !isTurn(); i++) {
      if (i > 10_000) throw new Error("its turn does not come");
      await this.#cluster.clock.pass(10);
    }
  }

  /** A valid block on the last final one. */
  async block(transactions: readonly Transaction[], timestamp: bigint): Promise<LiarBlock> {
    const { chain } = this.#eyes;
    const { block, raw } = await this.#cluster.clock.run(
      chain.proposeOn(chain.head.hash, {
        candidates: transactions,
        timestamp,
        feeAddress: COINBASE,
        isOutOfTime: () => false,
      }),
    );
    return { hash: block.hash, raw };
  }

  sign(subject: Omit<Subject, "epoch">): Vote {
    const { secretKey } = testValidator(this.#key);
    const full: Subject = { epoch: 0, ...subject };
    const digest = voteDigest(testDomain(this.#cluster.genesis), this.#eyes.chain.validatorSet(0)!.hash, full);
    return { ...full, signer: this.#signer, signature: blsSign(secretKey, digest) };
  }

  /** The message that proposes the block in its view. */
  proposal({ hash, raw }: LiarBlock, fields: Partial<Proposal> = {}): Uint8Array {
    const { chain, engine } = this.#eyes;
    const vote = this.sign({ kind: KIND.notarize, view: engine.view, parentView: this.#parentView, block: hash });
    const proposal = {
      vote,
      height: Number(chain.head.number) + 1,
      parent: chain.head.hash,
      certificates: [],
      ...fields,
    };
    return encodeBlockMessage({ proposal, raw });
  }

  /** A place in the network from which only these nodes hear. */
  port(name: string, ...listeners: readonly Member[]): FakeNode {
    const port = this.#cluster.network.join(name);
    for (const { id } of listeners) this.#cluster.network.connect(name, id);
    return port;
  }
}
