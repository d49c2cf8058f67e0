/**
 * What a block costs as the state grows: blocks of 1,000 transfers on states of 10,000 to 1,000,000 accounts, from signed
 * transactions to the state in LevelDB, as whoever proposes a block does it, without fsync. A process of its own for each
 * size. The senders are 1,000; each transfer goes to a random account, so that most of what is read of a large state is in
 * no cache. Times are medians; `state` is the making of the first state, `block.cpu` the processor time of all threads.
 * At last, what kept states cost on disk and in time (growth-history.ts).
 *
 * Prints `name value unit goal`, a line a figure. `node bench/growth.ts [accounts ...]`
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { EMPTY_BYTES } from "../core/bytes.ts";
import { keccak256 } from "../core/crypto.ts";
import { type ChainRules, DEFAULT_RULES } from "../execution/rules.ts";
import { createSenders } from "./consensus-load.ts";
import { OurExecutor } from "./execution-ours.ts";
import { addressAt, printHistory, signTransfer, sizeMib } from "./growth-history.ts";

const SIZES = [10_000, 100_000, 1_000_000];
const SENDERS = 1_000;
const WARM_UP = 5;
const MEASURED = 15;
const CHAIN_ID = 1n;
const BALANCE = 10n ** 20n;
const GOAL = 2;
const HISTORY_BLOCKS = 1_000;

interface Figures {
  readonly stateMs: number;
  readonly blockMs: number;
  readonly cpuMs: number;
  readonly residentMib: number;
  readonly diskMib: number;
}

if (process.send === undefined) await compareSizes();
else {
  const figures = await measure(Number(process.argv[2]));
  process.send?.(figures);
  process.disconnect?.();
}

async function compareSizes(): Promise<void> {
  const given = process.argv.slice(2).map(Number);
  const sizes = given.length === 0 ? SIZES : given;
  const all: Figures[] = [];
  for (const accounts of sizes) {
    const flags = [...process.execArgv, "--max-semi-space-size=64"];
    const child = fork(fileURLToPath(import.meta.url), [String(accounts)], { execArgv: flags });
    const ended = once(child, "exit").then(([code]) => {
      throw new Error(`the process for ${accounts} accounts ended with ${code} without a result`);
    });
    ended.catch(() => {});
    const [figures] = (await Promise.race([once(child, "message"), ended])) as [Figures];
    await ended.catch(() => {});
    all.push(figures);
    const name = `accounts.${accounts}`;
    print(`${name}.state`, figures.stateMs, "ms", "-");
    print(`${name}.block`, figures.blockMs, "ms", "-");
    print(`${name}.block.cpu`, figures.cpuMs, "ms", "-");
    print(`${name}.memory`, figures.residentMib, "MiB", "-");
    print(`${name}.disk`, figures.diskMib, "MiB", "-");
  }
  const [first, last] = [all[0]!, all.at(-1)!];
  print("ratio", last.blockMs / first.blockMs, "times", `<=${GOAL}`);
  print("ratio.cpu", last.cpuMs / first.cpuMs, "times", "-");
  await printHistory(HISTORY_BLOCKS, print);
}

async function measure(accounts: number): Promise<Figures> {
  const directory = await mkdtemp(join(tmpdir(), "openledger-bench-"));
  try {
    const { baseFeeRecipient: _treasury, ...shared } = DEFAULT_RULES;
    const rules: ChainRules = { ...shared, chainId: CHAIN_ID, gasLimit: 30_000_000n };
    const senders = createSenders(SENDERS);
    const addresses = Array.from({ length: accounts }, (_, index) => senders[index]?.address ?? addressAt(index));
    const empty = { nonce: 0n, balance: BALANCE, code: EMPTY_BYTES, storage: [] };
    const genesis = { accounts: addresses.map((address) => ({ address, ...empty })), number: 0n, timestamp: 1n };
    const openMs = performance.now();
    const executor = await OurExecutor.open(directory, rules, genesis);
    const stateMs = performance.now() - openMs;
    const transfer = (index: number): Uint8Array => {
      const word = keccak256(new TextEncoder().encode(`recipient ${index}`));
      const to = addresses[new DataView(word.buffer).getUint32(word.byteOffset) % accounts]!;
      return signTransfer(CHAIN_ID, senders[index % SENDERS]!.key, BigInt(Math.floor(index / SENDERS)), to);
    };
    const runs: { readonly wallMs: number; readonly cpuMs: number }[] = [];
    for (let round = 0; round < WARM_UP + MEASURED; round++) {
      const envelopes = Array.from({ length: SENDERS }, (_, i) => transfer(round * SENDERS + i));
      const [startMs, cpuStart] = [performance.now(), process.cpuUsage()];
      await executor.make(envelopes);
      const { user, system } = process.cpuUsage(cpuStart);
      if (round >= WARM_UP) runs.push({ wallMs: performance.now() - startMs, cpuMs: (user + system) / 1_000 });
    }
    await executor.close();
    return {
      stateMs,
      blockMs: median(runs.map(({ wallMs }) => wallMs)),
      cpuMs: median(runs.map(({ cpuMs }) => cpuMs)),
      residentMib: process.memoryUsage.rss() / 2 ** 20,
      diskMib: await sizeMib(directory),
    };
  } finally {
    await rm(directory, { recursive: true });
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

function print(name: string, value: number, unit: string, goal: string): void {
  process.stdout.write(`growth.${name} ${Number(value.toPrecision(4))} ${unit} ${goal}\n`);
}
