/** What the execution benchmark runs: one genesis state and, for each workload, blocks of signed transactions on it. */
import { encodeDeployData, encodeFunctionData, type Hex } from "viem";
import { ATTRIBUTION_ADDRESS } from "../core/addresses.ts";
import { bytesToHex, hexToBytes } from "../core/bytes.ts";
import { keccak256 } from "../core/crypto.ts";
import type { Span } from "../core/span-rule.ts";
import { keyBytes } from "../execution/state/keys.ts";
import { createdAddress } from "../execution/tx/derive.ts";
import { signTransaction } from "../execution/tx/sign.ts";
import { PREDEPLOYS } from "../genesis/predeploys.ts";
import { commitArgs, contribute, createDatanet, registerModel, request } from "../test/helpers/precompile-story.ts";
import { type Actor, actor, CHAIN_ID, calldata, ETHER, World } from "../test/helpers/precompile-world.ts";
import { compileSolidity } from "../test/helpers/solidity.ts";
import { boundaryFrom, words } from "./words.ts";

export interface BenchAccount {
  readonly address: Uint8Array;
  readonly nonce: bigint;
  readonly balance: bigint;
  readonly code: Uint8Array;
  /** Slots of 32 bytes, values without leading zeros. */
  readonly storage: readonly (readonly [slot: Uint8Array, value: Uint8Array])[];
}

export interface Workload {
  readonly name: string;
  /** Times that the stock executor takes; undefined where none is promised. */
  readonly goalRatio: number | undefined;
  /** Signed envelopes, a list a block. */
  readonly blocks: readonly (readonly Uint8Array[])[];
}

export interface Genesis {
  readonly accounts: readonly BenchAccount[];
  /** Number and time (Unix seconds) of the block that the workloads build on. */
  readonly number: bigint;
  readonly timestamp: bigint;
}

export interface Bench {
  readonly genesis: Genesis;
  readonly workloads: readonly Workload[];
}

export interface BenchSize {
  readonly blocks: number;
  readonly transfers: number;
  readonly tokenTransfers: number;
  readonly commitments: number;
}

export { CHAIN_ID };

const SENDERS = 1_000;
const HOLDERS = 20_000;
const HOSTS = 100;
const CONTRIBUTIONS = 64;
const SPANS = 8;
const OUTPUT_BYTES = 1_024;
const MIN_SPAN_BYTES = 24n;

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Deterministic: the same transactions in every run. */
function createRandom(seed: string): (below: number) => number {
  let counter = 0;
  return (below) => {
    const word = keccak256(utf8(`${seed} ${counter++}`));
    return new DataView(word.buffer, word.byteOffset).getUint32(0) % below;
  };
}

/** Signs for accounts whose nonces it counts. */
class Wallets {
  readonly #nonces = new Map<Hex, bigint>();

  sign(from: Actor, to: Uint8Array, value: bigint, data: Uint8Array, gasLimit: bigint): Uint8Array {
    const nonce = this.#nonces.get(from.hex) ?? 0n;
    this.#nonces.set(from.hex, nonce + 1n);
    return signTransaction(
      {
        type: 2,
        chainId: BigInt(CHAIN_ID),
        nonce,
        maxPriorityFeePerGas: 1_000n,
        maxFeePerGas: 10n ** 12n,
        gasLimit,
        to,
        value,
        data,
        accessList: [],
        authorizationList: [],
      },
      from.key,
    );
  }
}

export async function prepareBench(size: BenchSize): Promise<Bench> {
  const world = await World.create({ minSpanBytes: MIN_SPAN_BYTES });
  const senders = Array.from({ length: SENDERS }, (_, i) => actor(`sender ${i}`));
  const holders = Array.from({ length: HOLDERS }, (_, i) => keccak256(utf8(`holder ${i}`)).slice(12));
  for (const { address, nonce, code } of PREDEPLOYS) {
    await world.install(address, code);
    if (nonce !== 1n) throw new Error("a predeploy of another nonce");
  }
  for (const { address } of senders) await world.fund(address);
  for (const address of holders) await world.fund(address, ETHER);

  const wallets = new Wallets();
  const transfers = transferBlocks(wallets, senders, holders, size);
  const tokens = await tokenBlocks(world, wallets, senders, holders, size);
  const commitments = await commitmentBlocks(world, wallets, senders, size);
  return {
    genesis: { accounts: accountsOf(world), number: world.number, timestamp: world.timestamp },
    workloads: [
      { name: "transfer", goalRatio: 15, blocks: transfers },
      { name: "erc20", goalRatio: undefined, blocks: tokens },
      { name: "commitment", goalRatio: 20, blocks: commitments },
    ],
  };
}

const fill = <T>(blocks: number, length: number, make: (index: number) => T): T[][] =>
  Array.from({ length: blocks }, (_, block) => Array.from({ length }, (_, i) => make(block * length + i)));

function transferBlocks(wallets: Wallets, senders: readonly Actor[], holders: readonly Uint8Array[], size: BenchSize) {
  const random = createRandom("transfer");
  return fill(size.blocks, size.transfers, (i) => {
    const to = holders[random(holders.length)]!;
    return wallets.sign(senders[i % senders.length]!, to, 1_000_000n + BigInt(i), new Uint8Array(0), 21_000n);
  });
}

/** OpenZeppelin's ERC-20: half of the recipients hold the token already, the others get a new slot. */
async function tokenBlocks(
  world: World,
  wallets: Wallets,
  senders: readonly Actor[],
  holders: readonly Uint8Array[],
  size: BenchSize,
) {
  const { abi, bytecode } = compileSolidity("contracts/examples/Token.sol", "Token");
  const deployer = actor("deployer");
  await world.fund(deployer.address);
  const token = createdAddress(deployer.address, 0n);
  const init = hexToBytes(encodeDeployData({ abi, bytecode, args: [ETHER] }));
  must(await world.raw(deployer.address, undefined, init));
  const owners = [...senders.map(({ address }) => address), ...holders.slice(0, HOLDERS / 2)];
  for (let first = 0; first < owners.length; first += 500) {
    const args = [owners.slice(first, first + 500).map(bytesToHex), ETHER];
    must(await world.raw(deployer.address, token, hexToBytes(encodeFunctionData({ abi, functionName: "mint", args }))));
  }
  const random = createRandom("erc20");
  return fill(size.blocks, size.tokenTransfers, (i) => {
    const args = [bytesToHex(holders[random(holders.length)]!), 1_000n + BigInt(i)];
    const data = hexToBytes(encodeFunctionData({ abi, functionName: "transfer", args }));
    return wallets.sign(senders[i % senders.length]!, token, 0n, data, 100_000n);
  });
}

function must(outcome: { readonly ok: boolean; readonly output: Hex }): void {
  if (!outcome.ok) throw new Error(`preparing the benchmark failed: ${outcome.output}`);
}

/** A Datanet of texts, a model on it, staked hosts, and a request for each commitment. */
async function commitmentBlocks(world: World, wallets: Wallets, payers: readonly Actor[], size: BenchSize) {
  const random = createRandom("commitment");
  const owner = actor("owner");
  const hosts = Array.from({ length: HOSTS }, (_, i) => actor(`host ${i}`));
  for (const { address } of [owner, ...hosts]) await world.fund(address);
  const datanetId = await createDatanet(world, owner);
  const texts: { readonly id: bigint; readonly content: Uint8Array }[] = [];
  for (let i = 0; i < CONTRIBUTIONS; i++) {
    const content = words(random, 2_000);
    texts.push({ id: await contribute(world, owner, payers[i % payers.length]!, datanetId, content), content });
  }
  await world.must(owner, "datanet", "publishVersion", [datanetId]);
  world.advance();
  const modelId = await registerModel(world, owner, { data: [{ datanetId, version: 1 }] });
  for (const host of hosts) {
    await world.must(host, "models", "joinAsHost", [modelId, "https://host.example"]);
    await world.must(host, "attribution", "depositStake", [], { value: 1_000n * ETHER });
  }
  const requests: { readonly host: Actor; readonly inferenceId: bigint }[] = [];
  for (let i = 0; i < size.blocks * size.commitments; i++) {
    const host = hosts[i % hosts.length]!;
    requests.push({ host, inferenceId: await request(world, payers[i % payers.length]!, host, modelId, ETHER) });
  }
  return fill(size.blocks, size.commitments, (i) => {
    const { host, inferenceId } = requests[i]!;
    const { output, spans } = answer(random, texts);
    const data = calldata("attribution", "commitOutputs", commitArgs(host, inferenceId, output, spans));
    return wallets.sign(host, ATTRIBUTION_ADDRESS, 0n, data, 400_000n);
  });
}

/** Excerpts of eight contributions with the model's own words between them. */
function answer(
  random: (below: number) => number,
  texts: readonly { readonly id: bigint; readonly content: Uint8Array }[],
) {
  const output = words(random, OUTPUT_BYTES);
  const spans: Span[] = [];
  const first = random(texts.length);
  const part = OUTPUT_BYTES / SPANS;
  for (let i = 0; i < SPANS; i++) {
    const { id, content } = texts[(first + i) % texts.length]!;
    const outputStart = boundaryFrom(output, i * part);
    const outputEnd = boundaryFrom(output, i * part + 48);
    const length = outputEnd - outputStart;
    const contentOffset = boundaryFrom(content, random(content.length - 2 * part));
    output.set(content.subarray(contentOffset, contentOffset + length), outputStart);
    // A cut word in the excerpt's end may run into the next one: blanks on both sides make it a boundary.
    output[outputStart === 0 ? 0 : outputStart - 1] = 0x20;
    output[outputEnd] = 0x20;
    spans.push({ outputStart, length, contribution: id, contentOffset: BigInt(contentOffset) });
  }
  return { output, spans };
}

/** What the preparation left, for another state to begin with. */
export function accountsOf({ layer }: World): BenchAccount[] {
  const accounts: BenchAccount[] = [];
  for (const [key, account] of layer.accounts) {
    if (account === undefined) continue;
    const slots = [...(layer.storages.get(key)?.slots ?? [])].filter(([, value]) => value.length > 0);
    const code = layer.code(account.codeHash);
    accounts.push({
      address: keyBytes(key),
      nonce: code.length === 0 ? 0n : account.nonce, // preparation was calls, the blocks' transactions count from 0
      balance: account.balance,
      code,
      storage: slots.map(([slot, value]) => [keyBytes(slot), value] as const),
    });
  }
  return accounts;
}
