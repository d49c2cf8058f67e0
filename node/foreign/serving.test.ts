/** JSON-RPC over an imported chain. */
import { createBlockHeaderFromRPC } from "@ethereumjs/block";
import { type createPublicClient, keccak256, toRlp } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { beforeAll, expect, test } from "vitest";
import { bytesToHex } from "../../core/bytes.ts";
import { CONSOLIDATION_REQUESTS, DEPOSIT_TOPIC, WITHDRAWAL_REQUESTS } from "../../execution/foreign/simulate.ts";
import {
  DAO_BLOCK,
  FOREIGN_CHAIN_ID,
  LAST_AMSTERDAM_BLOCK,
  LAST_BLOCK,
  type MadeChain,
  MERGE_BLOCK,
  makeForeignChain,
} from "../../execution/testing/foreign-chain.ts";
import { CONTRACTS, KEYS, SENDERS } from "../../execution/testing/world.ts";
import { RequestMaker } from "../../test/fuzz/rpc-requests.ts";
import { Random } from "../../test/sim/random.ts";
import { Imports, serving } from "./testing/imports.ts";

type Fields = Record<string, unknown>;

const imports = new Imports();
let made: MadeChain;
let served: string;
beforeAll(async () => {
  made = await makeForeignChain(7);
  imports.write("served", made);
  served = await imports.chain("served");
});

/** First blocks of forks. */
const BERLIN = 20n;
const CANCUN = MERGE_BLOCK + 4n;
const plain = { from: bytesToHex(SENDERS[0]!), to: `0x${"f1".repeat(20)}` };
const blobVersionedHashes = [`0x01${"cd".repeat(31)}`];
const number = (at: bigint) => `0x${at.toString(16)}`;

test("blocks and uncles have the fields of their fork, and hash to their hash", () =>
  serving(served, ["eth"], async ({ client, ask }) => {
    expect(await client.getBlockNumber()).toBe(LAST_BLOCK);

    // Headers have the fields of their fork, and only those: they hash to their hash.
    for (let number = 0; number <= Number(LAST_BLOCK); number++) {
      const block: Record<string, `0x${string}`> = await ask("eth_getBlockByNumber", [
        `0x${number.toString(16)}`,
        false,
      ]);
      expect(keccak256(toRlp(headerFields(block)))).toBe(block.hash);
    }
    const first: Record<string, unknown> = await ask("eth_getBlockByNumber", ["0x1", true]);
    expect(Object.keys(first)).not.toContain("baseFeePerGas");
    expect(Object.keys(first)).not.toContain("withdrawals");
    const last: { withdrawals: unknown[]; size: string } = await ask("eth_getBlockByNumber", ["latest", true]);
    expect(last.withdrawals).toHaveLength(2);
    expect(Number(last.size)).toBe(made.blocks.at(-1)!.length);

    // An uncle by hash, number and index, with the hash that its nephew lists.
    const nephew: { uncles: string[] } = await ask("eth_getBlockByNumber", ["0x2", false]);
    const uncle: Record<string, `0x${string}`> = await ask("eth_getUncleByBlockNumberAndIndex", ["0x2", "0x0"]);
    expect(nephew.uncles).toEqual([uncle.hash]);
    expect(keccak256(toRlp(headerFields(uncle)))).toBe(uncle.hash);
    expect(await ask("eth_getUncleCountByBlockNumber", ["0x2"])).toBe("0x1");
  }));

test("receipts and fees are those of the fork", () =>
  serving(served, ["eth"], async ({ client, ask, chain }) => {
    const [before]: Record<string, unknown>[] = await ask("eth_getBlockReceipts", ["0x1"]);
    expect([before!.status, before!.root]).toEqual([undefined, expect.stringMatching(/^0x[0-9a-f]{64}$/)]);
    const blob = await findTransaction(client, 3);
    const transaction: Record<string, unknown> = await ask("eth_getTransactionByHash", [blob]);
    expect(transaction).toMatchObject({ type: "0x3", blobVersionedHashes: [`0x01${"ab".repeat(31)}`] });
    expect(await ask("eth_getTransactionReceipt", [blob])).toMatchObject({ blobGasUsed: "0x20000", status: "0x1" });

    // What blobs cost is what receipts say, and the next block's fee follows from the last one's blobs.
    const { blockNumber, blobGasPrice }: Record<string, `0x${string}`> = await ask("eth_getTransactionReceipt", [blob]);
    type Fees = Record<"baseFeePerBlobGas" | "blobGasUsedRatio" | "baseFeePerGas", string[]>;
    const history: Fees = await ask("eth_feeHistory", [`0x${(LAST_BLOCK + 1n).toString(16)}`, "latest", []]);
    expect(history.baseFeePerBlobGas).toHaveLength(Number(LAST_BLOCK) + 2);
    expect(history.baseFeePerBlobGas[0]).toBe("0x0");
    expect(history.baseFeePerBlobGas[Number(blockNumber)]).toBe(blobGasPrice);
    expect(await ask("eth_blobBaseFee", [])).toBe(history.baseFeePerBlobGas.at(-2));
    const header = createBlockHeaderFromRPC(await ask("eth_getBlockByNumber", ["latest", false]), {
      common: chain.forks.common("osaka"),
    });
    expect(BigInt(history.baseFeePerBlobGas.at(-1)!)).toBe(header.calcNextBlobGasPrice(header.common));
    expect(BigInt(history.baseFeePerGas.at(-1)!)).toBe(header.calcNextBaseFee());
    const used: { blobGasUsed: string } = await ask("eth_getBlockByNumber", [blockNumber, false]);
    expect(history.blobGasUsedRatio[Number(blockNumber)]).toBe(Number(used.blobGasUsed) / (6 * 131_072));
  }));

test("code runs by the rules of its fork", () =>
  serving(served, ["eth"], async ({ ask }) => {
    // PREVRANDAO was DIFFICULTY, PUSH0 was no opcode, and BASEFEE was not there.
    const run = (code: string, number: bigint) =>
      ask("eth_call", [
        { to: `0x${"f1".repeat(20)}` },
        `0x${number.toString(16)}`,
        { [`0x${"f1".repeat(20)}`]: { code } },
      ]);
    expect(await run("0x4460005260206000f3", 1n)).toBe(`0x${(131_072).toString(16).padStart(64, "0")}`);
    expect(await run("0x4460005260206000f3", MERGE_BLOCK)).not.toMatch(/^0x0{58}/);
    await expect(run("0x5f", MERGE_BLOCK)).rejects.toThrow(/invalid opcode/);
    expect(await run("0x5f", LAST_BLOCK)).toBe("0x");
    await expect(run("0x48", 1n)).rejects.toThrow(/invalid opcode/);
  }));

test("eth_config tells the last fork", () =>
  serving(served, ["eth"], async ({ ask }) => {
    const config: { current: Record<string, unknown>; next: unknown; last: unknown } = await ask("eth_config", []);
    expect([config.next, config.last]).toEqual([null, null]);
    expect(config.current).toMatchObject({
      activationTime: Number((LAST_BLOCK - 1n) * 12n),
      blobSchedule: { target: 6, max: 9, baseFeeUpdateFraction: 5_007_716 },
      chainId: "0x1467f3",
      forkId: expect.stringMatching(/^0x[0-9a-f]{8}$/),
      precompiles: { ID: `0x${"4".padStart(40, "0")}`, P256VERIFY: `0x${"100".padStart(40, "0")}` },
    });
  }));

test("logs and numbers of transactions are those of the blocks, however they are looked for", () =>
  serving(served, ["eth"], async ({ ask }) => {
    const every = { fromBlock: "earliest", toBlock: "latest" };
    const logged: Fields[] = await ask("eth_getLogs", [every]);
    const counted: string[] = [];
    const expected: Fields[] = [];
    for (let at = 0n; at <= LAST_BLOCK; at++) {
      const receipts: { logs: Fields[] }[] = await ask("eth_getBlockReceipts", [`0x${at.toString(16)}`]);
      expected.push(...receipts.flatMap(({ logs }) => logs));
      counted.push(`0x${receipts.length}`);
    }
    expect(logged.length).toBeGreaterThan(0);
    expect(logged).toEqual(expected);
    const counts = Array.from({ length: Number(LAST_BLOCK) + 1 }, (_, at) => `0x${at.toString(16)}`);
    expect(await Promise.all(counts.map((at) => ask("eth_getBlockTransactionCountByNumber", [at])))).toEqual(counted);
    const { topics, address } = logged.find(({ topics }) => (topics as string[]).length > 0)!;
    const alike = expected.filter((log) => log.address === address && String(log.topics).startsWith(String(topics)));
    expect(await ask("eth_getLogs", [{ ...every, address, topics }])).toEqual(alike);
  }));

test("what a fork has no transactions with is refused; the type is not looked at", () =>
  serving(served, ["eth"], async ({ ask }) => {
    const authorization = { chainId: "0x0", address: plain.to, nonce: "0x0", yParity: "0x0", r: "0x0", s: "0x0" };
    for (const [fields, since] of [
      [{ accessList: [] }, BERLIN],
      [{ maxFeePerGas: "0x0", maxPriorityFeePerGas: "0x0" }, BERLIN + 2n],
      [{ maxFeePerBlobGas: "0x1" }, CANCUN],
      [{ blobVersionedHashes }, CANCUN],
      [{ authorizationList: [authorization] }, CANCUN + 2n],
    ] as const) {
      for (const method of ["eth_call", "eth_estimateGas", "eth_createAccessList"]) {
        const early = ask(method, [{ ...plain, ...fields }, number(since - 1n)]);
        await expect(early).rejects.toThrow(/not supported|not valid before London/);
        await ask(method, [{ ...plain, ...fields }, number(since)]);
      }
    }
    for (const type of ["0x0", "0x4", "0x7f"]) expect(await ask("eth_call", [{ ...plain, type }, "0x1"])).toBe("0x");
  }));

test("calldata costs 68 gas a byte, 16, and at least 40", () =>
  serving(served, ["eth"], async ({ ask }) => {
    const spent = async (after: bigint) => {
      const calls = [{ ...plain, input: "0x0011" }];
      const [block]: { gasUsed: string }[] = await ask("eth_simulateV1", [
        { blockStateCalls: [{ calls }] },
        number(after),
      ]);
      return Number(block!.gasUsed);
    };
    expect(await Promise.all([0n, BERLIN, LAST_BLOCK].map(spent))).toEqual([21_072, 21_020, 21_050]);
  }));

test("a call may carry blobs, and pays for them where it names a price", () =>
  serving(served, ["eth"], async ({ ask }) => {
    // BLOBHASH(0) and, where nothing is paid for it, BLOBBASEFEE.
    const read = { [plain.to]: { code: "0x5f495f524a60205260405ff3" } };
    const blobs = { ...plain, blobVersionedHashes };
    expect(await ask("eth_call", [blobs, "latest", read])).toBe(`${blobVersionedHashes[0]}${"0".repeat(64)}`);
    await expect(ask("eth_call", [{ ...blobs, to: undefined }, "latest"])).rejects.toThrow(/of type create/);
    await expect(ask("eth_call", [{ ...blobs, blobVersionedHashes: [] }, "latest"])).rejects.toThrow(/missing blob/);
    const wrong = { ...blobs, blobVersionedHashes: [`0x02${"cd".repeat(31)}`] };
    await expect(ask("eth_call", [wrong, "latest"])).rejects.toThrow(/blob 0 has invalid hash version/);
    const cheap = { ...blobs, maxFeePerBlobGas: "0x1" };
    await expect(ask("eth_call", [cheap, "latest", {}, { blobBaseFee: "0x2" }])).rejects.toThrow(
      /max fee per blob gas less than block blob gas fee/,
    );
    // As many wei as they may cost must be there.
    const dear = { ...blobs, from: `0x${"f2".repeat(20)}`, maxFeePerBlobGas: "0x10" };
    const owning = (wei: bigint) => ({ [dear.from]: { balance: `0x${wei.toString(16)}` } });
    await expect(ask("eth_call", [dear, "latest", owning(16n * 131_072n - 1n)])).rejects.toThrow(/insufficient funds/);
    expect(await ask("eth_call", [dear, "latest", owning(16n * 131_072n)])).toBe("0x");
  }));

test("a simulated block holds as many blobs as a block", () =>
  serving(served, ["eth"], async ({ ask }) => {
    const simulate = (blocks: readonly number[][]) => {
      const blockStateCalls = blocks.map((blobs) => ({
        calls: blobs.map((count) => ({ ...plain, blobVersionedHashes: Array(count).fill(blobVersionedHashes[0]) })),
      }));
      return ask("eth_simulateV1", [{ blockStateCalls }, "latest"]);
    };
    const made: { blobGasUsed: string }[] = await simulate([[4, 5], [9]]);
    expect(made.map(({ blobGasUsed }) => Number(blobGasUsed) / 131_072)).toEqual([9, 9]);
    await expect(simulate([[9], [4, 6]])).rejects.toThrow(/block blob gas limit reached: 1310720 > 1179648/);
    await expect(simulate([[1_024]])).rejects.toThrow(/block blob gas limit reached/);
  }));

test("a simulated block whose requests cannot be had is refused", () =>
  serving(served, ["eth"], async ({ ask, chain }) => {
    const simulate = (address: string, code: string) => {
      const block = { stateOverrides: { [address]: { code } }, calls: [{ ...plain, to: address }] };
      return ask("eth_simulateV1", [{ blockStateCalls: [block] }, "latest"]);
    };
    for (const contract of [WITHDRAWAL_REQUESTS, CONSOLIDATION_REQUESTS].map((one) => bytesToHex(one))) {
      await expect(simulate(contract, "0x5f5ffd")).rejects.toThrow(`the system call to ${contract} failed: revert`);
    }
    // Logs a deposit with as many bytes of data.
    const log = (bytes: number) => `0x7f${DEPOSIT_TOPIC.slice(2)}61${bytes.toString(16).padStart(4, "0")}5fa1`;
    await simulate(chain.forks.depositContract, log(576));
    const short = simulate(chain.forks.depositContract, log(575));
    await expect(short).rejects.toThrow(/logged a deposit that has not 576 bytes/);
  }));

test("states are there from the beginning, with their proofs", () =>
  serving(served, ["eth"], async ({ client }) => {
    const balances = await Promise.all(
      [0n, LAST_BLOCK].map((blockNumber) => client.getBalance({ address: bytesToHex(SENDERS[0]!), blockNumber })),
    );
    expect(balances[0]).toBe(10n ** 24n);
    expect(balances[1]).toBeLessThan(balances[0]!);
    const proof = await client.getProof({ address: bytesToHex(CONTRACTS[0]!), storageKeys: [], blockNumber: 3n });
    expect(keccak256(proof.accountProof[0]!)).toBe((await client.getBlock({ blockNumber: 3n })).stateRoot);
  }));

test("what is sent waits for a block that nobody makes", () =>
  serving(served, ["eth"], async ({ client }) => {
    const account = privateKeyToAccount(bytesToHex(KEYS[0]!));
    const nonce = await client.getTransactionCount({ address: account.address });
    const fields = { chainId: Number(FOREIGN_CHAIN_ID), nonce, to: account.address, gas: 21_000n };
    const sent = await account.signTransaction({ ...fields, type: "legacy", gasPrice: 10n ** 10n });
    const hash = await client.sendRawTransaction({ serializedTransaction: sent });
    expect(await client.getTransaction({ hash })).toMatchObject({ blockNumber: null, nonce });
    expect(await client.getTransactionCount({ address: account.address, blockTag: "pending" })).toBe(nonce + 1);
    await expect(client.sendRawTransaction({ serializedTransaction: sent })).rejects.toThrow(/already known/);
    const stale = await account.signTransaction({ ...fields, type: "legacy", nonce: 0, gasPrice: 10n ** 10n });
    await expect(client.sendRawTransaction({ serializedTransaction: stale })).rejects.toThrow(/[Nn]once too low/);
  }));

test("only what --http.api names is offered", () =>
  serving(served, ["eth"], async ({ ask }) => {
    await expect(ask("net_version", [])).rejects.toThrow(/does not exist/);
    expect(await ask("rpc_modules", [])).toEqual({ eth: "1.0", rpc: "1.0" });
  }));

test("Amsterdam's blocks are served, but nothing else is run by its rules", async () => {
  imports.write("amsterdam", await makeForeignChain(9, { isAmsterdam: true }));
  await serving(await imports.chain("amsterdam"), ["eth", "debug"], async ({ ask }) => {
    const block: Record<string, `0x${string}`> = await ask("eth_getBlockByNumber", ["latest", false]);
    expect(keccak256(toRlp(headerFields(block)))).toBe(block.hash);
    expect(BigInt(block.slotNumber!)).toBe(LAST_AMSTERDAM_BLOCK + 1_000n);
    expect(await ask("eth_getBlockReceipts", ["latest"])).toHaveLength(4);
    const config: { current: Fields; next: unknown } = await ask("eth_config", []);
    expect([config.current.activationTime, config.next]).toEqual([Number((LAST_AMSTERDAM_BLOCK - 1n) * 12n), null]);
    const refused = /nothing is run by Amsterdam's rules/;
    const call = { to: `0x${"f1".repeat(20)}` };
    for (const method of ["eth_call", "eth_estimateGas", "eth_createAccessList", "debug_traceCall"]) {
      await expect(ask(method, [call, "latest"])).rejects.toThrow(refused);
      await ask(method, [call, `0x${LAST_BLOCK.toString(16)}`]);
    }
    await expect(ask("eth_simulateV1", [{ blockStateCalls: [{}] }, "latest"])).rejects.toThrow(refused);
    await expect(ask("debug_traceBlockByNumber", ["latest"])).rejects.toThrow(refused);
  });
});

// In the second one a transaction before Prague costs less than 21,000 gas.
test.each([7, 14])(
  "a block simulated from its transactions comes to what the block came to (seed %i)",
  async (seed) => {
    imports.write(`simulated-${seed}`, await makeForeignChain(seed));
    await serving(await imports.chain(`simulated-${seed}`), ["eth"], async ({ ask }) => {
      let compared = 0;
      for (let number = 1n; number <= LAST_BLOCK; number++) {
        const at = (of: bigint) => `0x${of.toString(16)}`;
        const block: Fields & { uncles: unknown[]; transactions: Fields[] } = await ask("eth_getBlockByNumber", [
          at(number),
          true,
        ]);
        // What miners of uncles get is in no simulated block.
        if (block.uncles.length > 0) continue;
        const blockOverrides = {
          time: block.timestamp,
          gasLimit: block.gasLimit,
          feeRecipient: block.miner,
          ...(number >= MERGE_BLOCK && { prevRandao: block.mixHash, difficulty: "0x0" }),
          ...(block.parentBeaconBlockRoot !== undefined && { beaconRoot: block.parentBeaconBlockRoot }),
          ...(block.withdrawals !== undefined && { withdrawals: block.withdrawals }),
        };
        const calls = block.transactions.map(asCall);
        const [simulated]: Fields[] = await ask("eth_simulateV1", [
          { blockStateCalls: [{ blockOverrides, calls }], validation: true },
          at(number - 1n),
        ]);
        for (const name of Object.keys(block)) {
          if (!["hash", "extraData", "transactions", "transactionsRoot", "size", "nonce"].includes(name)) {
            expect([number, name, simulated![name]]).toEqual([number, name, block[name]]);
          }
        }
        expect(Object.keys(simulated!).sort()).toEqual([...Object.keys(block), "calls"].sort());
        compared++;
      }
      expect(compared).toBeGreaterThan(20);
    });
  },
);

test("traces say what receipts say, under every fork", async () => {
  await serving(served, ["eth", "debug"], async ({ ask }) => {
    const tracerConfig = { callTracer: { withLog: true }, noopTracer: {}, prestateTracer: {} };
    let logged = 0;
    for (let number = 1; number <= Number(LAST_BLOCK); number++) {
      const at = `0x${number.toString(16)}`;
      const traced = ask("debug_traceBlockByNumber", [at, { tracer: "muxTracer", tracerConfig }]);
      if (BigInt(number) === DAO_BLOCK) {
        await expect(traced).rejects.toThrow(/the DAO's accounts are emptied in it/);
        continue;
      }
      const traces: { txHash: string; result: { callTracer: TracedFrame } }[] = await traced;
      const steps: { result: { gas: number; failed: boolean } }[] = await ask("debug_traceBlockByNumber", [at]);
      const receipts: Fields[] = await ask("eth_getBlockReceipts", [at]);
      expect(traces.map(({ txHash }) => txHash)).toEqual(receipts.map(({ transactionHash }) => transactionHash));
      for (const [i, { callTracer }] of traces.map(({ result }) => result).entries()) {
        const { gasUsed, status, logs } = receipts[i] as Record<"gasUsed" | "status", string> & { logs: Fields[] };
        expect([number, i, callTracer.gasUsed]).toEqual([number, i, gasUsed]);
        expect(steps[i]!.result).toMatchObject({ gas: Number(gasUsed), failed: callTracer.error !== undefined });
        if (status !== undefined) expect(callTracer.error === undefined).toBe(status === "0x1");
        const indices = logs.map(({ logIndex }) => logIndex);
        expect(indicesOf(callTracer)).toEqual(indices);
        logged += indices.length;
      }
      const last = traces.at(-1)!;
      expect(await ask("debug_traceTransaction", [last.txHash, { tracer: "muxTracer", tracerConfig }])).toEqual(
        last.result,
      );
      const raw = await ask("debug_getRawBlock", [at]);
      expect(await ask("debug_traceBlock", [raw, { tracer: "muxTracer", tracerConfig }])).toEqual(traces);
    }
    expect(logged).toBeGreaterThan(0);
  });
});

test("whatever is asked of any block, the answer is no internal error", async () => {
  const apis = ["eth", "debug", "net", "web3", "txpool"];
  await serving(served, apis, async ({ client, chain }) => {
    const blocks = Array.from({ length: Number(LAST_BLOCK) + 1 }, (_, number) => chain.block(BigInt(number))!);
    const transactions = blocks.flatMap((block) => block.transactions);
    const random = new Random(5);
    const maker = new RequestMaker(random, {
      accounts: [...new Set(transactions.flatMap(({ from, to }) => [from, to ?? from]).map((one) => bytesToHex(one)))],
      hashes: [...blocks, ...transactions].map(({ hash }) => bytesToHex(hash)),
      chainId: chain.chainId,
      head: () => Number(LAST_BLOCK),
    });
    const elsewhere = (param: unknown) =>
      param === "latest" || param === "pending" ? `0x${random.below(Number(LAST_BLOCK) + 1).toString(16)}` : param;
    let answered = 0;
    for (let i = 0; i < 600; i++) {
      const { method, params } = maker.call();
      const asked = Array.isArray(params) ? params.map(elsewhere) : params;
      const failure = await client.request({ method, params: asked } as never, { retryCount: 0 }).then(
        () => undefined,
        (error: { readonly code?: number }) => error,
      );
      if (failure === undefined) answered++;
      expect([method, asked, failure?.code]).not.toEqual([method, asked, -32_603]);
    }
    expect(answered).toBeGreaterThan(200);
  });
});

interface TracedFrame {
  readonly gasUsed: string;
  readonly error?: string;
  readonly calls?: readonly TracedFrame[];
  readonly logs?: readonly { readonly index: string }[];
}

const indicesOf = ({ calls = [], logs = [] }: TracedFrame): string[] =>
  [...logs.map(({ index }) => index), ...calls.flatMap(indicesOf)].sort((a, b) => Number(a) - Number(b));

/** The transaction as whoever did not sign it would ask for it. */
function asCall(tx: Fields): Fields {
  const names = ["from", "to", "value", "input", "nonce", "gas", "authorizationList", "blobVersionedHashes"];
  const fees = Number(tx.type) < 2 ? ["gasPrice"] : ["maxFeePerGas", "maxPriorityFeePerGas", "maxFeePerBlobGas"];
  const known = [...names, ...fees, "accessList"].filter((name) => tx[name] !== undefined && tx[name] !== null);
  return Object.fromEntries(known.map((name) => [name, tx[name]]));
}

async function findTransaction(client: ReturnType<typeof createPublicClient>, type: number): Promise<string> {
  for (let number = 0n; number <= LAST_BLOCK; number++) {
    const block = (await client.request({
      method: "eth_getBlockByNumber",
      params: [`0x${number.toString(16)}`, true],
    })) as unknown as { transactions: { type: string; hash: string }[] };
    const found = block.transactions.find((tx) => Number(tx.type) === type);
    if (found !== undefined) return found.hash;
  }
  throw new Error(`no transaction of type ${type}`);
}

/** In the order in which a header hashes them, as far as they are there. */
function headerFields(block: Record<string, `0x${string}`>): `0x${string}`[] {
  const bytes = ["parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot", "logsBloom"];
  const numbers = ["difficulty", "number", "gasLimit", "gasUsed", "timestamp"];
  const later = ["withdrawalsRoot", "blobGasUsed", "excessBlobGas", "parentBeaconBlockRoot", "requestsHash"];
  const amsterdam = ["blockAccessListHash", "slotNumber"];
  const order = [...bytes, ...numbers, "extraData", "mixHash", "nonce", "baseFeePerGas", ...later, ...amsterdam];
  const isNumber = (name: string) =>
    [...numbers, "baseFeePerGas", "blobGasUsed", "excessBlobGas", "slotNumber"].includes(name);
  return order.flatMap((name) => {
    const value = block[name];
    if (value === undefined) return [];
    if (!isNumber(name)) return [value];
    const digits = BigInt(value) === 0n ? "" : BigInt(value).toString(16);
    return [`0x${digits.length % 2 === 1 ? "0" : ""}${digits}` as const];
  });
}
