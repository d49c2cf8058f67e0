import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { ATTRIBUTION_ADDRESS } from "../core/addresses.ts";
import type { ChainSource } from "../core/chain.ts";
import { openIndex } from "./database.ts";
import type { IndexError } from "./errors.ts";
import { createIndexer, type Indexer } from "./store.ts";
import type { Stored, TableName } from "./tables.ts";
import { encodeEvent } from "./testing/fake-chain.ts";
import { chainOf, STEP_KINDS, type Step, standardChain } from "./testing/histories.ts";
import { dumpIndex, freshIndex } from "./testing/rows.ts";
import { STORES } from "./testing/stores.ts";

let folder: string;
let files = 0;
const newPath = (): string => join(folder, `index-${files++}.sqlite`);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "indexer-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({ kind: fc.nat(STEP_KINDS - 1), a: fc.nat(40), b: fc.nat(40), seal: fc.boolean() }),
  { minLength: 30, maxLength: 90 },
);

/** Runs an indexer until it has caught up or halted, and stops it. */
async function run(indexer: Indexer): Promise<"caught-up" | "halted"> {
  const outcome = await indexer
    .start()
    .then(() => indexer.caughtUp())
    .then(
      () => "caught-up" as const,
      () => "halted" as const,
    );
  await indexer.stop();
  return outcome;
}

/** What a dead process leaves: the file and the log of it, with whatever of the transaction was written. */
function copyOfDead(path: string): string {
  const copy = newPath();
  for (const suffix of ["", "-wal"]) {
    if (existsSync(path + suffix)) copyFileSync(path + suffix, copy + suffix);
  }
  return copy;
}

describe.each(STORES)("exactly once on $name", ({ newLocation, runs }) => {
  test("a crash at any statement, then a restart, equals a fresh index row by row", async () => {
    // Of the statements of a run: how many come before the crash.
    const share = fc.double({ min: 0, max: 0.95, noNaN: true });
    await fc.assert(
      fc.asyncProperty(steps, share, fc.integer({ min: 1, max: 8 }), async (history, share, batchBlocks) => {
        const source = chainOf(history);
        let statements = 0;
        const count = (): void => void statements++;
        await run(createIndexer({ source, location: await newLocation(), batchBlocks, beforeStatement: count }));
        const crashAt = Math.floor(share * statements);
        statements = 0;
        const location = await newLocation();
        const survivors = [location];
        const beforeStatement = (): void => {
          if (statements++ !== crashAt) return;
          if (existsSync(location)) survivors.push(copyOfDead(location));
          throw new Error("crash");
        };
        expect(await run(createIndexer({ source, location, batchBlocks, beforeStatement }))).toBe("halted");
        const expected = await freshIndex(source, newPath());
        for (const survivor of survivors) {
          expect(await run(createIndexer({ source, location: survivor, batchBlocks }))).toBe("caught-up");
          expect(await dumpIndex(survivor)).toEqual(expected);
        }
      }),
      { numRuns: 2 * runs },
    );
  });

  test("stopping after any block and following live equals a fresh index", async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.nat(100), async (history, cut) => {
        const whole = chainOf(history);
        const expected = await freshIndex(whole, newPath());
        const location = await newLocation();
        const source = whole.fork(1 + (cut % whole.blocks.length));
        expect(await run(createIndexer({ source, location }))).toBe("caught-up");
        const indexer = createIndexer({ source, location });
        await indexer.start();
        for (const block of whole.blocks.slice(source.blocks.length)) {
          source.commit(block);
          if (block.header.number % 2n === 0n) await indexer.caughtUp();
        }
        await indexer.caughtUp();
        await indexer.stop();
        expect(await dumpIndex(location)).toEqual(expected);
      }),
      { numRuns: runs },
    );
  });

  test("a long way to the head is gone without the indexes for reading, which are there at its end", async () => {
    const { chain: source } = standardChain();
    while (source.blocks.length < 1_200) source.append();
    const location = await newLocation();
    const missing = async (): Promise<number> => {
      const { missingIndexes, close } = await openIndex(location);
      const { size } = await missingIndexes();
      await close();
      return size;
    };
    let batches = 0;
    const beforeStatement = (sql: string): void => {
      if (sql.startsWith("begin") && batches++ === 1) throw new Error("crash");
    };
    expect(await run(createIndexer({ source, location, beforeStatement }))).toBe("halted");
    expect(await missing()).toBeGreaterThan(30);
    expect(await run(createIndexer({ source, location }))).toBe("caught-up");
    expect(await missing()).toBe(0);
    expect(await dumpIndex(location)).toEqual(await freshIndex(source, newPath()));
  });

  test("an index ahead of the chain or on another branch rewinds to the same rows", async () => {
    await fc.assert(
      fc.asyncProperty(steps, steps, fc.nat(100), async (history, other, cut) => {
        const first = chainOf(history);
        const kept = 1 + (cut % first.blocks.length);
        const location = await newLocation();
        await freshIndex(first, location);
        const shorter = first.fork(kept);
        expect(await freshIndex(shorter, location)).toEqual(await freshIndex(shorter, newPath()));
        await freshIndex(first, location);
        const branch = first.fork(kept);
        branch.append([], "another branch");
        expect(await freshIndex(branch, location)).toEqual(await freshIndex(branch, newPath()));
        const foreign = chainOf(other, "another genesis");
        expect(await freshIndex(foreign, location)).toEqual(await freshIndex(foreign, newPath()));
      }),
      { numRuns: runs },
    );
  });
});

/** A row as dumpIndex has it: bytes as hex. */
type Dumped<T extends TableName> = { [C in keyof Stored<T>]: Stored<T>[C] extends Uint8Array ? string : Stored<T>[C] };

describe("money", () => {
  test("the rewards of every settled inference sum to its fee, and the rollups to the facts", async () => {
    let settled = 0;
    await fc.assert(
      fc.asyncProperty(steps, async (history) => {
        const dump = await freshIndex(chainOf(history), newPath());
        const rewards = dump.rewards as Dumped<"rewards">[];
        const sum = (rows: readonly { amount: bigint }[]): bigint => rows.reduce((n, { amount }) => n + amount, 0n);
        for (const row of dump.inferences as Dumped<"inferences">[]) {
          if (row.state !== 3 || row.valid_to !== null) continue;
          settled += 1;
          expect(sum(rewards.filter(({ inference }) => inference === row.id))).toBe(row.fee);
          expect((row.fee ?? 0n) + (row.refund ?? 0n)).toBe(row.escrow);
        }
        const claims = dump.claims as Dumped<"claims">[];
        for (const row of dump.accounts as Dumped<"accounts">[]) {
          if (row.valid_to !== null) continue;
          const mine = ({ account }: { account: string }): boolean => account === row.address;
          expect(row.accrued).toBe(sum(rewards.filter(mine)));
          expect(row.rewards).toBe(rewards.filter(mine).length);
          expect(row.claimed).toBe(sum(claims.filter(mine)));
        }
        for (const row of dump.contribution_totals as Dumped<"contribution_totals">[]) {
          if (row.valid_to !== null) continue;
          const own = rewards.filter(({ kind, source }) => kind === 0 && source === row.contribution);
          expect(row.accrued).toBe(sum(own));
        }
      }),
      { numRuns: 15 },
    );
    expect(settled).toBeGreaterThan(5);
  });
});

describe("trouble", () => {
  const unknownLog = { address: ATTRIBUTION_ADDRESS, topics: [new Uint8Array(32).fill(9)], data: new Uint8Array(0) };

  test("an event that contradicts the past halts the index, keeps what it has and leaves the source alone", async () => {
    const { chain } = standardChain();
    const height = chain.head.number;
    const indexer = createIndexer({ source: chain, location: newPath() });
    await indexer.start();
    await indexer.caughtUp();
    chain.append([
      [{ eventName: "HostLeft", args: { modelId: 77n, host: "0x0000000000000000000000000000000000000001" } }],
    ]);
    await expect(indexer.caughtUp()).rejects.toThrow(
      /block 13: hosts 77 0x0000000000000000000000000000000000000001 is unknown/,
    );
    expect(indexer.status()).toMatchObject({ state: "halted", indexed: { number: height }, head: height + 1n });
    await expect(indexer.caughtUp()).rejects.toThrow();
    await indexer.stop();
    expect(chain.listeners).toBe(0);
  });

  test("a precompile's event that this program does not know halts; the same log of another account does not count", async () => {
    const { chain } = standardChain();
    chain.appendLogs([[{ ...unknownLog, address: new Uint8Array(20).fill(3) }]]);
    expect(await run(createIndexer({ source: chain, location: newPath() }))).toBe("caught-up");
    chain.appendLogs([[unknownLog]]);
    const indexer = createIndexer({ source: chain, location: newPath(), batchBlocks: 1 });
    expect(await run(indexer)).toBe("halted");
    expect((indexer.status().error as IndexError).code).toBe("UNKNOWN_EVENT");
  });

  test("look-alike events of other accounts leave no rows", async () => {
    const { chain } = standardChain();
    const before = await freshIndex(chain, newPath());
    const claim = { account: "0x0000000000000000000000000000000000000001", amount: 5n } as const;
    const log = encodeEvent({ eventName: "RewardClaimed", args: { ...claim, caller: claim.account } });
    chain.appendLogs([[{ ...log, address: new Uint8Array(20).fill(3) }]]);
    const after = await freshIndex(chain, newPath());
    expect(after.claims).toEqual(before.claims);
    expect(after.accounts).toEqual(before.accounts);
  });

  test("the log says how far the head is only on the way to it", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    try {
      const { chain } = standardChain();
      const messages: string[] = [];
      const say = (_: object, message: string) => void messages.push(message);
      const log = { info: say, warn: say, error: say };
      // Ten seconds pass in each batch.
      const beforeStatement = (sql: string) => void (sql.startsWith("begin") && vi.advanceTimersByTime(10_000));
      const indexer = createIndexer({ source: chain, location: newPath(), batchBlocks: 4, log, beforeStatement });
      await indexer.start();
      await vi.waitFor(() => expect(messages.slice(-2)).toEqual(["indexing", "index caught up"]));
      chain.append();
      await indexer.caughtUp();
      await indexer.stop();
      expect(messages.at(-1)).toBe("index caught up");
    } finally {
      vi.useRealTimers();
    }
  });

  test("a chain without a block below its head halts", async () => {
    const { chain } = standardChain();
    const holed: ChainSource = {
      head: chain.head,
      block: (number) => (number === 4n ? undefined : chain.block(number)),
      onCommit: (listener) => chain.onCommit(listener),
    };
    const indexer = createIndexer({ source: holed, location: newPath(), batchBlocks: 1 });
    expect(await run(indexer)).toBe("halted");
    expect(indexer.status().error?.message).toBe("the chain's head is 12, but it has no block 4");
    expect(indexer.status().indexed?.number).toBe(3n);
  });

  test("stop rejects who waits, and a stopped indexer starts again", async () => {
    const { chain } = standardChain();
    const path = newPath();
    const indexer = createIndexer({ source: chain, location: path, batchBlocks: 1 });
    await indexer.start();
    const waiting = expect(indexer.caughtUp()).rejects.toThrow("the indexer was stopped");
    await indexer.stop();
    await waiting;
    expect(await run(indexer)).toBe("caught-up");
    expect(existsSync(`${path}-wal`)).toBe(false);
  });

  test("the event loop turns between blocks", async () => {
    const { chain } = standardChain();
    let turns = 0;
    const indexer = createIndexer({ source: chain, location: newPath() });
    let counting = true;
    const count = (): void => {
      turns += 1;
      if (counting) setImmediate(count);
    };
    setImmediate(count);
    await run(indexer);
    counting = false;
    expect(turns).toBeGreaterThanOrEqual(chain.blocks.length);
  });
});
