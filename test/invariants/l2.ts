/** L2 in this process, on what L1 has of it, and what its blocks did to the model. */
import { decodeAbiParameters, type Hex, parseAbiParameters, toEventSelector } from "viem";
import { outputRoot, withdrawalHash, withdrawalSlot } from "../../bridge/output.ts";
import { bytesToBigInt, bytesToHex, equalsBytes, hexToBytes } from "../../core/bytes.ts";
import type { Log, Receipt, Transaction } from "../../core/chain.ts";
import { readL1Origin } from "../../execution/block/l1-origin.ts";
import { SENDERS } from "../../execution/testing/world.ts";
import { BRIDGE_PREDEPLOYS } from "../../genesis/bridge-predeploys.ts";
import { FakeStore } from "../../node/testing/world.ts";
import { EPOCH_BLOCKS, type TestL1, TestL2 } from "../helpers/l1-world.ts";
import { type BridgeModel, type SentWithdrawal, Violation } from "./model.ts";
import { SupplyStore } from "./supply-store.ts";

export const PASSER: Hex = BRIDGE_PREDEPLOYS.l2ToL1MessagePasser;
const PASSER_BYTES = hexToBytes(PASSER);
/** ADDRESS SELFDESTRUCT: a contract that ends in its own creation, and what it was given with it. */
export const BURNING_INIT_CODE: Hex = "0x30ff";

const MESSAGE_PASSED = toEventSelector("MessagePassed(uint256,address,address,uint256,uint256,bytes,bytes32)");
const BALANCE_BURNT = toEventSelector("WithdrawerBalanceBurnt(uint256)");
const MESSAGE_DATA = parseAbiParameters("uint256 value, uint256 gasLimit, bytes data, bytes32 withdrawalHash");

/** What a proof of the portal consists of. */
export interface WithdrawalProof {
  readonly outputRootProof: {
    readonly version: Hex;
    readonly stateRoot: Hex;
    readonly messagePasserStorageRoot: Hex;
    readonly latestBlockhash: Hex;
  };
  readonly nodes: readonly Hex[];
}

export class BridgedL2 {
  readonly #world: TestL1;
  readonly #model: BridgeModel;
  readonly #supply: SupplyStore;
  #node: TestL2;
  blocks = 0;
  restarts = 0;

  private constructor(world: TestL1, model: BridgeModel, supply: SupplyStore, node: TestL2) {
    this.#world = world;
    this.#model = model;
    this.#supply = supply;
    this.#node = node;
  }

  static async open(world: TestL1, model: BridgeModel): Promise<BridgedL2> {
    const supply = new SupplyStore();
    const node = await TestL2.open(world, { store: new FakeStore(supply) });
    return new BridgedL2(world, model, supply, node);
  }

  get chain() {
    return this.#node.chain;
  }

  /** The newest block up to which L1 has good batches. */
  get safe(): bigint {
    return this.#node.safeHead.safe;
  }

  nonceOf(account: number): bigint {
    return this.chain.headState.account(SENDERS[account]!)?.nonce ?? 0n;
  }

  balanceOf(account: number): bigint {
    return this.chain.headState.account(SENDERS[account]!)?.balance ?? 0n;
  }

  read(): { readonly supplyWei: bigint; readonly passerWei: bigint } {
    return { supplyWei: this.#supply.supplyWei, passerWei: this.#supply.balanceOf(PASSER_BYTES) };
  }

  /** The sum that is kept up is that of all accounts. */
  audit(): void {
    const [kept, counted] = [this.#supply.supplyWei, this.#supply.countSupplyWei()];
    if (kept !== counted) throw new Error(`the accounts have ${counted} wei, by their changes ${kept}`);
  }

  /** A new process on the same disk. */
  async restart(): Promise<void> {
    await this.#close();
    this.#node = await TestL2.open(this.#world, { store: this.#node.store, clock: this.#node.clock });
    this.restarts++;
  }

  async #close(): Promise<void> {
    this.#node.client.stop();
    await this.#node.watcher.stop();
  }

  /** Reads what is new on L1. */
  async follow(): Promise<void> {
    await this.#node.follow();
    const [halt] = this.#node.halts;
    if (halt !== undefined) throw new Violation(`L2 halts: ${halt.message}`);
    const { problem } = this.#node.watcher.status;
    if (problem !== undefined) throw new Violation(`L2 cannot follow L1: ${problem}`);
  }

  /** Makes and commits a block; the last one of an epoch always has a certificate. */
  async makeBlock(transactions: readonly Transaction[], hasCertificate: boolean): Promise<void> {
    await this.follow();
    const isLast = (this.chain.head.number + 2n) % BigInt(EPOCH_BLOCKS) === 0n;
    await this.#node.extend(transactions, hasCertificate || isLast);
    this.blocks++;
    const block = this.chain.headBlock;
    const origin = readL1Origin(this.chain.headState).number;
    for (const [index, transaction] of block.transactions.entries()) {
      // The first is L1's attributes.
      if (transaction.deposit !== undefined && index > 0) this.#model.executed(bytesToHex(transaction.hash), origin);
      this.#book(transaction, block.receipts[index]!, block.header.number);
    }
    this.#model.requireCaughtUp(origin);
  }

  #book(transaction: Transaction, receipt: Receipt, l2Number: bigint): void {
    if (receipt.status === 0) return;
    const { to, value, data } = transaction;
    if (to === undefined && bytesToHex(data) === BURNING_INIT_CODE) this.#model.burnt(value);
    for (const log of receipt.logs) {
      if (!equalsBytes(log.address, PASSER_BYTES)) continue;
      const topic = bytesToHex(log.topics[0]!);
      if (topic === MESSAGE_PASSED) this.#model.began(withdrawalOf(log, l2Number));
      else if (topic === BALANCE_BURNT) this.#model.destroyedByPasser(bytesToBigInt(log.topics[1]!));
    }
  }

  rootAt(number: bigint): Hex {
    const { header, hash } = this.chain.block(number)!;
    return bytesToHex(outputRoot(header, hash));
  }

  /** Of a withdrawal that L2 began by this block; of others it shows that they are not there. */
  prove(hash: Hex, number: bigint): WithdrawalProof {
    const block = this.chain.block(number)!;
    const slot = withdrawalSlot(hexToBytes(hash));
    const { storageProofs } = this.chain.prove(block, PASSER_BYTES, [slot]);
    return {
      outputRootProof: {
        version: `0x${"00".repeat(32)}`,
        stateRoot: bytesToHex(block.header.stateRoot),
        messagePasserStorageRoot: bytesToHex(block.header.withdrawalsRoot),
        latestBlockhash: bytesToHex(block.hash),
      },
      nodes: storageProofs[0]!.proof.map((node) => bytesToHex(node)),
    };
  }

  async stop(): Promise<void> {
    await this.#close();
  }
}

function withdrawalOf({ topics, data }: Log, l2Number: bigint): SentWithdrawal {
  const [, nonce, sender, target] = topics as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
  const [value, gasLimit, message, named] = decodeAbiParameters(MESSAGE_DATA, bytesToHex(data));
  const withdrawal = {
    nonce: bytesToBigInt(nonce),
    sender: bytesToHex(sender.slice(12)),
    target: bytesToHex(target.slice(12)),
    value,
    gasLimit,
    data: message,
    l2Number,
  };
  const hash = bytesToHex(
    withdrawalHash({
      ...withdrawal,
      sender: sender.slice(12),
      target: target.slice(12),
      valueWei: value,
      data: hexToBytes(message),
    }),
  );
  if (hash !== named) throw new Violation(`the message passer calls a withdrawal ${named} instead of ${hash}`);
  return { ...withdrawal, hash };
}
