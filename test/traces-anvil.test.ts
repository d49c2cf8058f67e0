/**
 * Traces of random programs against anvil's of the same transactions. Where anvil differs from geth, whose shapes are
 * ours, `asGeth*` says how:
 *
 *   steps   errors in revm's words, with the gas that was left as their price, also of what geth finds only while it runs
 *           (an invalid opcode, a jump nowhere, a write under STATICCALL); a CREATE's price with what it hands on;
 *           `refund` frame by frame, and before the opcode; `memory` and `returnData` also when there is none;
 *           `storage` without writes that change nothing and reads of warm slots
 *   frames  the top one's gas without what the transaction cost before it ran; revm's words; logs also of what failed,
 *           numbered; a contract that destroys itself in its own favour without `to` and `value`, or with those of the
 *           transfer before
 *   state   accounts that do not exist, slots that are zero; accounts and slots that an opcode could not pay for, but not
 *           those that it might not write; no `codeHash`; no authority whose delegation was invalid, nor whose code an
 *           account had run before the transaction delegated it anew; no address of a creation that did not begin
 *   4byte   calls of Ethereum's precompiles, too
 */
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bigIntToFixed, bytesToHex, EMPTY_BYTES, type Hex, hexToBytes, ZERO_32 } from "../core/bytes.ts";
import type { Header, Transaction } from "../core/chain.ts";
import { keccak256 } from "../core/crypto.ts";
import { EMPTY_BLOOM } from "../execution/block/bloom.ts";
import { protocolFields } from "../execution/block/header.ts";
import { type ChainRules, DEFAULT_RULES } from "../execution/rules.ts";
import { OverlayLayer } from "../execution/state/layer.ts";
import type { StateReader } from "../execution/state/types.ts";
import {
  BLOCK_NUMBER,
  type GenesisAccount,
  genesis,
  loadGenesis,
  type Plan,
  plan,
  signPlan,
} from "../execution/testing/world.ts";
import { TraceBudget } from "../execution/trace/budget.ts";
import { Replay } from "../execution/trace/replay.ts";
import { createTracer, type TracerChoice } from "../execution/trace/tracers.ts";
import { recoverAuthority } from "../execution/tx/authorization.ts";
import { decodeTransaction } from "../execution/tx/decode.ts";
import { solidityRevertReason } from "../node/rpc/revert.ts";
import { type Anvil, startAnvil } from "./helpers/anvil.ts";

const CHAIN_ID = 31_337n;
const GAS_LIMIT = 30_000_000n;
const { baseFeeRecipient: _, ...burning } = DEFAULT_RULES;
const RULES: ChainRules = { ...burning, chainId: CHAIN_ID, gasLimit: GAS_LIMIT, hardfork: "prague" };
const FEE_CAP = 10n ** 10n;

const TRACER: TracerChoice = {
  name: "muxTracer",
  tracers: [
    {
      name: "structLogger",
      config: { enableMemory: true, disableStack: false, disableStorage: false, enableReturnData: true, limit: 0 },
    },
    { name: "callTracer", config: { onlyTopCall: false, withLog: true } },
    {
      name: "prestateTracer",
      config: { diffMode: false, disableCode: false, disableStorage: false, includeEmpty: false },
    },
    { name: "4byteTracer" },
  ],
};

// biome-ignore lint/suspicious/noExplicitAny: JSON of two programs, compared field by field
type Json = any;

let anvil: Anvil;
beforeAll(async () => {
  const first = String(BLOCK_NUMBER - 1n);
  const args = ["--number", first, "--gas-limit", String(GAS_LIMIT), "--no-mining", "--steps-tracing"];
  anvil = await startAnvil({ args });
});
afterAll(() => anvil?.stop());

const ask = (method: string, ...params: unknown[]): Promise<Json> =>
  anvil.client.request({ method, params } as never) as Promise<Json>;

test("steps, calls, state and selectors are anvil's", async () => {
  await fc.assert(
    fc.asyncProperty(genesis, fc.array(plan, { minLength: 2, maxLength: 3 }), async (accounts, plans) => {
      const snapshot = await ask("evm_snapshot");
      try {
        await load(accounts);
        const layer = new OverlayLayer();
        loadGenesis(layer, accounts);
        let state: StateReader = layer;
        for (const each of plans) state = await compare(each, state);
      } finally {
        await ask("evm_revert", snapshot);
      }
    }),
    { numRuns: 10, endOnFailure: true },
  );
});

async function load(accounts: readonly GenesisAccount[]): Promise<void> {
  for (const { address, nonce, balance, code, storage } of accounts) {
    const account = bytesToHex(address);
    await ask("anvil_setNonce", account, `0x${nonce.toString(16)}`);
    await ask("anvil_setBalance", account, `0x${balance.toString(16)}`);
    if (code.length > 0) await ask("anvil_setCode", account, bytesToHex(code));
    for (const [slot, value] of storage) await ask("anvil_setStorageAt", account, word(slot), word(value));
  }
}

const word = (value: number): Hex => bytesToHex(bigIntToFixed(BigInt(value), 32));

/** Runs it on both. Returns the state after it: the same when anvil refuses it. */
async function compare(plan: Plan, state: StateReader): Promise<StateReader> {
  const maxPriorityFeePerGas = plan.tx.type <= 1 ? FEE_CAP : plan.tx.maxPriorityFeePerGas;
  const fees = { maxFeePerGas: FEE_CAP, maxPriorityFeePerGas };
  const raw = signPlan({ ...plan, nonceOffset: 0n, tx: { ...plan.tx, ...fees } }, state, CHAIN_ID);
  const decoded = decodeTransaction(raw, CHAIN_ID);
  if (!decoded.ok) throw new Error(decoded.message);
  const hash = await ask("eth_sendRawTransaction", bytesToHex(raw)).catch(() => undefined);
  if (hash === undefined) return state;
  await ask("evm_mine");
  const receipt = await ask("eth_getTransactionReceipt", hash);
  if (receipt === null) {
    await ask("anvil_dropAllTransactions");
    return state;
  }
  const block = await ask("eth_getBlockByHash", receipt.blockHash, false);
  const replay = await replayOf(decoded.tx, block, state);
  const tracer = createTracer(TRACER, new TraceBudget(1e9), solidityRevertReason);
  const { gasUsed } = await replay.next(tracer);
  const ours = JSON.parse(JSON.stringify(tracer.result()));
  const theirs = async (config: object) => ask("debug_traceTransaction", hash, config);

  expect(gasUsed).toBe(BigInt(receipt.gasUsed));
  const steps = await theirs({ enableMemory: true, enableReturnData: true });
  const faults = faultsOf(steps);
  for (const at of faultsOf(ours.structLogger)) expect(faults.has(at)).toBe(true);
  expect(asGethSteps(steps, faults)).toEqual(asGethSteps(ours.structLogger, faults));
  for (const [at, { op, stack, storage }] of steps.structLogs.entries()) {
    const slot = slotOf({ stack });
    if (op !== "SLOAD" || faults.has(at) || storage?.[slot!] === undefined) continue;
    expect(ours.structLogger.structLogs[at].storage[slot!]).toBe(storage[slot!]);
  }
  const calls = await theirs({ tracer: "callTracer", tracerConfig: { withLog: true } });
  expect(asGethFrame(calls, ours.callTracer, true)).toEqual(asGethFrame(ours.callTracer, calls, true));
  const accounts = await theirs({ tracer: "prestateTracer" });
  const authorities = decoded.tx.authorizationList.map((each) => bytesToHex(recoverAuthority(each) ?? EMPTY_BYTES));
  const failed: Json[] = [...faults].map((at) => steps.structLogs[at]);
  const unread = new Set(failed.map(slotOf));
  const named = new Set(failed.flatMap(({ stack }) => stack.slice(-2).map(addressOf)));
  const isCreationFailed = failed.some(({ op }) => op.startsWith("CREATE"));
  const prior = authorities.map((address) => delegateOf(ours.prestateTracer[address]?.code));
  const leftOut = new Set<string | undefined>([...authorities, ...prior, ...refusedCreations(ours.callTracer)]);
  const isUnlike = (address: string) =>
    (accounts[address] === undefined && (leftOut.has(address) || isCreationFailed)) ||
    ((accounts[address] === undefined) !== (ours.prestateTracer[address] === undefined) && named.has(address));
  const shown = (tree: Json) => asGethAccounts(tree, unread, isUnlike);
  expect(shown(accounts)).toEqual(shown(ours.prestateTracer));
  const selectors = await theirs({ tracer: "4byteTracer" });
  for (const [selector, count] of Object.entries(ours["4byteTracer"])) {
    expect(selectors[selector]).toBeGreaterThanOrEqual(count as number);
  }
  return replay.state;
}

async function replayOf(tx: Transaction, block: Json, state: StateReader): Promise<Replay> {
  const hashes = new Map<bigint, Uint8Array>();
  for (let number = BLOCK_NUMBER - 1n; number < BigInt(block.number); number++) {
    hashes.set(number, hexToBytes((await ask("eth_getBlockByNumber", `0x${number.toString(16)}`, false)).hash));
  }
  // revm's empty database has these for blocks that never were.
  const before = (number: bigint) => keccak256(new TextEncoder().encode(String(number)));
  const blockHash = (number: bigint) => hashes.get(number) ?? before(number);
  const header: Header = {
    ...protocolFields,
    parentHash: hexToBytes(block.parentHash),
    coinbase: hexToBytes(block.miner),
    stateRoot: ZERO_32,
    transactionsRoot: ZERO_32,
    receiptsRoot: ZERO_32,
    logsBloom: EMPTY_BLOOM,
    number: BigInt(block.number),
    gasLimit: GAS_LIMIT,
    gasUsed: 0n,
    timestamp: BigInt(block.timestamp),
    extraData: EMPTY_BYTES,
    prevRandao: hexToBytes(block.mixHash),
    baseFeePerGas: BigInt(block.baseFeePerGas),
    withdrawalsRoot: ZERO_32,
    parentBeaconBlockRoot: ZERO_32,
  };
  // Half full, so that the base fee stays what anvil says it is.
  const parent = { ...header, number: header.number - 1n, gasUsed: GAS_LIMIT / 2n };
  const parts = { rules: RULES, precompiles: [], blockHash, pause: () => undefined };
  const transactions = [tx];
  return Replay.begin(parts, { parent: { hash: header.parentHash, header: parent }, state, header, transactions });
}

const faultsOf = ({ structLogs }: Json): Set<number> =>
  new Set([...structLogs.keys()].filter((at) => structLogs[at].error !== undefined));

/** What is on top of the stack, as a slot. */
const slotOf = ({ stack }: Json): string | undefined =>
  stack.length === 0 ? undefined : bytesToHex(bigIntToFixed(BigInt(stack.at(-1)), 32));

/** A word of the stack, as an address. */
const addressOf = (word: string): string => bytesToHex(bigIntToFixed(BigInt(word), 32).subarray(12));

/** Whose code it runs (EIP-7702). */
const delegateOf = (code: string | undefined): string | undefined =>
  code?.startsWith("0xef0100") ? `0x${code.slice(8)}` : undefined;

/** Addresses of contracts that were not to be: they would have been there already, or cost more than there was. */
const refusedCreations = ({ type, error, to, calls = [] }: Json): string[] => [
  ...(type.startsWith("CREATE") && error !== undefined && to !== undefined ? [to] : []),
  ...calls.flatMap(refusedCreations),
];

/** `faults`: steps that anvil says failed. */
function asGethSteps({ structLogs, ...rest }: Json, faults: ReadonlySet<number>): Json {
  return { ...rest, structLogs: structLogs.map((step: Json, at: number) => asGethStep(step, faults.has(at))) };
}

function asGethStep(
  { error: __, gasCost, refund: _, memory, returnData, storage: ___, ...step }: Json,
  isFault: boolean,
): Json {
  const isCreation = step.op === "CREATE" || step.op === "CREATE2";
  return {
    ...step,
    ...(!isFault && !isCreation && { gasCost }),
    memory: memory ?? [],
    returnData: returnData ?? "0x",
  };
}

/** `other`: the frame at the same place in the other's tree. */
function asGethFrame({ gas, error, revertReason, logs, calls, ...frame }: Json, other: Json, isTop: boolean): Json {
  const isBare = ({ to, from }: Json) => to === undefined || to === from;
  if (frame.type === "SELFDESTRUCT" && (isBare(frame) || isBare(other ?? {}))) return { type: frame.type };
  return {
    ...frame,
    ...(!isTop && { gas }),
    failed: error !== undefined,
    // What failed has no logs in the end, nor has what it called.
    logs: error === undefined ? (logs ?? []).map(({ index: _, ...log }: Json) => log) : [],
    calls: (calls ?? []).map((call: Json, at: number) =>
      asGethFrame(error === undefined ? call : withoutLogs(call), other?.calls?.[at], false),
    ),
  };
}

const withoutLogs = ({ logs: _, calls, ...frame }: Json): Json => ({ ...frame, calls: (calls ?? []).map(withoutLogs) });

/** `unread`: slots that an opcode failed to reach. */
function asGethAccounts(
  accounts: Json,
  unread: ReadonlySet<string | undefined>,
  isUnlike: (address: string) => boolean,
): Json {
  const shown = Object.entries(accounts).map(([address, { codeHash: _, storage = {}, ...account }]: [string, Json]) => {
    const held = Object.entries(storage).filter(([slot, value]) => BigInt(value as Hex) !== 0n && !unread.has(slot));
    return [address, { ...account, storage: Object.fromEntries(held) }] as const;
  });
  const isThere = ({ balance, nonce, code }: Json) => balance !== "0x0" || nonce !== undefined || code !== undefined;
  return Object.fromEntries(shown.filter(([address, account]) => isThere(account) && !isUnlike(address)));
}
