/** Threads that run calls, on a real store, and threads that fail. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { hexToBytes, ZERO_32 } from "../../core/bytes.ts";
import { type LevelStore, openLevelStore } from "../../execution/state/level-store.ts";
import { CONTRACTS, SENDERS } from "../../execution/testing/world.ts";
import { PRECOMPILES } from "../../precompiles/table.ts";
import { Chain } from "../chain.ts";
import { contract, extend, rich, signed, testGenesis } from "../testing/world.ts";
import { Calls } from "./calls.ts";
import { RunnerThreads, type Supervision } from "./threads.ts";
import { Traces } from "./traces.ts";
import type { Environment, TraceOptions } from "./types.ts";

/** sstore(0, calldataload(0)) with calldata, else returns sload(0). */
const CELL = contract(CONTRACTS[0]!, hexToBytes("0x36600c575f545f5260205ff35b5f355f5500"));
const LOOP = contract(CONTRACTS[1]!, hexToBytes("0x5b5f56"));
const word = (value: bigint) => hexToBytes(`0x${value.toString(16).padStart(64, "0")}`);
const write = (nonce: bigint, value: bigint) =>
  signed(0, nonce, { to: CELL.address, value: 0n, data: word(value), gasLimit: 100_000n });
const TRACE: TraceOptions = {
  tracer: { name: "callTracer", config: { onlyTopCall: false, withLog: true } },
  timeoutMs: 10_000,
  withinMs: 10_000,
  maxBytes: 1_000_000,
};
const BOUNDS = { gas: 5_000_000n, withinMs: 30_000 };

describe("on a chain", () => {
  let directory: string;
  let store: LevelStore;
  let chain: Chain;
  let threads: RunnerThreads;
  const errors: object[] = [];

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "threads-"));
    store = await openLevelStore(directory);
    chain = await Chain.open(store, testGenesis([rich(0), rich(1), CELL, LOOP]), PRECOMPILES);
    const log = { error: (fields: object) => void errors.push(fields) };
    const { rules, genesisHash, firstBlock } = chain;
    threads = new RunnerThreads({
      directory,
      chain: { rules, genesisHash, firstBlock },
      callMs: 1_000,
      threads: 2,
      log,
    });
  });
  afterAll(async () => {
    await threads.close();
    await store.close();
    await rm(directory, { recursive: true });
  });

  test("answers are those of the same thing in this thread, at every block", async () => {
    for (let n = 0n; n < 3n; n++) await extend(chain, [write(n, 10n + n), signed(1, n)]);
    const [calls, traces] = [new Calls(chain, PRECOMPILES), new Traces(chain, PRECOMPILES)];
    const request = { from: SENDERS[0]!, to: CELL.address, data: word(77n), value: 0n };
    const overrides = { state: [{ address: CELL.address, stateDiff: [{ slot: ZERO_32, value: word(5n) }] }] };
    for (let number = 1n; number <= 3n; number++) {
      const { header, hash } = chain.block(number)!;
      const read = await threads.call({ to: CELL.address }, header);
      expect(read).toMatchObject({ ok: true, output: word(9n + number) });
      expect(read).toEqual(await calls.call({ to: CELL.address }, header));
      expect(await threads.call({ to: CELL.address }, header, overrides)).toMatchObject({ output: word(5n) });
      expect(await threads.accessList(request, header)).toEqual(await calls.accessList(request, header));
      const estimate = await threads.estimateGas(request, header, {}, BOUNDS);
      expect(estimate).toEqual(await calls.estimateGas(request, header, {}, BOUNDS));
      expect(estimate).toMatchObject({ ok: true });
      const proof = await threads.prove(header.stateRoot, CELL.address, [ZERO_32]);
      expect(proof).toEqual(chain.prove(chain.block(number)!, CELL.address, [ZERO_32]));
      const simulation = {
        blocks: [{ calls: [request] }],
        logsTransfers: false,
        isValidating: false,
        gasBudget: 5_000_000n,
        maxBlocks: 4,
      };
      const base = { header, hash };
      expect(await threads.simulate(simulation, base)).toEqual(await calls.simulate(simulation, base));
      expect(await threads.traceTransaction(hash, 0, TRACE)).toEqual(await traces.traceTransaction(hash, 0, TRACE));
      expect(await threads.traceBlock(hash, TRACE)).toMatchObject({ ok: true, result: [{}, {}] });
      expect(await threads.traceEncodedBlock(chain.rawAt(number)!, TRACE)).toEqual(
        await threads.traceBlock(hash, TRACE),
      );
      expect(await threads.traceCall(request, hash, {}, 1, TRACE)).toEqual(
        await traces.traceCall(request, hash, {}, 1, TRACE),
      );
    }
    expect(await threads.prove(ZERO_32, CELL.address, [])).toBeUndefined();
    expect(errors).toEqual([]);
  });

  test("while an endless call runs, blocks are made and others are answered", async () => {
    const { header } = chain.headBlock;
    const endless = [0, 1, 2].map(() =>
      threads.call({ to: LOOP.address, gas: 10n ** 12n }, { ...header, gasLimit: 10n ** 12n }),
    );
    const nonce = BigInt(chain.headState.account(SENDERS[0]!)!.nonce);
    await extend(chain, [write(nonce, 123n)]);
    expect(await threads.call({ to: CELL.address }, chain.headBlock.header)).toMatchObject({ output: word(123n) });
    for (const result of await Promise.all(endless)) {
      expect(result).toMatchObject({ ok: false, reason: "execution aborted (timeout = 1s)" });
    }
  });
});

describe("threads that fail", () => {
  const script = new URL("./testing/failing-worker.ts", import.meta.url);
  const errors: string[] = [];
  const log = { error: (_fields: object, message?: string) => void errors.push(message ?? "") };
  const closers: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0)) await close();
    errors.length = 0;
  });

  function start(threads: number, supervision: Partial<Supervision> = {}) {
    const data = { directory: "", chain: {} as never, callMs: 0 };
    const started = new RunnerThreads({ ...data, threads, log, supervision: { script, pingMs: 10, ...supervision } });
    closers.push(() => started.close());
    return (how: string) => started.call({ data: Buffer.from(how) }, {} as Environment);
  }

  test.each(["throw", "exit", "memory", "spin"])("%s: the caller is told, others are answered", async (how) => {
    const ask = start(1, { silentMs: 300, heapBytes: 32 * 2 ** 20 });
    const first = await ask("");
    const lost = expect(ask(how)).rejects.toThrow("it could not be run");
    await lost;
    const later = await ask("");
    expect(later).not.toBe(first);
    if (how === "spin") expect(errors).toContain("a thread that runs calls does not answer: ending it");
  });

  test("a defect is an error of its own, logged with what it was", async () => {
    const ask = start(1);
    await expect(ask("defect")).rejects.toThrow("a defect");
    expect(errors).toEqual(["a call failed for no reason of its own"]);
  });

  test("a second thread is started when the first is busy for long, and no third", async () => {
    const ask = start(2);
    const first = await ask("");
    const waiting = [expect(ask("wait")).rejects.toThrow("the node is stopping")];
    // Beyond the time after which a thread counts as busy.
    await delay(50);
    const second = await ask("");
    expect(second).not.toBe(first);
    waiting.push(expect(ask("wait")).rejects.toThrow("the node is stopping"));
    await delay(50);
    expect([first, second]).toContain(await ask(""));
    for (const close of closers.splice(0)) await close();
    await Promise.all(waiting);
  });

  test("closing ends what runs", async () => {
    const ask = start(1);
    const waiting = expect(ask("spin")).rejects.toThrow("the node is stopping");
    for (const close of closers.splice(0)) await close();
    await waiting;
  });
});
