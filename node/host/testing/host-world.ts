/**
 * For tests of a host: a real chain in memory with a Datanet and a model, its JSON-RPC over HTTP, and blocks that come
 * when they are told, at the time that they are told.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Abi,
  createPublicClient,
  decodeEventLog,
  encodeAbiParameters,
  encodeFunctionData,
  http,
  keccak256,
} from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { accountSigner } from "../../../attribution/answer.ts";
import { AnswerLog } from "../../../attribution/answer-log.ts";
import { AUDIENCES, type Audience } from "../../../attribution/chain-reader.ts";
import { ContentStore } from "../../../attribution/content-store.ts";
import { createModelHost, type ModelHost } from "../../../attribution/model-host.ts";
import { textPrompt } from "../../../attribution/prompt.ts";
import { viemChainReader } from "../../../attribution/viem-chain-reader.ts";
import { ATTRIBUTION_ADDRESS, DATANET_ADDRESS, MODELS_ADDRESS } from "../../../core/addresses.ts";
import { bytesToHex, type Hex, hexToBytes } from "../../../core/bytes.ts";
import { contentRoot } from "../../../core/content.ts";
import { Mempool } from "../../../execution/mempool.ts";
import { KEYS } from "../../../execution/testing/world.ts";
import { decodeTransaction } from "../../../execution/tx/decode.ts";
import { attributionAbi } from "../../../precompiles/interfaces/attribution.abi.ts";
import { datanetAbi } from "../../../precompiles/interfaces/datanet.abi.ts";
import { modelsAbi } from "../../../precompiles/interfaces/models.abi.ts";
import { PRECOMPILES } from "../../../precompiles/table.ts";
import { Chain } from "../../chain.ts";
import { systemClock } from "../../ports.ts";
import { LocalPool } from "../../rpc/pool.ts";
import { createRpc } from "../../rpc/rpc.ts";
import { startRpcServer } from "../../rpc/server.ts";
import { Calls } from "../../runner/calls.ts";
import { extend, FakeStore, rich, signed, testGenesis, testLog } from "../../testing/world.ts";
import type { BatchRules } from "../book.ts";
import { viemHostChain } from "../chain.ts";
import { HostLoop } from "../loop.ts";
import { Sender, type SenderParts } from "../sender.ts";
import { stakeAdmission } from "../stake-admission.ts";

/** Indices of accounts. */
export const [OWNER, CONTRIBUTOR, PAYER, HOST, DEMANDER] = [0, 1, 2, 3, 4] as const;
export const HOST_ACCOUNT = privateKeyToAccount(bytesToHex(KEYS[HOST]!));
const PRECOMPILE = {
  datanet: { address: DATANET_ADDRESS, abi: datanetAbi as Abi },
  models: { address: MODELS_ADDRESS, abi: modelsAbi as Abi },
  attribution: { address: ATTRIBUTION_ADDRESS, abi: attributionAbi as Abi },
};
const SALT: Hex = `0x${"5a".repeat(32)}`;
const LICENCE = 7;
export const ESCROW_WEI = 10n ** 16n;
export const WINDOW_SECONDS = 16;
const TEXT = "the quick brown fox jumps over the lazy dog near the quiet river bank today, and the old mill. ";

export interface Running {
  readonly modelHost: ModelHost;
  readonly loop: HostLoop;
  readonly sender: Sender;
  readonly lines: ReturnType<typeof testLog>["lines"];
  /** As a kill: nothing is waited for. */
  kill(): void;
  stop(): Promise<void>;
}

export class HostWorld {
  readonly chain: Chain;
  readonly mempool: Mempool;
  readonly directory: string;
  readonly content: ContentStore;
  readonly url: string;
  readonly client: ReturnType<typeof createPublicClient>;
  modelId = 1n;
  readonly #closers: (() => unknown)[];
  #prompts = 0;
  /** Of the host that was started last. */
  #lines: readonly object[] = [];

  private constructor(parts: {
    chain: Chain;
    mempool: Mempool;
    directory: string;
    content: ContentStore;
    url: string;
    closers: (() => unknown)[];
  }) {
    this.chain = parts.chain;
    this.mempool = parts.mempool;
    this.directory = parts.directory;
    this.content = parts.content;
    this.url = parts.url;
    this.client = createPublicClient({ transport: http(parts.url, { retryCount: 0 }), pollingInterval: 20 });
    this.#closers = parts.closers;
  }

  /** A model on three contributions, and its host with a stake. */
  static async open(stakeWei = 10n ** 18n): Promise<HostWorld> {
    const genesis = testGenesis(
      [0, 1, 2, 3, 4].map((index) => rich(index, { balance: 10n ** 21n })),
      { gasLimit: 30_000_000n },
    );
    const chain = await Chain.open(new FakeStore(), genesis, PRECOMPILES);
    const { log } = testLog();
    const mempool = new Mempool({ next: chain.nextBlock });
    const rpc = createRpc({
      chain,
      pool: new LocalPool(mempool, (tx) => mempool.add(tx, chain.headState, 0)),
      decode: decodeTransaction,
      runner: new Calls(chain, PRECOMPILES),
      clientVersion: "openledger/test",
      // The present is the last block's second: gas is estimated at it.
      now: () => Number(chain.headBlock.header.timestamp) * 1_000,
      log,
    });
    const listener = { address: "127.0.0.1", port: 0 };
    const server = await startRpcServer({ rpc, listener, access: { vhosts: [], origins: [] }, log });
    const directory = await mkdtemp(join(tmpdir(), "host-"));
    const content = await ContentStore.open(join(directory, "content"));
    const url = `http://127.0.0.1:${server.port}`;
    const closers = [() => rpc.close(), () => server.close(), () => rm(directory, { recursive: true })];
    const world = new HostWorld({ chain, mempool, directory, content, url, closers });
    await world.#found(stakeWei);
    return world;
  }

  async close(): Promise<void> {
    for (const close of this.#closers) await close();
  }

  get timestamp(): bigint {
    return this.chain.headBlock.header.timestamp;
  }

  /** A block with what waits. */
  async block(seconds = 1): Promise<void> {
    const { chain, mempool } = this;
    const candidates = mempool.candidates(chain.nextBlock.baseFeePerGas);
    const { block } = await extend(chain, candidates, this.timestamp + BigInt(seconds));
    mempool.removeMined(block, chain.headState, chain.nextBlock, 0);
  }

  /** Makes blocks, as long as transactions come, until it is so. Throws when it does not become so. */
  async until(isSo: () => boolean | Promise<boolean>, seconds = 0): Promise<void> {
    for (let i = 0; i < 500; i++) {
      if (await isSo()) return;
      if (this.mempool.counts.pending > 0) await this.block(seconds);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const lines = this.#lines.map((line) => JSON.stringify(line)).join("\n");
    throw new Error(`it does not become so; ${JSON.stringify(this.mempool.counts)}\n${lines}`);
  }

  /** A block with this call of the account with that index; what waits stays. Throws when it reverts. */
  async call(account: number, to: keyof typeof PRECOMPILE, functionName: string, args: readonly unknown[], value = 0n) {
    const { address, abi } = PRECOMPILE[to];
    const data = hexToBytes(encodeFunctionData({ abi, functionName, args }));
    const nonce = this.chain.headState.account(addressOfAccount(account))?.nonce ?? 0n;
    const tx = signed(account, nonce, { to: address, data, value, gasLimit: 3_000_000n });
    const { block } = await extend(this.chain, [tx], this.timestamp);
    this.mempool.removeMined(block, this.chain.headState, this.chain.nextBlock, 0);
    const [receipt] = block.receipts;
    if (receipt?.status !== 1) throw new Error(`${functionName} failed`);
    return receipt.logs.map(({ topics, data: logData }) =>
      decodeEventLog({ abi, topics: topics.map(bytesToHex) as [Hex], data: bytesToHex(logData) }),
    );
  }

  /** An inference of its own prompt that is paid for. */
  async request(audience: Audience = "public"): Promise<{ readonly id: bigint; readonly prompt: string }> {
    const prompt = `prompt ${++this.#prompts}: the quick`;
    const { bytes } = textPrompt(prompt);
    const args = [
      this.modelId,
      HOST_ACCOUNT.address,
      bytesToHex(contentRoot(bytes)),
      bytes.length,
      AUDIENCES.indexOf(audience),
    ];
    const [event] = await this.call(PAYER, "attribution", "requestInference", args, ESCROW_WEI);
    return { id: (event!.args as unknown as { inferenceId: bigint }).inferenceId, prompt };
  }

  async stateOf(id: bigint) {
    return (await viemChainReader(this.client).inference(id))?.state;
  }

  answers(): Promise<AnswerLog> {
    return AnswerLog.open(join(this.directory, "answers"), this.chain.chainId);
  }

  /** A host on this world's directory, as a process that starts. */
  async start(
    rules: Partial<BatchRules> = {},
    sending: Partial<SenderParts> = {},
    maxUnsettled = 100,
  ): Promise<Running> {
    const { log, lines } = testLog();
    this.#lines = lines;
    const { client, content } = this;
    const chain = viemChainReader(client);
    const clock = systemClock;
    const sender = new Sender({ client, account: HOST_ACCOUNT, clock, log, pollMs: 10, ...sending });
    const answers = await this.answers();
    const loop = new HostLoop({
      chain,
      hostChain: viemHostChain(client),
      answers,
      content,
      sender,
      clock,
      log,
      rules: { size: 10, waitMs: 50, maxBytes: 96 * 1024, hurrySeconds: 30n, ...rules },
      keepClosed: 10,
      pollMs: 10,
    });
    await loop.recover();
    loop.start();
    const admission = stakeAdmission(chain, HOST_ACCOUNT.address.toLowerCase() as Hex, loop, maxUnsettled);
    const modelHost = createModelHost({ chain, content, signer: accountSigner(HOST_ACCOUNT), answers, admission });
    const stop = async () => {
      modelHost.close();
      await loop.stop();
    };
    this.#closers.unshift(stop);
    return { modelHost, loop, sender, lines, kill: () => void stop(), stop };
  }

  async #found(stakeWei: bigint): Promise<void> {
    await this.call(OWNER, "datanet", "createDatanet", ["Net", "language", "", 0, LICENCE, 0, 0n]);
    for (let i = 1; i <= 3; i++) {
      const bytes = new TextEncoder().encode(`${i}. ${TEXT.repeat(i * 4)}`);
      const { root } = await this.content.put(bytes);
      const contributor = addressHex(CONTRIBUTOR);
      const commitment = keccak256(
        encodeAbiParameters(
          [{ type: "uint256" }, { type: "address" }, { type: "bytes32" }, { type: "bytes32" }],
          [1n, contributor, root, SALT],
        ),
      );
      await this.call(CONTRIBUTOR, "datanet", "commitContribution", [1n, commitment]);
      await this.call(CONTRIBUTOR, "datanet", "submitContribution", [
        1n,
        root,
        BigInt(bytes.length),
        "",
        LICENCE,
        [],
        SALT,
      ]);
      await this.call(OWNER, "datanet", "acceptContribution", [BigInt(i), 9_000]);
    }
    await this.call(OWNER, "datanet", "publishVersion", [1n]);
    const model = {
      kind: 0,
      parent: 0n,
      name: "Model",
      metadataURI: "",
      artifactHash: SALT,
      configHash: SALT,
      licence: LICENCE,
      data: [{ datanetId: 1n, version: 1 }],
      requestPrice: 10n ** 12n,
      outputPrice: 10n ** 13n,
      royaltyPpm: 0,
      hostPpm: 500_000,
    };
    await this.call(OWNER, "models", "registerModel", [model]);
    if (stakeWei > 0n) await this.call(HOST, "attribution", "depositStake", [], stakeWei);
    await this.call(HOST, "models", "joinAsHost", [this.modelId, "http://127.0.0.1"]);
  }
}

const addressHex = (account: number): Hex => privateKeyToAccount(bytesToHex(KEYS[account]!)).address;
const addressOfAccount = (account: number): Uint8Array => hexToBytes(addressHex(account));
