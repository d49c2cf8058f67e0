/**
 * This node's block executor as a side of the attribution benchmark. A world has the state before the first block, and
 * runs each batch once to know its root, gas and slots; a process of its own imports the blocks.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { toFunctionSelector } from "viem";
import { ATTRIBUTION_ADDRESS } from "../core/addresses.ts";
import { concatBytes, equalsBytes, type Hex, hexToBytes } from "../core/bytes.ts";
import { decodeBlock } from "../execution/block/block-codec.ts";
import { type ChainRules, DEFAULT_RULES } from "../execution/rules.ts";
import { bytesKey } from "../execution/state/keys.ts";
import { createdAddress } from "../execution/tx/derive.ts";
import { signTransaction } from "../execution/tx/sign.ts";
import { contribute, createDatanet, registerModel, request } from "../test/helpers/precompile-story.ts";
import { type Actor, actor, CHAIN_ID, ETHER, type Outcome, World } from "../test/helpers/precompile-world.ts";
import { createPeer } from "./attribution-peer.ts";
import { type BenchSide, BLOCK_GAS_LIMIT, GAS_LIMIT, TRANSACTION_GAS } from "./attribution-side.ts";
import {
  type AttributionWorkload,
  AUDIENCE_CODE,
  COMMIT_WINDOW_SECONDS,
  calldataGas,
  MIN_SPAN_BYTES,
  MODEL,
  REQUEST_BYTES,
} from "./attribution-workload.ts";
import { OurExecutor } from "./execution-ours.ts";
import type { Answer, Command } from "./execution-side.ts";
import { accountsOf } from "./execution-workloads.ts";

const rules: ChainRules = { ...DEFAULT_RULES, chainId: BigInt(CHAIN_ID), gasLimit: BLOCK_GAS_LIMIT };

/** Where batches are committed, in a world where everything before is done. */
interface Target {
  readonly name: string;
  readonly world: World;
  readonly address: Uint8Array;
  /** Of the function that gives a batch's root. */
  readonly rootSelector: Hex;
  readonly requestGas: bigint;
}

/** The precompile, with Datanet and model registered as everybody does it. */
export async function preparePrecompile(workload: AttributionWorkload): Promise<Target> {
  const { contents, hosts, payer, requests } = workload;
  const world = await MeteredWorld.open();
  const [owner, contributor] = [actor("owner"), actor("contributor")];
  for (const { address } of [owner, contributor, payer, ...hosts]) await world.fund(address);
  const datanetId = await createDatanet(world, owner);
  for (const content of contents) await contribute(world, owner, contributor, datanetId, content);
  await world.must(owner, "datanet", "publishVersion", [datanetId]);
  const modelId = await registerModel(world, owner, { ...MODEL, data: [{ datanetId, version: 1 }] });
  for (const host of hosts) {
    await world.must(host, "models", "joinAsHost", [modelId, ""]);
    await world.must(host, "attribution", "depositStake", [], { value: 1_000n * ETHER });
  }
  for (const { host, audience } of requests) {
    const options = { audience: AUDIENCE_CODE[audience], requestBytes: REQUEST_BYTES };
    await request(world, payer, host, modelId, ETHER, options);
  }
  const rootSelector = toFunctionSelector("batchRoot(uint256)");
  const requestGas = world.lastGas;
  return { name: "precompile", world, address: ATTRIBUTION_ADDRESS, rootSelector, requestGas };
}

/** The Solidity peer on this node's EVM. */
export async function preparePeerHere(workload: AttributionWorkload): Promise<Target> {
  const world = await MeteredWorld.open();
  const deployer = actor("deployer");
  const actors = [deployer, workload.payer, ...workload.hosts];
  for (const { address } of actors) await world.fund(address);
  const byAddress = new Map(actors.map((one) => [one.hex, one] as const));
  const { init, setUp, requests } = createPeer("AttributionPeer", workload);
  const address = createdAddress(deployer.address, 0n);
  succeeded(await world.raw(deployer.address, undefined, hexToBytes(init)));
  for (const { from, data, value } of [...setUp, ...requests]) {
    succeeded(await world.raw(byAddress.get(from)!.address, address, hexToBytes(data), { value }));
  }
  const rootSelector = toFunctionSelector("batches(uint256)");
  return { name: "solidity-here", world, address, rootSelector, requestGas: world.lastGas };
}

export async function openNodeSide(target: Target, directory: string): Promise<BenchSide> {
  const { name, world, address, requestGas } = target;
  const genesis = { accounts: accountsOf(world), number: world.number, timestamp: world.timestamp };
  const builder = await OurExecutor.open(join(directory, `${name}-builder`), rules, genesis);
  const importer = fork(fileURLToPath(new URL("execution-side.ts", import.meta.url)), { serialization: "advanced" });
  await ask(importer, { open: "ours", directory: join(directory, name), rules, genesis });
  const nonces = new Map<Hex, bigint>();
  const sign = (from: Actor, data: Uint8Array): Uint8Array => {
    const nonce = nonces.get(from.hex) ?? 0n;
    nonces.set(from.hex, nonce + 1n);
    return signCommitment(from, nonce, address, data);
  };
  return {
    name,
    requestGas,
    async run(batches) {
      let executionGas = 0n;
      let slots = 0;
      for (const { host, data, root } of batches) {
        const before = new Map(slotsOf(target));
        const outcome = succeeded(await world.raw(host.address, address, data));
        executionGas += outcome.gasUsed;
        slots += changedSlots(before, slotsOf(target));
        const view = concatBytes(hexToBytes(target.rootSelector), hexToBytes(outcome.output));
        const kept = succeeded(await world.raw(host.address, address, view)).output;
        if (kept !== root) throw new Error(`${name} keeps ${kept} instead of ${root}`);
      }
      const raw = await builder.assemble(batches.map(({ host, data }) => sign(host, data)));
      const expected = batches.reduce((gas, { data }) => gas + TRANSACTION_GAS + calldataGas(data), executionGas);
      requireGasUsed(raw, expected);
      await builder.import(raw);
      const { stateRoot, wallMs, cpuMs } = await ask(importer, { import: raw });
      if (!equalsBytes(stateRoot, builder.stateRoot)) throw new Error(`state roots of ${name} differ`);
      return { wallMs, cpuMs, executionGas, slots };
    },
    async close() {
      const ended = once(importer, "exit");
      importer.send("close" satisfies Command);
      await ended;
      await builder.close();
    },
  };
}

class MeteredWorld extends World {
  lastGas = 0n;

  static open(): Promise<MeteredWorld> {
    return World.prepare(new MeteredWorld(), {
      minSpanBytes: BigInt(MIN_SPAN_BYTES),
      commitWindowSeconds: COMMIT_WINDOW_SECONDS,
    });
  }

  override async raw(...args: Parameters<World["raw"]>): Promise<Outcome> {
    const outcome = await super.raw(...args);
    this.lastGas = outcome.gasUsed;
    return outcome;
  }
}

function succeeded(outcome: Outcome): Outcome & { readonly ok: true } {
  if (!outcome.ok) throw new Error(`a call of the benchmark fails: ${outcome.error ?? outcome.halt}`);
  return outcome;
}

/** The block costs what the world said: it did the same. */
function requireGasUsed(raw: Uint8Array, expected: bigint): void {
  const decoded = decodeBlock(raw, rules.chainId);
  const gasUsed = decoded.ok ? decoded.block.header.gasUsed : undefined;
  if (gasUsed !== expected) throw new Error(`a block uses ${gasUsed} gas instead of ${expected}`);
}

async function ask(importer: ChildProcess, command: Command): Promise<Answer> {
  const answered = once(importer, "message");
  importer.send(command);
  const [answer] = await answered;
  return answer as Answer;
}

const signCommitment = (from: Actor, nonce: bigint, to: Uint8Array, data: Uint8Array): Uint8Array =>
  signTransaction(
    {
      type: 2,
      chainId: BigInt(CHAIN_ID),
      nonce,
      maxPriorityFeePerGas: 1_000n,
      maxFeePerGas: 10n ** 12n,
      gasLimit: GAS_LIMIT,
      to,
      value: 0n,
      data,
      accessList: [],
      authorizationList: [],
    },
    from.key,
  );

const slotsOf = ({ world, address }: Target): ReadonlyMap<string, Uint8Array> =>
  world.layer.storages.get(bytesKey(address))?.slots ?? new Map();

function changedSlots(before: ReadonlyMap<string, Uint8Array>, after: ReadonlyMap<string, Uint8Array>): number {
  let changed = 0;
  for (const [slot, value] of after) {
    const old = before.get(slot);
    if (old === undefined || !equalsBytes(old, value)) changed++;
  }
  return changed;
}
