/** A small L2 on a real L1: an inbox, a portal that emits what it is told to, and validators whose keys are here. */
import { type Address, encodeAbiParameters, hexToBytes as fromHex, type Hex, numberToHex, toHex } from "viem";
import { DEPOSITED_TOPIC } from "../../bridge/deposit.ts";
import { chooseOrigin, MAX_ORIGIN_ADVANCE } from "../../bridge/derivation.ts";
import { outputRoot } from "../../bridge/output.ts";
import { bitmapOf } from "../../consensus/certificates.ts";
import { encodeCertificate } from "../../consensus/codec.ts";
import { voteDigest } from "../../consensus/scheme.ts";
import { baseView, KIND, type Subject } from "../../consensus/types.ts";
import inboxArtifact from "../../contracts/artifacts/BatchInbox.json" with { type: "json" };
import { blsAggregate, blsSign } from "../../core/bls.ts";
import { bytesToHex } from "../../core/bytes.ts";
import type { Transaction } from "../../core/chain.ts";
import { validatorSet } from "../../core/validators.ts";
import { readL1FeeScalars, readL1Origin } from "../../execution/block/l1-origin.ts";
import { memoryStore } from "../../execution/state/memory-store.ts";
import { COINBASE } from "../../execution/testing/world.ts";
import type { L1Parameters } from "../../genesis/l1.ts";
import type { Genesis } from "../../genesis/schema.ts";
import { testValidator } from "../../genesis/testing/validators.ts";
import { Chain } from "../../node/chain.ts";
import { buildGenesisBlock } from "../../node/genesis-block.ts";
import type { BatchRules } from "../../node/l1/batch-rules.ts";
import { L1Client } from "../../node/l1/client.ts";
import { deploy } from "../../node/l1/deploy.ts";
import { type DeploymentSettings, planDeployment } from "../../node/l1/deployment-plan.ts";
import type { BlobSource, PostSources } from "../../node/l1/posts.ts";
import { SafeHead } from "../../node/l1/safe-head.ts";
import { L1Watcher } from "../../node/l1/watcher.ts";
import { TEST_SCHEME } from "../../node/testing/node.ts";
import { FakeClock, FakeStore, rich, testGenesis, testLog } from "../../node/testing/world.ts";
import { PRECOMPILES } from "../../precompiles/table.ts";
import { ANVIL_ACCOUNTS, type Anvil, deployContract, startAnvil } from "./anvil.ts";
import { deployEmitter, emit } from "./l1-emitter.ts";

export const EPOCH_BLOCKS = 20;
export const L1_CHAIN_ID = 31_337n;
export const VALIDATORS = Array.from({ length: 4 }, (_, index) => testValidator(index));
const word = (value: number | bigint) => numberToHex(value, { size: 32 });

export interface TestL1 {
  readonly anvil: Anvil;
  readonly portal: Address;
  readonly inbox: Address;
  readonly genesis: Genesis;
  readonly l1: L1Parameters;
  /** In a block of its own. */
  deposit(mintWei: number): Promise<unknown>;
  mine(blocks?: number): Promise<void>;
  reorg(depth: number): Promise<unknown>;
}

/** With an inbox, and a portal that emits what it is told to. */
export async function testL1(): Promise<TestL1> {
  const anvil = await startAnvil(ANVIL_OPTIONS);
  const portal = await deployEmitter(anvil);
  const inbox = await deployContract(anvil.client, inboxArtifact as never);
  const origin = await anvil.client.getBlock();
  const address = (byte: number): Address => `0x${byte.toString(16).padStart(2, "0").repeat(20)}`;
  const unused = { registry: address(2), token: address(3), systemConfig: address(4) };
  const addresses = {
    ...unused,
    oracle: address(1),
    l1StandardBridge: address(5),
    l1Messenger: address(6),
    portal,
    inbox,
  };
  return worldOf(anvil, genesisOf(addresses, origin));
}

/** With everything that a network has on L1. */
export async function bridgedL1(): Promise<TestL1> {
  const anvil = await startAnvil(ANVIL_OPTIONS);
  const { client } = anvil;
  const plan = planDeployment(client.account.address, 0);
  const genesis = genesisOf(plan.addresses, await client.getBlock());
  const { header, hash } = buildGenesisBlock(genesis, memoryStore()).block;
  const l2 = { genesis, validators: VALIDATORS, outputRoot: outputRoot(header, hash) };
  await deploy(client, { plan, settings: SETTINGS, l2 });
  return worldOf(anvil, genesis);
}

const ANVIL_OPTIONS = { args: ["--slots-in-an-epoch", "1", "--timestamp", "1700000000"] };

/** The oracle takes any block that is two above its last. */
const SETTINGS: DeploymentSettings = {
  owner: ANVIL_ACCOUNTS[1]!.address,
  guardian: ANVIL_ACCOUNTS[2]!.address,
  timelockSeconds: 1_000n,
  finalizationSeconds: 100n,
  submissionInterval: 2n,
  l2BlockSeconds: 1n,
  releaseLimitWei: 10n ** 24n,
  releaseWindowSeconds: 86_400n,
  minimumStakeWei: 1n,
  evidenceSeconds: 200n,
  slashedPpm: 500_000,
  reporterPpm: 100_000,
  treasury: "0x000000000000000000000000000000000000dEaD",
};

const L1_NAMES = [
  "portal",
  "oracle",
  "inbox",
  "registry",
  "token",
  "systemConfig",
  "l1StandardBridge",
  "l1Messenger",
] as const;

function genesisOf(
  addresses: Readonly<Record<(typeof L1_NAMES)[number], Address>>,
  { number, hash, timestamp }: { readonly number: bigint; readonly hash: Hex; readonly timestamp: bigint },
): Genesis {
  const l1 = {
    ...(Object.fromEntries(L1_NAMES.map((name) => [name, fromHex(addresses[name])])) as Record<
      (typeof L1_NAMES)[number],
      Uint8Array
    >),
    chainId: L1_CHAIN_ID,
    origin: { number, hash: fromHex(hash), timestamp },
    finality: { depth: 2 },
    maxDriftSeconds: 100_000,
  };
  return testGenesis([rich(0), rich(1)], {
    timestamp,
    validators: validatorSet(
      VALIDATORS.map(({ address: of, publicKey, stake }) => ({ address: of, publicKey, stake })),
    ),
    consensus: { epochBlocks: EPOCH_BLOCKS },
    l1,
  });
}

function worldOf(anvil: Anvil, genesis: Genesis): TestL1 {
  const l1 = genesis.l1!;
  const portal = bytesToHex(l1.portal);
  return {
    anvil,
    portal,
    inbox: bytesToHex(l1.inbox),
    genesis,
    l1,
    deposit(mintWei) {
      const opaque = `0x${word(mintWei).slice(2)}${word(0).slice(2)}${toHex(50_000, { size: 8 }).slice(2)}00` as const;
      const topics = [bytesToHex(DEPOSITED_TOPIC), word(0xaa), word(0xbbbbbb), word(0)] as const;
      return emit(anvil, portal, topics, encodeAbiParameters([{ type: "bytes" }], [opaque]));
    },
    mine: (blocks = 1) => anvil.client.mine({ blocks }),
    reorg: (depth) => anvil.client.request({ method: "anvil_reorg", params: [depth, []] } as never),
  };
}

interface TestL2Options {
  readonly store?: FakeStore;
  readonly clock?: FakeClock;
  readonly url?: string;
  readonly blobs?: BlobSource;
}

/** What one node has of both chains. A second one on `store.copy()` is it after a restart. */
export class TestL2 {
  readonly world: TestL1;
  readonly chain: Chain;
  readonly store: FakeStore;
  readonly clock: FakeClock;
  readonly client: L1Client;
  readonly watcher: L1Watcher;
  readonly safeHead: SafeHead;
  readonly sources: PostSources;
  readonly rules: BatchRules;
  readonly log = testLog();
  readonly halts: Error[] = [];

  private constructor(
    world: TestL1,
    chain: Chain,
    store: FakeStore,
    clock: FakeClock,
    url: string,
    blobs: BlobSource | undefined,
  ) {
    const { l1, genesis } = world;
    const { log } = this.log;
    this.world = world;
    this.chain = chain;
    this.store = store;
    this.clock = clock;
    this.client = new L1Client({ urls: [url], chainId: L1_CHAIN_ID, clock, log });
    this.watcher = new L1Watcher({
      client: this.client,
      l1,
      store,
      clock,
      log,
      pollMs: 1_000,
      usedOrigin: () => readL1Origin(chain.headState),
      keepFrom: () => this.safeHead.keepFrom,
      onHalt: (error) => this.halts.push(error),
    });
    this.sources = { transactions: this.client, blobs, inbox: l1.inbox, log };
    this.rules = {
      epochBlocks: BigInt(EPOCH_BLOCKS),
      domain: { chainId: genesis.chainId, l1Contract: l1.oracle },
      scheme: TEST_SCHEME,
      setOf: (epoch) => chain.validatorSet(epoch),
    };
    this.safeHead = new SafeHead({
      chain,
      watcher: this.watcher,
      store,
      sources: this.sources,
      rules: this.rules,
      originNumber: l1.origin.number,
      log,
    });
  }

  static async open(
    world: TestL1,
    { store = new FakeStore(), clock = new FakeClock(), url = world.anvil.url, blobs }: TestL2Options = {},
  ): Promise<TestL2> {
    return new TestL2(world, await Chain.open(store, world.genesis, PRECOMPILES), store, clock, url, blobs);
  }

  /** Reads L1, and how far L2 is on it. */
  async follow(): Promise<void> {
    await this.watcher.poll();
    await this.safeHead.update();
  }

  /** Makes a block on the newest origin that it may have, and commits it; with a certificate unless told otherwise. */
  async extend(transactions: readonly Transaction[] = [], hasCertificate = true): Promise<void> {
    const { chain, watcher, world } = this;
    const parent = chain.headBlock;
    const origin = readL1Origin(chain.headState);
    const blocks = watcher.finalBlocks(origin.number, MAX_ORIGIN_ADVANCE + 1);
    const newest = blocks.at(-1)?.timestamp ?? 0n;
    const timestamp = newest > parent.header.timestamp ? newest : parent.header.timestamp + 1n;
    const { gasLimit, blockBytes } = chain.rules;
    const { maxDriftSeconds } = world.l1;
    const rules = { gasLimit, blockBytes, maxDriftSeconds, ...readL1FeeScalars(chain.headState) };
    const l1 = chooseOrigin({ parent: origin, blocks, timestamp, rules });
    const input = { candidates: transactions, timestamp, feeAddress: COINBASE, isOutOfTime: () => false, l1 };
    const { block } = await chain.proposeOn(parent.hash, input);
    await chain.commitThrough(
      block.hash,
      hasCertificate ? this.certificate(block.header.number, block.hash) : undefined,
    );
  }

  /** Of three of four validators. */
  certificate(number: bigint, block: Uint8Array, fields: Partial<Subject> = {}, signers = [0, 1, 3]): Uint8Array {
    const epoch = (Number(number) / EPOCH_BLOCKS) | 0;
    const view = baseView(epoch) + Number(number) + 1;
    const subject: Subject = { kind: KIND.finalize, epoch, view, parentView: view - 1, block, ...fields };
    const digest = voteDigest(this.rules.domain, this.chain.validatorSet(epoch)!.hash, subject);
    const signature = blsAggregate(signers.map((signer) => blsSign(VALIDATORS[signer]!.secretKey, digest)))!;
    return encodeCertificate({ ...subject, bitmap: bitmapOf(signers, VALIDATORS.length), signature });
  }
}
