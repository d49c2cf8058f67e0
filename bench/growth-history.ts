/**
 * What kept states cost: the same blocks of 200 transfers on 20,000 accounts in a chain that keeps all states and in one
 * that keeps the newest 128 (docs/adr/0013-states-counted-by-place.md), written as a node writes them. What the store
 * has in the end, and the processor time of all threads for each block from decoded transactions to the disk.
 */
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EMPTY_BYTES } from "../core/bytes.ts";
import { keccak256 } from "../core/crypto.ts";
import { openLevelStore } from "../execution/state/level-store.ts";
import { signTransaction } from "../execution/tx/sign.ts";
import { Chain } from "../node/chain.ts";
import { CHAIN_ID, decoded, extend, testGenesis } from "../node/testing/world.ts";
import { PRECOMPILES } from "../precompiles/table.ts";
import { createSenders } from "./consensus-load.ts";

const ACCOUNTS = 20_000;
const TRANSFERS = 200;
const KEPT_STATES = 128n;
const WRITE_BUFFER_BYTES = 2 ** 20;

export interface HistoryFigures {
  readonly diskMib: number;
  readonly cpuMs: number;
}

/** `keep`: states below the head; undefined for all. */
export async function measureHistory(blocks: number, keep: bigint | undefined): Promise<HistoryFigures> {
  const directory = await mkdtemp(join(tmpdir(), "openledger-bench-"));
  // A store that is small enough that what was deleted is gone from the disk, too.
  const store = await openLevelStore(directory, { writeBufferBytes: WRITE_BUFFER_BYTES });
  try {
    const senders = createSenders(TRANSFERS);
    const addresses = Array.from({ length: ACCOUNTS }, (_, index) => senders[index]?.address ?? addressAt(index));
    const genesis = testGenesis(
      addresses.map((address) => ({ address, nonce: 0n, balance: 10n ** 20n, code: EMPTY_BYTES, storage: [] })),
      { gasLimit: 30_000_000n },
    );
    const chain = await Chain.open(store, genesis, PRECOMPILES, undefined, { states: keep });
    let cpuMs = 0;
    for (let number = 0; number < blocks; number++) {
      const transfers = senders.map(({ key }, index) => {
        const word = keccak256(new TextEncoder().encode(`${number} ${index}`));
        const to = addresses[new DataView(word.buffer, word.byteOffset).getUint32(0) % ACCOUNTS]!;
        return decoded(signTransfer(CHAIN_ID, key, BigInt(number), to));
      });
      const cpuStart = process.cpuUsage();
      await extend(chain, transfers);
      const { user, system } = process.cpuUsage(cpuStart);
      cpuMs += (user + system) / 1_000;
    }
    await store.close();
    return { diskMib: await sizeMib(directory), cpuMs: cpuMs / blocks };
  } finally {
    await store.close();
    await rm(directory, { recursive: true });
  }
}

export async function printHistory(
  blocks: number,
  print: (name: string, value: number, unit: string, goal: string) => void,
) {
  const archive = await measureHistory(blocks, undefined);
  const pruned = await measureHistory(blocks, KEPT_STATES);
  print("history.archive", archive.diskMib, "MiB", "-");
  print(`history.${KEPT_STATES}`, pruned.diskMib, "MiB", "-");
  print("history.ratio", archive.diskMib / pruned.diskMib, "times", "-");
  print("history.archive.block.cpu", archive.cpuMs, "ms", "-");
  print(`history.${KEPT_STATES}.block.cpu`, pruned.cpuMs, "ms", "-");
}

export function addressAt(index: number): Uint8Array {
  return keccak256(new TextEncoder().encode(`account ${index}`)).slice(12);
}

export async function sizeMib(directory: string): Promise<number> {
  const files = await readdir(directory, { recursive: true });
  const sizes = await Promise.all(files.map(async (file) => (await stat(join(directory, file))).size));
  return sizes.reduce((sum, size) => sum + size, 0) / 2 ** 20;
}

/** A signed transfer of 1 wei. */
export function signTransfer(chainId: bigint, key: Uint8Array, nonce: bigint, to: Uint8Array): Uint8Array {
  const fees = { maxPriorityFeePerGas: 1_000n, maxFeePerGas: 10n ** 12n, gasLimit: 21_000n };
  const lists = { accessList: [], authorizationList: [] };
  return signTransaction({ type: 2, chainId, nonce, ...fees, to, value: 1n, data: EMPTY_BYTES, ...lists }, key);
}
