/** The Solidity peer on anvil as a side of the attribution benchmark. Time is that of mining a block of waiting transactions. */
import { readdirSync, readFileSync } from "node:fs";
import { type Hex, numberToHex, toFunctionSelector } from "viem";
import { bytesToHex } from "../core/bytes.ts";
import { type Anvil, startAnvil } from "../test/helpers/anvil.ts";
import { CHAIN_ID, ETHER } from "../test/helpers/precompile-world.ts";
import { type Call, createPeer, type PeerName } from "./attribution-peer.ts";
import { type BenchSide, BLOCK_GAS_LIMIT, GAS_LIMIT, TRANSACTION_GAS } from "./attribution-side.ts";
import { type AttributionWorkload, calldataGas } from "./attribution-workload.ts";

/** Calls of a JSON-RPC batch, and transactions of a block of the preparation. */
const CALLS = 250;
const PREPARATION_GAS = 1_000_000n;
const BATCHES = toFunctionSelector("batches(uint256)");

interface Receipt {
  readonly status: Hex;
  readonly gasUsed: Hex;
  readonly contractAddress: Hex;
}

export async function openAnvilSide(name: string, peer: PeerName, workload: AttributionWorkload): Promise<BenchSide> {
  const others = childProcesses();
  const anvil = await startAnvil({
    args: ["--no-mining", "--auto-impersonate", "--chain-id", `${CHAIN_ID}`, "--gas-limit", `${BLOCK_GAS_LIMIT}`],
  });
  const pid = childProcesses().find((child) => !others.includes(child));
  const chain = connect(anvil);
  const { init, setUp, requests } = createPeer(peer, workload);
  const { payer, hosts } = workload;
  const accounts = [payer, ...hosts].map(({ hex }) => hex);
  await chain.all(accounts.map((account) => ["anvil_setBalance", [account, numberToHex(1_000_000n * ETHER)]]));
  const [deployed] = await chain.mine([{ from: payer.hex, data: init, value: 0n, gas: GAS_LIMIT }]);
  const address = deployed!.contractAddress;
  const toPeer = (call: Call, gas = PREPARATION_GAS): Transaction => ({ ...call, to: address, gas });
  await chain.mine(setUp.map((call) => toPeer(call)));
  const requested = await chain.mine(requests.map((call) => toPeer(call)));
  let batchCount = 0;

  return {
    name,
    requestGas: executionGas(requested.at(-1)!, requests.at(-1)!.data),
    async run(batches) {
      const calls = batches.map(({ host, data }) =>
        toPeer({ from: host.hex, data: bytesToHex(data), value: 0n }, GAS_LIMIT),
      );
      const hashes = await chain.send(calls);
      const cpuBefore = cpuMsByThread(pid);
      const start = performance.now();
      await chain.request("evm_mine", []);
      const wallMs = performance.now() - start;
      const cpuMs = pid === undefined ? undefined : cpuMsSince(cpuBefore, cpuMsByThread(pid));
      const receipts = await chain.receipts(hashes);
      for (const { root } of batches) {
        const data = `${BATCHES}${numberToHex(++batchCount, { size: 32 }).slice(2)}`;
        const kept = await chain.request("eth_call", [{ to: address, data }, "latest"]);
        if (kept !== root) throw new Error(`${name} keeps ${kept} instead of ${root}`);
      }
      const gas = receipts.map((receipt, i) => executionGas(receipt, calls[i]!.data));
      let slots = 0;
      for (const hash of hashes) slots += await chain.changedSlots(hash, address);
      return { wallMs, cpuMs, executionGas: gas.reduce((sum, one) => sum + one, 0n), slots };
    },
    close: () => anvil.stop(),
  };
}

/** Without the transaction's own 21,000 and calldata. */
const executionGas = ({ gasUsed }: Receipt, data: Hex): bigint =>
  BigInt(gasUsed) - TRANSACTION_GAS - calldataGas(Buffer.from(data.slice(2), "hex"));

interface Transaction extends Call {
  readonly to?: Hex;
  readonly gas: bigint;
}
type RpcCall = readonly [method: string, params: readonly unknown[]];

function connect({ url }: Anvil) {
  async function post(body: unknown): Promise<unknown> {
    const headers = { "content-type": "application/json" };
    return (await fetch(url, { method: "POST", headers, body: JSON.stringify(body) })).json();
  }
  async function all<T>(calls: readonly RpcCall[]): Promise<T[]> {
    const results: T[] = [];
    for (let first = 0; first < calls.length; first += CALLS) {
      const part = calls.slice(first, first + CALLS);
      const body = part.map(([method, params], id) => ({ jsonrpc: "2.0", id, method, params }));
      const answers = (await post(body)) as { id: number; result?: T; error?: { message: string } }[];
      for (const { result, error } of answers.toSorted((a, b) => a.id - b.id)) {
        if (error !== undefined) throw new Error(`anvil: ${error.message}`);
        results.push(result as T);
      }
    }
    return results;
  }
  const request = async <T>(method: string, params: readonly unknown[]): Promise<T> =>
    (await all<T>([[method, params]]))[0] as T;
  const nonces = new Map<Hex, number>();
  /** With nonces, because anvil takes the calls of a JSON-RPC batch in no order. */
  const send = (transactions: readonly Transaction[]): Promise<Hex[]> =>
    all(
      transactions.map(({ from, to, data, value, gas }) => {
        const nonce = nonces.get(from) ?? 0;
        nonces.set(from, nonce + 1);
        const numbers = { value: numberToHex(value), gas: numberToHex(gas), nonce: numberToHex(nonce) };
        return ["eth_sendTransaction", [{ from, ...(to !== undefined && { to }), data, ...numbers }]];
      }),
    );
  async function receipts(hashes: readonly Hex[]): Promise<Receipt[]> {
    const found = await all<Receipt | null>(hashes.map((hash) => ["eth_getTransactionReceipt", [hash]]));
    return found.map((receipt, i) => {
      if (receipt?.status !== "0x1")
        throw new Error(`transaction ${hashes[i]} ${receipt === null ? "waits" : "fails"}`);
      return receipt;
    });
  }
  return {
    all,
    request,
    send,
    receipts,
    /** In blocks that hold them all. */
    async mine(transactions: readonly Transaction[]): Promise<Receipt[]> {
      const mined: Receipt[] = [];
      for (let first = 0; first < transactions.length; first += CALLS) {
        const hashes = await send(transactions.slice(first, first + CALLS));
        await request("evm_mine", []);
        mined.push(...(await receipts(hashes)));
      }
      return mined;
    },
    async changedSlots(hash: Hex, account: Hex): Promise<number> {
      const options = { tracer: "prestateTracer", tracerConfig: { diffMode: true } };
      const { post } = await request<{ post: Record<Hex, { storage?: object }> }>("debug_traceTransaction", [
        hash,
        options,
      ]);
      return Object.keys(post[account.toLowerCase() as Hex]?.storage ?? {}).length;
    },
  };
}

/** Of this process, on Linux; empty elsewhere. */
function childProcesses(): string[] {
  try {
    return readdirSync("/proc/self/task").flatMap((task) =>
      readFileSync(`/proc/self/task/${task}/children`, "utf8").split(" ").filter(Boolean),
    );
  } catch {
    return [];
  }
}

/** CPU time of each thread of a process, on Linux. */
function cpuMsByThread(pid: string | undefined): ReadonlyMap<string, number> {
  const times = new Map<string, number>();
  if (pid === undefined) return times;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      const [nanoseconds] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ");
      times.set(thread, Number(nanoseconds) / 1e6);
    } catch {
      // It ended after it had been listed.
    }
  }
  return times;
}

/** A thread that has ended meanwhile had been idle for seconds, as tokio's threads are before they end. */
function cpuMsSince(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): number {
  let total = 0;
  for (const [thread, ms] of after) total += ms - (before.get(thread) ?? 0);
  return total;
}
