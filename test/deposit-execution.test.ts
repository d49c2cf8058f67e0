/** Deposits executed here and by anvil's OP Stack (revm), which knows nothing of this code: the same of everything. */
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Deposit, encodeDeposit } from "../bridge/deposit.ts";
import { bigIntToFixed, bytesToHex, concatBytes, type Hex, hexToBytes, padTo32 } from "../core/bytes.ts";
import { keccak256 } from "../core/crypto.ts";
import { type ChainRules, DEFAULT_RULES } from "../execution/rules.ts";
import { emptyReader, OverlayLayer } from "../execution/state/layer.ts";
import { EMPTY_TRIE_ROOT } from "../execution/state/trie-node.ts";
import type { StateLayer } from "../execution/state/types.ts";
import { decodeDepositTransaction } from "../execution/tx/deposit.ts";
import { messageEnvironment } from "../execution/tx/environment.ts";
import { gasRequirement } from "../execution/tx/intrinsic.ts";
import { MachinePool } from "../execution/tx/machine.ts";
import { runDeposit } from "../execution/tx/run-deposit.ts";
import { type Anvil, startAnvil } from "./helpers/anvil.ts";

const RULES: ChainRules = { ...DEFAULT_RULES, chainId: 31_337n, hardfork: "prague", gasLimit: 30_000_000n };
const ENVIRONMENT = messageEnvironment(
  {
    number: 1n,
    timestamp: 1_700_000_000n,
    coinbase: new Uint8Array(20), // as anvil has it: that address is warm
    prevRandao: new Uint8Array(32),
    gasLimit: RULES.gasLimit,
    baseFeePerGas: 7n,
  },
  RULES,
);

const address = (fill: number) => new Uint8Array(20).fill(fill);
const PLAIN = [address(0x11), address(0x22), address(0x33)];
const CODES: readonly Hex[] = [
  "0x6001600055600080fd", // writes, then reverts
  "0x60003560005500", // slot 0 = first word of calldata
  "0x600060006000600034600035" + "5af15000", // sends the value on to the first word
  "0x366000600037604236600a" + "0360205236" + "6000a100", // a log, unless calldata are short: then it runs out of gas
  "0x366000600037366000" + "34f060005500", // creates from calldata with the value; slot 0 = the address
  "0x600035ff", // destroys itself in favour of the first word
  "0x33600055326001554760025500", // caller, origin, own balance
  "0xfe",
] as Hex[];
const CONTRACTS = CODES.map((_, index) => address(0xc0 + index));
const EVERYBODY = [...PLAIN, ...CONTRACTS];

interface Plan {
  readonly from: Uint8Array;
  readonly to: Uint8Array | undefined;
  readonly mintWei: bigint;
  /** Parts of 4 of what the sender has then. */
  readonly quarters: bigint;
  /** On top of the intrinsic gas, which anvil's pool asks for. */
  readonly gas: bigint;
  readonly data: Uint8Array;
}

/** Returns the code 0x01; reverts; takes itself out of the world. */
const INIT_CODES: readonly Hex[] = ["0x60016000526001601ff3", "0x60006000fd", "0x33ff", "0x"];
const plan: fc.Arbitrary<Plan> = fc.record({
  from: fc.constantFrom(...PLAIN, ...PLAIN, CONTRACTS[1]!, CONTRACTS[6]!),
  to: fc.option(fc.constantFrom(...PLAIN, ...CONTRACTS), { freq: 5, nil: undefined }),
  mintWei: fc.constantFrom(0n, 1n, 10n ** 18n, 123_456_789n),
  quarters: fc.constantFrom(0n, 0n, 1n, 4n),
  gas: fc.oneof(fc.constant(300_000n), fc.bigInt({ min: 0n, max: 45_000n })),
  data: fc.oneof(
    fc.constantFrom(...INIT_CODES).map((code) => hexToBytes(code)),
    fc.constantFrom(...EVERYBODY).map((target) => padTo32(target)),
    fc.constantFrom(0n, 1n, 2n).map((value) => bigIntToFixed(value, 32)),
    fc.uint8Array({ maxLength: 150 }),
  ),
});

let anvil: Anvil;

beforeAll(async () => {
  anvil = await startAnvil({ hardfork: "isthmus", args: ["--optimism"] });
  // A block when it is asked for: the miner's own wake-up is sometimes lost after a revert.
  await anvil.client.setAutomine(false);
  for (const [index, contract] of CONTRACTS.entries()) {
    await anvil.client.setCode({ address: bytesToHex(contract), bytecode: CODES[index]! });
    await anvil.client.setNonce({ address: bytesToHex(contract), nonce: 1 });
  }
}, 30_000);

afterAll(() => anvil.stop());

function freshLayer(): StateLayer {
  const layer = new OverlayLayer(emptyReader);
  for (const [index, contract] of CONTRACTS.entries()) {
    const codeHash = layer.addCode(hexToBytes(CODES[index]!));
    layer.setAccount(contract, { nonce: 1n, balance: 0n, codeHash, storageRoot: EMPTY_TRIE_ROOT });
  }
  return layer;
}

function depositOf(plan: Plan, layer: StateLayer, id: Uint8Array): Deposit {
  const { from, to, mintWei, data } = plan;
  const has = (layer.account(from)?.balance ?? 0n) + mintWei;
  const { intrinsic } = gasRequirement({ to, data, accessList: [], authorizationList: [] });
  const valueWei = (has * plan.quarters) / 4n;
  return { sourceHash: id, from, to, mintWei, valueWei, gasLimit: intrinsic + plan.gas, isSystem: false, data };
}

async function compare(plans: readonly Plan[]): Promise<number> {
  const { client } = anvil;
  const layer = freshLayer();
  const machines = new MachinePool(RULES, []);
  const touched = new Map<Hex, Uint8Array>(EVERYBODY.map((each) => [bytesToHex(each), each]));
  let failed = 0;
  for (const [index, each] of plans.entries()) {
    const id = keccak256(concatBytes(each.data, Uint8Array.of(index)));
    const raw = encodeDeposit(depositOf(each, layer, id));
    const decoded = decodeDepositTransaction(raw);
    if (!decoded.ok) throw new Error(decoded.message);
    const { tx } = decoded;
    const ours = await machines.use(
      layer,
      () => new Uint8Array(32),
      (machine) => runDeposit(machine, tx, ENVIRONMENT, RULES.gasLimit),
    );
    const hash = await client.sendRawTransaction({ serializedTransaction: bytesToHex(raw) });
    await client.mine({ blocks: 1 });
    const theirs = await client.getTransactionReceipt({ hash });
    expect(hash).toBe(bytesToHex(tx.hash));
    expect({
      status: ours.status === 1 ? "success" : "reverted",
      gasUsed: ours.gasUsed,
      contractAddress: ours.contractAddress && bytesToHex(ours.contractAddress),
      logs: ours.logs.map(({ topics, data }) => ({
        topics: topics.map((topic) => bytesToHex(topic)),
        data: bytesToHex(data),
      })),
    }).toEqual({
      status: theirs.status,
      gasUsed: theirs.gasUsed,
      contractAddress: theirs.contractAddress?.toLowerCase(),
      logs: theirs.logs.map(({ topics, data }) => ({ topics, data })),
    });
    if (ours.status === 0) failed++;
    if (ours.contractAddress !== undefined) touched.set(bytesToHex(ours.contractAddress), ours.contractAddress);
    const made = layer.storage(CONTRACTS[4]!, new Uint8Array(32));
    if (made.length > 0) touched.set(bytesToHex(padTo32(made).slice(12)), padTo32(made).slice(12));
  }
  for (const [hex, one] of touched) {
    const account = layer.account(one);
    expect({
      hex,
      balance: account?.balance ?? 0n,
      nonce: Number(account?.nonce ?? 0n),
      code: account === undefined ? "0x" : bytesToHex(layer.code(account.codeHash)),
      storage: [0n, 1n, 2n].map((slot) => bytesToHex(padTo32(layer.storage(one, bigIntToFixed(slot, 32))))),
    }).toEqual({
      hex,
      balance: await client.getBalance({ address: hex }),
      nonce: await client.getTransactionCount({ address: hex }),
      code: (await client.getCode({ address: hex })) ?? "0x",
      storage: await Promise.all(
        [0, 1, 2].map((slot) => client.getStorageAt({ address: hex, slot: `0x${slot.toString(16)}` })),
      ),
    });
  }
  return failed;
}

test("random deposits: hashes, outcomes, gas, created addresses, logs and the state are anvil's", async () => {
  let failed = 0;
  let total = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(plan, { minLength: 4, maxLength: 12 }), async (plans) => {
      const snapshot = await anvil.client.snapshot();
      try {
        failed += await compare(plans);
        total += plans.length;
      } finally {
        await anvil.client.revert({ id: snapshot });
      }
    }),
    { numRuns: 12 },
  );
  expect(failed).toBeGreaterThan(3);
  expect(total - failed).toBeGreaterThan(10);
}, 60_000);

test("what anvil's pool lets through of failing deposits: below the floor of the data", async () => {
  const snapshot = await anvil.client.snapshot();
  const data = new Uint8Array(100).fill(1);
  const one = { from: PLAIN[0]!, to: PLAIN[1]!, mintWei: 1_000n, quarters: 1n, data };
  expect(
    await compare([
      { ...one, gas: 1_000n },
      { ...one, gas: 2_400n },
      { ...one, gas: 2_399n },
    ]),
  ).toBe(2);
  await anvil.client.revert({ id: snapshot });
}, 30_000);
