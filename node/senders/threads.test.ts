/** The real threads against recovery in this one, and threads that fail. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { recoverTransactionAddress } from "viem";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { bigIntToFixed, bytesToHex, EMPTY_BYTES } from "../../core/bytes.ts";
import { KEYS } from "../../execution/testing/world.ts";
import { decodeTransaction, isSenderKnown, MAX_TRANSACTION_BYTES, rememberSender } from "../../execution/tx/decode.ts";
import { signTransaction } from "../../execution/tx/sign.ts";
import { temporaryDirectory } from "../../test/helpers/devnet-process.ts";
import { Chain } from "../chain.ts";
import { CHAIN_ID, FakeStore, propose, RECIPIENT, rich, signed, testGenesis } from "../testing/world.ts";
import { SenderThreads, type Supervision } from "./threads.ts";

/** Envelopes that nobody has decoded: no two are the same. */
let salt = 0n;
function fresh(sender = 0, chainId = CHAIN_ID): Uint8Array {
  salt++;
  const unsigned = { type: 2, chainId, nonce: salt, gasLimit: 21_000n, maxFeePerGas: 10n ** 9n } as const;
  const rest = { to: RECIPIENT, value: 5n, data: EMPTY_BYTES, accessList: [], authorizationList: [] };
  return signTransaction({ ...unsigned, ...rest, maxPriorityFeePerGas: 1_000n }, KEYS[sender]!);
}
const many = (count: number): Uint8Array[] => Array.from({ length: count }, () => fresh());

/** As many as are remembered. */
function forgetSenders(): void {
  for (let i = 0; i < 32_768; i++) rememberSender(bigIntToFixed(BigInt(i), 32), RECIPIENT);
}

/** With one bit of its last bytes, where the signature is, changed. */
function broken(raw: Uint8Array, bit: number): Uint8Array {
  const copy = raw.slice();
  copy[copy.length - 1 - (bit >> 3)]! ^= 1 << (bit & 7);
  return copy;
}

describe("real threads", () => {
  const errors: object[] = [];
  const log = { error: (fields: object) => void errors.push(fields) };
  let threads: SenderThreads;
  beforeAll(async () => {
    threads = new SenderThreads({ chainId: CHAIN_ID, log, supervision: { threads: 2, silentMs: 60_000 } });
    await threads.warmUp();
  });
  afterAll(async () => {
    await threads.close();
    expect(errors).toEqual([]);
  });

  test("what decodes up to the first that does not is known, as the sender that it has", async () => {
    const kind = fc.oneof(
      { weight: 30, arbitrary: fc.nat(4).map((sender) => () => fresh(sender)) },
      { weight: 8, arbitrary: fc.nat(8 * 66).map((bit) => () => broken(fresh(), bit)) },
      fc.uint8Array({ maxLength: 40 }).map((bytes) => () => bytes),
      fc.constant(() => fresh(0, 1n)),
      fc.constant(() => new Uint8Array(MAX_TRANSACTION_BYTES + 1).fill(0xc0)),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(kind, { minLength: 10, maxLength: 20 }), async (kinds) => {
        const envelopes = kinds.map((make) => make());
        const given = threads.recover(envelopes);
        await given;
        // What is left to whoever decodes it is not known yet.
        let isAhead = given !== undefined && envelopes.findIndex(({ length }) => length > MAX_TRANSACTION_BYTES) === -1;
        for (const raw of envelopes) {
          const wasKnown = isSenderKnown(raw);
          const decoded = decodeTransaction(raw, CHAIN_ID);
          isAhead &&= decoded.ok;
          if (isAhead) expect(wasKnown).toBe(true);
          if (!decoded.ok) expect(wasKnown).toBe(false);
          else {
            const serializedTransaction = bytesToHex(raw) as `0x02${string}`;
            const expected = await recoverTransactionAddress({ serializedTransaction });
            expect(bytesToHex(decoded.tx.from)).toBe(expected.toLowerCase());
          }
        }
      }),
      { numRuns: 8 },
    );
  });

  test("blocks are verified to the same with threads and without, also announced ones and broken ones", async () => {
    const genesis = testGenesis([rich(0), rich(1)]);
    const open = () => Chain.open(new FakeStore(), genesis, []);
    const [making, plain, threaded] = [await open(), await open(), await open()];
    threaded.recoverIn(threads);
    const nonces = [0n, 0n];
    const transfers = Array.from({ length: 120 }, (_, i) => signed(i % 2, nonces[i % 2]!++));
    const { raw, block } = await propose(making, transfers);
    // Bits of the last transaction's s, of its r, and of the empty lists after it.
    const blocks = [raw, ...[19, 46, 316, 2].map((bit) => broken(raw, bit))];
    for (const [index, bytes] of blocks.entries()) {
      const { parentHash } = block.header;
      forgetSenders();
      if (index % 2 === 0) threaded.expect(bytes);
      const found = await threaded.verify(bytes, parentHash);
      forgetSenders();
      expect(found).toEqual(await plain.verify(bytes, parentHash));
      expect(found.ok).toBe(index === 0);
    }
    forgetSenders();
    await threads.recoverBlock(raw);
    expect(transfers.every((tx) => isSenderKnown(tx.raw))).toBe(true);
  });

  test("few, known ones, and bytes that are no block need no thread", async () => {
    expect(threads.recover(many(7))).toBeUndefined();
    const envelopes = many(20);
    for (const raw of envelopes) decodeTransaction(raw, CHAIN_ID);
    expect(threads.recover(envelopes)).toBeUndefined();
    const check = (bytes: Uint8Array) => threads.recoverBlock(bytes) === undefined;
    fc.assert(fc.property(fc.uint8Array(), check));
  });
});

describe("threads that fail or wait", () => {
  const script = new URL("./testing/failing-worker.ts", import.meta.url);
  const errors: string[] = [];
  const log = { error: (_fields: object, message: string) => void errors.push(message) };
  const closers: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0)) await close();
    errors.length = 0;
  });

  async function start(supervision: Partial<Supervision> = {}): Promise<SenderThreads> {
    const defaults = { script, threads: 1, silentMs: 60_000, restartMs: 0 };
    const started = new SenderThreads({ chainId: CHAIN_ID, log, supervision: { ...defaults, ...supervision } });
    closers.push(() => started.close());
    await started.warmUp();
    return started;
  }
  const told = (how: string, count = 20) => [Buffer.from(how), ...many(count)];

  test.each(["exit", "throw", "spin"])(
    "%s: what waits is left to decoding, and another thread follows",
    async (how) => {
      const threads = await start(how === "spin" ? { silentMs: 100 } : {});
      const lost = many(200);
      const waiting = [threads.recover(told(how)), threads.recover(lost)];
      expect(waiting).not.toContain(undefined);
      await Promise.all(waiting);
      expect(lost.some(isSenderKnown)).toBe(false);
      expect(decodeTransaction(lost[0]!, CHAIN_ID).ok).toBe(true);
      if (how === "spin") expect(errors).toEqual(["a thread that recovers senders does not answer: ending it"]);
      const later = many(20);
      expect(threads.recover(later)).toBeUndefined(); // none is ready at this moment
      await threads.warmUp();
      await threads.recover(later);
      expect(later.every(isSenderKnown)).toBe(true);
    },
  );

  test("none is started again for a while, and none at all once closed", async () => {
    const threads = await start({ restartMs: 3_600_000 });
    await threads.recover(told("exit"));
    await threads.warmUp();
    expect(threads.recover(many(20))).toBeUndefined();
    const closed = await start();
    const waiting = closed.recover(told("slow"));
    await closed.close();
    await waiting;
    await closed.warmUp();
    expect(closed.recover(many(20))).toBeUndefined();
  });

  test("one that still loads is ended when it has", async () => {
    const temporary = temporaryDirectory();
    closers.push(async () => temporary.remove());
    const loaded = join(temporary.path, "loaded");
    const code = `import { writeFileSync } from "node:fs"; import { parentPort } from "node:worker_threads";
      await new Promise((resolve) => setTimeout(resolve, 200));
      writeFileSync(${JSON.stringify(loaded)}, ""); parentPort.postMessage("ready"); parentPort.on("message", () => {});`;
    const script = new URL(`data:text/javascript,${encodeURIComponent(code)}`);
    const threads = new SenderThreads({ chainId: CHAIN_ID, log, supervision: { script, threads: 1 } });
    void threads.warmUp();
    await threads.close();
    expect(existsSync(loaded)).toBe(true);
  });

  test("a module that cannot be loaded is no thread", async () => {
    const threads = await start({ script: new URL("./testing/none.ts", import.meta.url), restartMs: 3_600_000 });
    expect(threads.recover(many(20))).toBeUndefined();
    expect(errors).toEqual(["a thread that recovers senders failed"]);
  });

  test("what is urgent goes before what waits", async () => {
    const threads = await start();
    const ended: string[] = [];
    const note = (name: string) => () => void ended.push(name);
    const first = threads.recover(told("slow", 500))?.then(note("others"));
    const urgent = threads.recover(many(100), true)?.then(note("urgent"));
    await Promise.all([first, urgent]);
    expect(ended).toEqual(["urgent", "others"]);
  });

  test("beyond so many bytes that wait, only what is urgent is taken", async () => {
    const threads = await start();
    const large = Array.from({ length: 50 }, (_, i) => new Uint8Array(MAX_TRANSACTION_BYTES).fill(i + 1));
    const first = threads.recover(large);
    expect(first).toBeDefined();
    expect(threads.recover(many(20))).toBeUndefined();
    await Promise.all([first, threads.recover(many(20), true)]);
    expect(threads.recover(many(20))).toBeDefined();
  });
});
