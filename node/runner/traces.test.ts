/** Traces of random blocks against what the blocks did. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bytesToHex, EMPTY_BYTES, type Hex, hexToBytes, trimLeadingZeros } from "../../core/bytes.ts";
import type { Transaction } from "../../core/chain.ts";
import { KECCAK_EMPTY } from "../../core/crypto.ts";
import type { DecodedBlock } from "../../execution/block/block-codec.ts";
import { writeSystemState } from "../../execution/block/system-writes.ts";
import { openStateDatabase } from "../../execution/state/database.ts";
import { OverlayLayer } from "../../execution/state/layer.ts";
import { EMPTY_TRIE_ROOT } from "../../execution/state/trie-node.ts";
import type { StateLayer } from "../../execution/state/types.ts";
import { genesis, type Plan, plan, signPlan } from "../../execution/testing/world.ts";
import { Replay } from "../../execution/trace/replay.ts";
import type { TracerChoice } from "../../execution/trace/tracers.ts";
import { PRECOMPILES } from "../../precompiles/table.ts";
import { Chain } from "../chain.ts";
import { CHAIN_ID, decoded, FakeStore, propose, testGenesis } from "../testing/world.ts";
import { Traces } from "./traces.ts";
import type { Traced, TraceOptions, TransactionTrace } from "./types.ts";

interface StructLog {
  readonly op: string;
  readonly gas: number;
  readonly gasCost: number;
  readonly depth: number;
  readonly error?: string;
}

interface CallFrame {
  readonly type: string;
  readonly gas: Hex;
  readonly gasUsed: Hex;
  readonly output?: Hex;
  readonly error?: string;
  readonly calls?: readonly CallFrame[];
  readonly logs?: readonly { readonly data: Hex; readonly index: Hex; readonly position: Hex }[];
}

interface Account {
  readonly balance?: Hex;
  readonly nonce?: number;
  readonly code?: Hex;
  readonly storage?: Readonly<Record<Hex, Hex>>;
}
type Accounts = Readonly<Record<Hex, Account>>;
interface Difference {
  readonly pre: Accounts;
  readonly post: Accounts;
}

interface Run {
  readonly structLogger: { readonly structLogs: readonly StructLog[] };
  readonly callTracer: CallFrame;
  readonly prestateTracer: Accounts;
}

const STRUCT_LOGGER: TracerChoice = {
  name: "structLogger",
  config: { enableMemory: true, disableStack: false, disableStorage: false, enableReturnData: true, limit: 0 },
};
const CALL_TRACER: TracerChoice = { name: "callTracer", config: { onlyTopCall: false, withLog: true } };
const prestate = (diffMode: boolean): TracerChoice => ({
  name: "prestateTracer",
  config: { diffMode, disableCode: false, disableStorage: false, includeEmpty: false },
});
const mux = (...tracers: readonly TracerChoice[]): TracerChoice => ({ name: "muxTracer", tracers });
const ALL = mux(STRUCT_LOGGER, CALL_TRACER, prestate(false));

const options = (tracer: TracerChoice, fields: Partial<TraceOptions> = {}): TraceOptions => ({
  tracer,
  timeoutMs: 60_000,
  withinMs: 60_000,
  maxBytes: 1_000_000_000,
  ...fields,
});

/** A block on the head of transactions that are signed one by one, for the nonces that those before left. */
async function proposeSigned(chain: Chain, plans: readonly Plan[]) {
  const transactions: Transaction[] = [];
  let proposal = await propose(chain, transactions);
  for (const each of plans) {
    transactions.push(decoded(signPlan(each, proposal.sealed.fork(), CHAIN_ID)));
    proposal = await propose(chain, transactions);
  }
  return proposal;
}

/** Writes what the trace says has changed. */
function apply(layer: StateLayer, { pre, post }: Difference): void {
  for (const key of Object.keys(pre) as Hex[])
    if (post[key] === undefined) layer.setAccount(hexToBytes(key), undefined);
  for (const [key, { balance, nonce, code, storage = {} }] of Object.entries(post) as [Hex, Account][]) {
    const address = hexToBytes(key);
    const account = layer.account(address);
    layer.setAccount(address, {
      balance: balance === undefined ? (account?.balance ?? 0n) : BigInt(balance),
      nonce: nonce === undefined ? (account?.nonce ?? 0n) : BigInt(nonce),
      codeHash: code === undefined ? (account?.codeHash ?? KECCAK_EMPTY) : layer.addCode(hexToBytes(code)),
      storageRoot: account?.storageRoot ?? EMPTY_TRIE_ROOT,
    });
    for (const slot of Object.keys(pre[key]?.storage ?? {}) as Hex[])
      layer.setStorage(address, hexToBytes(slot), EMPTY_BYTES);
    for (const [slot, value] of Object.entries(storage) as [Hex, Hex][]) {
      layer.setStorage(address, hexToBytes(slot), trimLeadingZeros(hexToBytes(value)));
    }
  }
}

const CALLS = new Set(["CALL", "CALLCODE", "DELEGATECALL", "STATICCALL"]);
const CREATIONS = new Set(["CREATE", "CREATE2"]);

/** Every step's gas follows from the one before; what frames used is what they cost their callers. Consumes `steps`. */
function checkGas(frame: CallFrame, steps: StructLog[], depth: number): void {
  const frames = [...(frame.calls ?? [])];
  let left: number | undefined;
  while (steps[0]?.depth === depth) {
    const step = steps.shift()!;
    if (left !== undefined) expect(step.gas).toBe(left);
    left = step.gas - step.gasCost;
    if (step.error !== undefined) break;
    if (step.op === "SELFDESTRUCT") frames.shift();
    if (!CALLS.has(step.op) && !CREATIONS.has(step.op)) continue;
    if (steps[0] === undefined || steps[0].depth < depth) break; // it failed as it ran
    const child = frames.shift();
    expect(child?.type).toBe(step.op);
    checkGas(child!, steps, depth + 1);
    left -= Number(child!.gasUsed) - (CALLS.has(step.op) ? Number(child!.gas) : 0);
  }
  expect(frames).toEqual([]);
  if (depth === 1 || left === undefined) return;
  const used = Number(frame.gasUsed);
  if (frame.error !== undefined && frame.error !== "execution reverted") expect(used).toBe(Number(frame.gas));
  else {
    const forCode =
      CREATIONS.has(frame.type) && frame.error === undefined ? 200 * ((frame.output?.length ?? 2) / 2 - 1) : 0;
    expect(used).toBe(Number(frame.gas) - left + forCode);
  }
}

/** Runs the transaction on nothing but what the prestate tracer names. */
async function runOn(prestate: Accounts, block: DecodedBlock, index: number, chain: Chain) {
  const state = new OverlayLayer();
  apply(state, { pre: {}, post: prestate });
  const { rules } = chain;
  const parts = { rules, precompiles: PRECOMPILES, blockHash: (n: bigint) => chain.hashAt(n)!, pause: () => undefined };
  const parent = chain.find({ hash: block.header.parentHash })!;
  const transactions = [block.transactions[index]!];
  const replay = await Replay.begin(parts, { parent, state, header: block.header, transactions });
  return replay.next();
}

function resultOf<T>(traced: Traced<T>): T {
  if (!traced.ok) throw new Error(traced.message);
  return traced.result;
}

/** Each of a few transactions. */
const BLOCKS = fc.array(fc.array(plan, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 2 });

describe("random blocks", () => {
  test("traces say what the block did, before and after it is committed", async () => {
    await fc.assert(
      fc.asyncProperty(genesis, BLOCKS, async (accounts, blocks) => {
        const store = new FakeStore();
        const chain = await Chain.open(store, testGenesis(accounts), PRECOMPILES);
        const traces = new Traces(chain, PRECOMPILES);
        const seen: (readonly TransactionTrace[])[] = [];
        for (const plans of blocks) {
          const proposal = await proposeSigned(chain, plans);
          const { block, raw } = proposal;
          const runs = resultOf(await traces.traceEncodedBlock(raw, options(ALL)));
          const diffs = resultOf(await traces.traceEncodedBlock(raw, options(prestate(true))));
          expect(runs.map(({ txHash }) => txHash)).toEqual(block.transactions.map(({ hash }) => bytesToHex(hash)));

          const after = openStateDatabase({ reader: store.reader, headRoot: chain.headBlock.header.stateRoot });
          const layer = after.head.fork();
          writeSystemState(layer, block.header);
          for (const [index, { result }] of runs.entries()) {
            const receipt = block.receipts[index]!;
            const { structLogger, callTracer, prestateTracer } = result as unknown as Run;
            const failed = receipt.status === 0;
            expect(structLogger).toMatchObject({ gas: Number(receipt.gasUsed), failed });
            expect(callTracer.gasUsed).toBe(`0x${receipt.gasUsed.toString(16)}`);
            expect(callTracer.error !== undefined).toBe(failed);
            const before = block.receipts.slice(0, index).reduce((sum, { logs }) => sum + logs.length, 0);
            expect(logsOf(callTracer)).toEqual(receipt.logs.map(({ data }, i) => [bytesToHex(data), before + i]));
            checkGas(callTracer, [...structLogger.structLogs], 1);
            const again = await runOn(prestateTracer, block, index, chain);
            expect([again.status, again.gasUsed, again.logs]).toEqual([receipt.status, receipt.gasUsed, receipt.logs]);
            apply(layer, diffs[index]!.result as unknown as Difference);
          }
          expect(bytesToHex(after.seal(layer).stateRoot)).toBe(bytesToHex(block.header.stateRoot));
          await chain.commit(proposal);
          seen.push(runs);
        }
        for (const [index, runs] of seen.entries()) {
          const block = chain.block(BigInt(index + 1))!;
          expect(resultOf(await traces.traceBlock(block.hash, options(ALL)))).toEqual(runs);
          const last = runs.length - 1;
          if (last >= 0)
            expect(resultOf(await traces.traceTransaction(block.hash, last, options(ALL)))).toEqual(runs[last]!.result);
        }
      }),
      { numRuns: 12 },
    );
  });
});

/** Data and indices of the logs of a frame and its calls, as they were emitted. */
function logsOf(frame: CallFrame): [string, number][] {
  const [calls, logs] = [frame.calls ?? [], [...(frame.logs ?? [])]];
  const emitted: [string, number][] = [];
  for (let position = 0; position <= calls.length; position++) {
    while (logs[0] !== undefined && Number(logs[0].position) === position) {
      const { data, index } = logs.shift()!;
      emitted.push([data, Number(index)]);
    }
    if (position < calls.length) emitted.push(...logsOf(calls[position]!));
  }
  return emitted;
}
