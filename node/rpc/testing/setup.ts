/** An `Rpc` over the fake chain, with real transaction decoding and the real mempool. */
import { mnemonicToAccount } from "viem/accounts";
import { hexToBytes } from "../../../core/bytes.ts";
import type { ExecutedBlock } from "../../../core/chain.ts";
import { Mempool } from "../../../execution/mempool.ts";
import { decodeTransaction } from "../../../execution/tx/decode.ts";
import { ethConfig, ownRules } from "../methods/eth-config.ts";
import { LocalPool } from "../pool.ts";
import { createRpc, type Rpc, type RpcOptions } from "../rpc.ts";
import { BASE_FEE_WEI, FakeChain } from "./fake-chain.ts";

const MNEMONIC = "test test test test test test test test test test test junk";
export const accounts = [0, 1, 2].map((addressIndex) => mnemonicToAccount(MNEMONIC, { addressIndex }));

const NEXT = { baseFeePerGas: BASE_FEE_WEI, gasLimit: 30_000_000n };

export function setup(options: Partial<RpcOptions> = {}) {
  const chain = new FakeChain();
  for (const account of accounts) chain.latest.set(hexToBytes(account.address), 0n, 10n ** 20n);
  const mempool = new Mempool({ next: NEXT });
  const errors: object[] = [];
  const rpc: Rpc = createRpc({
    chain,
    pool: new LocalPool(mempool, (tx) => mempool.add(tx, chain.latest, 0)),
    decode: decodeTransaction,
    runner: chain,
    clientVersion: "openledger/test",
    methods: ethConfig(() => ownRules(chain, { chainId: chain.chainId, hardfork: "osaka" })),
    log: { error: (fields) => errors.push(fields), debug: () => {} },
    ...options,
  });
  const session = rpc.openSession();

  /** The result; throws the error object. */
  async function ask<T = unknown>(method: string, ...params: unknown[]): Promise<T> {
    const answer = await rpc.handle({ jsonrpc: "2.0", id: 1, method, params }, session);
    if (answer === undefined || "error" in answer) throw answer?.error ?? new Error("no answer");
    return answer.result as T;
  }

  /** The error; throws when there is a result. */
  async function fail(
    method: string,
    ...params: unknown[]
  ): Promise<{ code: number; message: string; data?: unknown }> {
    const answer = await rpc.handle({ jsonrpc: "2.0", id: 1, method, params }, session);
    if (answer === undefined || !("error" in answer)) throw new Error(`no error: ${JSON.stringify(answer)}`);
    return answer.error;
  }

  /** A block of what waits. */
  function mine(): ExecutedBlock {
    const block = chain.mine([...mempool.candidates(BASE_FEE_WEI)]);
    mempool.removeMined(block, chain.latest, NEXT, 0);
    return block;
  }

  return { chain, mempool, rpc, session, errors, ask, fail, mine };
}
