/**
 * How many blocks OPEN takes from one chain to the other, with the node's own poster and proposer: an L1 block every
 * twelve seconds, one of L2 for each, an L1 block counts from depth 2 on, a batch goes to L1 when its oldest block is a
 * minute old, the finalization period is 100 seconds.
 */
import { type Abi, encodeFunctionData, hexToBytes as fromHex, type Hex, parseAbi } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { getL2TransactionHashes } from "viem/op-stack";
import { messageNonce, withdrawalHash, withdrawalSlot } from "../bridge/output.ts";
import portalArtifact from "../contracts/artifacts/OpenLedgerPortal.json" with { type: "json" };
import tokenArtifact from "../contracts/artifacts/OpenToken.json" with { type: "json" };
import oracleArtifact from "../contracts/artifacts/OutputOracle.json" with { type: "json" };
import { bytesToHex, hexToBytes } from "../core/bytes.ts";
import type { Transaction } from "../core/chain.ts";
import { validatorSet } from "../core/validators.ts";
import { SENDERS } from "../execution/testing/world.ts";
import { BRIDGE_PREDEPLOYS } from "../genesis/bridge-predeploys.ts";
import { Poster } from "../node/l1/poster.ts";
import { Proposer } from "../node/l1/proposer.ts";
import { L1Sender } from "../node/l1/sender.ts";
import { RECIPIENT, signed } from "../node/testing/world.ts";
import { bridgedL1, EPOCH_BLOCKS, type TestL1, TestL2, VALIDATORS } from "../test/helpers/l1-world.ts";

const KEY: Hex = `0x${"46".repeat(32)}`;
const POSTER = privateKeyToAccount(KEY);
const L1_BLOCK_SECONDS = 12;
/** Of the oldest block of a batch. */
const MAX_AGE_MS = 60_000;
const MOST_L1_BLOCKS = 100;
const AMOUNT = 1_000n;
const GAS = 3_000_000n;
const PASSER = BRIDGE_PREDEPLOYS.l2ToL1MessagePasser;
const PASSER_ABI = parseAbi(["function initiateWithdrawal(address target, uint256 gasLimit, bytes data) payable"]);

export interface Latencies {
  /** From the deposit's L1 block to the one with which L2 has it; and L2 blocks from when its L1 block counts. */
  readonly depositL1: number;
  readonly depositL2: number;
  /** L1 blocks from the L2 block to its batch, to an output at or above it, and to the payment. */
  readonly batchL1: number;
  readonly outputL1: number;
  readonly withdrawalL1: number;
}

export async function measureLatencies(): Promise<Latencies> {
  const world = await bridgedL1();
  try {
    const { client } = world.anvil;
    await client.setBalance({ address: POSTER.address, value: 10n ** 20n });
    await client.setAutomine(false);
    await client.setBlockTimestampInterval({ interval: L1_BLOCK_SECONDS });
    const l2 = await TestL2.open(world);
    try {
      return await new Course(world, l2).run();
    } finally {
      l2.client.stop();
    }
  } finally {
    await world.anvil.stop();
  }
}

class Course {
  readonly #world: TestL1;
  readonly #l2: TestL2;
  readonly #poster: Poster;
  readonly #proposer: Proposer;
  #l1Blocks = 0;

  constructor(world: TestL1, l2: TestL2) {
    const { chain, watcher, safeHead, store, clock, client } = l2;
    const { inbox, oracle, registry } = world.l1;
    const { log } = l2.log;
    const { address, publicKey, stake } = VALIDATORS[0]!;
    const readTo = () => safeHead.readTo;
    const limits = { maxFeePerGas: 500_000_000_000n, bumpAfterMs: 600_000_000 };
    const sender = new L1Sender({ client, store, clock, log, privateKey: fromHex(KEY), readTo, ...limits });
    const common = {
      ...{ chain, watcher, safeHead, sender, clock, log },
      epochBlocks: BigInt(EPOCH_BLOCKS),
      // Alone, so that it is always its turn.
      validators: () => validatorSet([{ address, publicKey, stake }]),
      publicKey,
    };
    this.#world = world;
    this.#l2 = l2;
    this.#poster = new Poster({ ...common, store, inbox, data: "calldata", maxAgeMs: MAX_AGE_MS });
    this.#proposer = new Proposer({ ...common, client, oracle, registry });
  }

  async run(): Promise<Latencies> {
    for (let i = 0; i < 5; i++) await this.#step();
    const { depositL1, depositL2 } = await this.#deposit();
    return { depositL1, depositL2, ...(await this.#withdraw()) };
  }

  /** An L1 block, and then one of L2. */
  async #step(transactions: readonly Transaction[] = []): Promise<void> {
    const { timestamp } = await this.#world.anvil.client.getBlock();
    this.#l2.clock.setMs((Number(timestamp) + L1_BLOCK_SECONDS) * 1_000);
    await this.#poster.tick();
    await this.#proposer.tick();
    await this.#world.mine();
    this.#l1Blocks++;
    await this.#l2.follow();
    await this.#l2.extend(transactions);
  }

  /** L1 blocks until it is so. */
  async #until(isSo: () => Promise<boolean> | boolean, what: string): Promise<number> {
    const begin = this.#l1Blocks;
    while (!(await isSo())) {
      if (this.#l1Blocks - begin === MOST_L1_BLOCKS) throw new Error(`${what}: not within ${MOST_L1_BLOCKS} L1 blocks`);
      await this.#step();
    }
    return this.#l1Blocks - begin;
  }

  #send(to: Uint8Array, abi: unknown, functionName: string, args: readonly unknown[]): Promise<Hex> {
    const data = encodeFunctionData({ abi: abi as Abi, functionName, args });
    return this.#world.anvil.client.sendTransaction({ to: bytesToHex(to), data, gas: GAS });
  }

  async #deposit() {
    const { anvil, l1 } = this.#world;
    const { chain } = this.#l2;
    await this.#send(l1.token, tokenArtifact.abi, "approve", [bytesToHex(l1.portal), AMOUNT]);
    const args = [bytesToHex(RECIPIENT), AMOUNT, AMOUNT, 100_000n, false, "0x"];
    const hash = await this.#send(l1.portal, portalArtifact.abi, "depositERC20Transaction", args);
    await this.#step();
    const receipt = await anvil.client.getTransactionReceipt({ hash });
    const [l2Hash] = getL2TransactionHashes(receipt);
    let blocksAfterFinal = 0;
    const depositL1 = await this.#until(() => {
      if ((this.#l2.watcher.finalNumber ?? 0n) >= receipt.blockNumber) blocksAfterFinal++;
      return chain.transaction(hexToBytes(l2Hash!)) !== undefined;
    }, "the deposit");
    return { depositL1, depositL2: blocksAfterFinal };
  }

  async #withdraw() {
    const { anvil, l1 } = this.#world;
    const { chain, safeHead } = this.#l2;
    const target = `0x${"7a".repeat(20)}` as const;
    const data = fromHex(
      encodeFunctionData({ abi: PASSER_ABI, functionName: "initiateWithdrawal", args: [target, 21_000n, "0x"] }),
    );
    // The longest: right after a batch.
    await this.#until(() => safeHead.safe >= chain.head.number - 2n, "a batch");
    await this.#step([signed(0, 0n, { to: fromHex(PASSER), value: AMOUNT, data, gasLimit: 300_000n })]);
    if (chain.headBlock.receipts.at(-1)!.status !== 1) throw new Error("the withdrawal fails on L2");
    const { number } = chain.head;
    const begin = this.#l1Blocks;
    await this.#until(() => safeHead.safe >= number, "the batch");
    const batchL1 = this.#l1Blocks - begin;
    const read = (address: Uint8Array, abi: unknown, functionName: string, args: readonly unknown[] = []) =>
      anvil.client.readContract({ address: bytesToHex(address), abi: abi as Abi, functionName, args });
    const latest = () => read(l1.oracle, oracleArtifact.abi, "latestBlockNumber") as Promise<bigint>;
    await this.#until(async () => (await latest()) >= number, "the output");
    const outputL1 = this.#l1Blocks - begin;

    const parts = { nonce: messageNonce(0n), gasLimit: 21_000n, target: fromHex(target), sender: SENDERS[0]! };
    const hash = withdrawalHash({ ...parts, valueWei: AMOUNT, data: new Uint8Array() });
    const struct = { ...parts, target, sender: bytesToHex(SENDERS[0]!), value: AMOUNT, data: "0x" };
    const index = (await read(l1.oracle, oracleArtifact.abi, "getL2OutputIndexAfter", [number])) as bigint;
    const output = (await read(l1.oracle, oracleArtifact.abi, "getL2Output", [index])) as { l2BlockNumber: bigint };
    const block = chain.block(output.l2BlockNumber)!;
    const { storageProofs } = chain.prove(block, fromHex(PASSER), [withdrawalSlot(hash)]);
    const root = {
      version: `0x${"00".repeat(32)}`,
      stateRoot: bytesToHex(block.header.stateRoot),
      messagePasserStorageRoot: bytesToHex(block.header.withdrawalsRoot),
      latestBlockhash: bytesToHex(block.hash),
    };
    const nodes = storageProofs[0]!.proof.map((node) => bytesToHex(node));
    const abi = portalArtifact.abi;
    const proven = await this.#send(l1.portal, abi, "proveWithdrawalTransaction", [struct, index, root, nodes]);
    await this.#step();
    await this.#requireSuccess(proven, "the proof");
    const isReady = async () => {
      const request = {
        address: bytesToHex(l1.portal),
        abi: abi as Abi,
        functionName: "finalizeWithdrawalTransaction",
      };
      // As of the next block, which is when it would be mined.
      return anvil.client.simulateContract({ ...request, args: [struct], blockTag: "pending" } as never).then(
        () => true,
        () => false,
      );
    };
    await this.#until(isReady, "the finalization period");
    const finalized = await this.#send(l1.portal, abi, "finalizeWithdrawalTransaction", [struct]);
    await this.#step();
    await this.#requireSuccess(finalized, "the finalization");
    const paid = await read(l1.token, tokenArtifact.abi, "balanceOf", [target]);
    if (paid !== AMOUNT) throw new Error(`the target has ${paid} wei of OPEN`);
    return { batchL1, outputL1, withdrawalL1: this.#l1Blocks - begin };
  }

  async #requireSuccess(hash: Hex, what: string): Promise<void> {
    const { status } = await this.#world.anvil.client.getTransactionReceipt({ hash });
    if (status !== "success") throw new Error(`${what} fails on L1`);
  }
}
