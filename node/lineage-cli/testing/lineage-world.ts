/**
 * For tests of lineage: a real chain in memory with short epochs, changing validators and a certificate for every third
 * block, an index of it behind GraphQL, and inferences that were settled, voided, and left open.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Abi, encodeAbiParameters, encodeFunctionData, keccak256 } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { type AnswerCommitment, accountSigner } from "../../../attribution/answer.ts";
import { traceByDefinition } from "../../../attribution/trace-reference.ts";
import { bitmapOf } from "../../../consensus/certificates.ts";
import { encodeCertificate } from "../../../consensus/codec.ts";
import { voteDigest } from "../../../consensus/scheme.ts";
import { baseView, KIND, type VoteKind } from "../../../consensus/types.ts";
import { ATTRIBUTION_ADDRESS, DATANET_ADDRESS, MODELS_ADDRESS } from "../../../core/addresses.ts";
import { answerLeaf, batchProof } from "../../../core/answer-batch.ts";
import { blsAggregate, blsSign } from "../../../core/bls.ts";
import { bytesToHex, type Hex, hexToBytes } from "../../../core/bytes.ts";
import { contentRoot, contentTreeRoot } from "../../../core/content.ts";
import { licenceCode } from "../../../core/licences.ts";
import { type Span, spansHash } from "../../../core/span-rule.ts";
import { decodeValidators, encodeValidators, type ValidatorSet } from "../../../core/validators.ts";
import { Mempool } from "../../../execution/mempool.ts";
import { COINBASE, KEYS, SENDERS } from "../../../execution/testing/world.ts";
import { decodeTransaction } from "../../../execution/tx/decode.ts";
import devnet from "../../../genesis/networks/devnet.json" with { type: "json" };
import { type Genesis, parseGenesis } from "../../../genesis/schema.ts";
import { validatorJson, withValidators } from "../../../genesis/validators.ts";
import { createGraphqlServer } from "../../../indexer/server.ts";
import { createIndexer } from "../../../indexer/store.ts";
import { attributionAbi } from "../../../precompiles/interfaces/attribution.abi.ts";
import { datanetAbi } from "../../../precompiles/interfaces/datanet.abi.ts";
import { modelsAbi } from "../../../precompiles/interfaces/models.abi.ts";
import { PRECOMPILES } from "../../../precompiles/table.ts";
import { Chain } from "../../chain.ts";
import { OperationError } from "../../errors.ts";
import { openledger } from "../../rpc/methods/openledger.ts";
import { LocalPool } from "../../rpc/pool.ts";
import { createRpc, type Rpc } from "../../rpc/rpc.ts";
import { startRpcServer } from "../../rpc/server.ts";
import { Calls } from "../../runner/calls.ts";
import { FakeStore, signed, testLog } from "../../testing/world.ts";
import { devnetValidator, devnetValidatorKey } from "../../validator/devnet.ts";
import type { Ask } from "../endpoints.ts";

/** Indices of accounts. */
const [CURATOR, ALICE, BOB, PAYER, HOST] = [0, 1, 2, 3, 4] as const;
const PRECOMPILE = {
  datanet: { address: DATANET_ADDRESS, abi: datanetAbi as Abi },
  models: { address: MODELS_ADDRESS, abi: modelsAbi as Abi },
  attribution: { address: ATTRIBUTION_ADDRESS, abi: attributionAbi as Abi },
};
const SALT: Hex = `0x${"5a".repeat(32)}`;
const EPOCH_BLOCKS = 8;
/** Of a chain that is not short. */
const START_SECONDS = 1_700_000_000n;

export const validatorsOf = (...members: number[]): ValidatorSet =>
  decodeValidators(encodeValidators(members.map((index) => devnetValidator(index))));
/** Members by epoch; the last of these stays. */
const MEMBERS: readonly (readonly number[])[] = [[0], [0, 1], [0, 1], [1, 2, 3]];

/** JSON of a genesis file. */
export const GENESIS = {
  ...withValidators(devnet, MEMBERS[0]!.map(devnetValidator)),
  timestamp: Number(START_SECONDS),
  consensus: { epochBlocks: EPOCH_BLOCKS },
  validatorChanges: [1, 3].map((epoch) => ({
    block: (epoch - 1) * EPOCH_BLOCKS + 4,
    validators: MEMBERS[epoch]!.map((index) => validatorJson(devnetValidator(index))),
  })),
  alloc: Object.fromEntries(SENDERS.map((address) => [bytesToHex(address), { balance: String(10n ** 21n) }])),
};

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
export const TEXTS = [
  "the quick brown fox jumps over the lazy dog near the quiet river bank today",
  "the lazy dog near the quiet river bank today sleeps under an old willow tree",
  "in the beginning the universe was created, and many were angry about it",
].map(utf8);
/** Overlapping passages of all three, and words of nobody's. */
export const OUTPUT = utf8(
  "Once upon a time the quick brown fox jumps over the lazy dog near the quiet river bank today sleeps under an old willow tree; in the beginning the universe was created. The end.\n",
);

const REQUEST = utf8("tell me a tale");

interface Forged {
  readonly members?: readonly number[];
  /** As many places of the set as there are here. */
  readonly signers?: readonly number[];
  readonly kind?: VoteKind;
}

export interface Answered {
  readonly id: bigint;
  readonly output: Uint8Array;
  readonly spans: readonly Span[];
}

export class LineageWorld {
  readonly genesis: Genesis;
  readonly chain: Chain;
  readonly rpc: Rpc;
  readonly ask: Ask;
  readonly #nonces = new Map<number, bigint>();
  readonly #closers: (() => unknown)[] = [];
  #time = START_SECONDS;

  private constructor(genesis: Genesis, chain: Chain) {
    this.genesis = genesis;
    this.chain = chain;
    const mempool = new Mempool({ next: chain.nextBlock });
    this.rpc = createRpc({
      chain,
      pool: new LocalPool(mempool, (tx) => mempool.add(tx, chain.headState, 0)),
      decode: decodeTransaction,
      runner: new Calls(chain, PRECOMPILES),
      clientVersion: "openledger/test",
      methods: openledger({
        chain,
        epochBlocks: EPOCH_BLOCKS,
        certificateFrom: (number) => chain.certificateFrom(number),
      }),
      log: testLog().log,
    });
    const session = this.rpc.openSession();
    this.ask = async (method, params) => {
      const answer = await this.rpc.handle({ jsonrpc: "2.0", id: 1, method, params }, session);
      if (answer === undefined || "error" in answer) throw new OperationError(JSON.stringify(answer?.error));
      // As over a wire: nobody shares memory with the chain.
      return JSON.parse(JSON.stringify(answer.result));
    };
    this.#closers.push(() => this.rpc.close());
  }

  static async open(): Promise<LineageWorld> {
    const genesis = parseGenesis(GENESIS);
    return new LineageWorld(genesis, await Chain.open(new FakeStore(), genesis, PRECOMPILES));
  }

  async close(): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) await close();
  }

  /** A block that holds the transactions; certified when its number is a multiple of three or ends an epoch. */
  async #extend(transactions: readonly ReturnType<typeof signed>[], seconds = 1n) {
    this.#time += seconds;
    const { block } = await this.chain.propose({
      candidates: transactions,
      timestamp: this.#time,
      feeAddress: COINBASE,
      isOutOfTime: () => false,
    });
    const number = Number(block.header.number);
    const isCertified = number % 3 === 0 || (number + 1) % EPOCH_BLOCKS === 0;
    await this.chain.commitThrough(block.hash, isCertified ? this.certificate(number, block.hash) : undefined);
    return block;
  }

  /** By all validators of the block's epoch and to its end, where nothing else is said. `signers`: of the members. */
  certificate(number: number, block: Uint8Array, forged: Forged = {}): Uint8Array {
    const epoch = Math.floor(number / EPOCH_BLOCKS);
    const { members = MEMBERS[Math.min(epoch, MEMBERS.length - 1)]!, kind = KIND.finalize } = forged;
    const { signers = members } = forged;
    const view = baseView(epoch) + number + 2;
    const subject = { kind, epoch, view, parentView: view - 1, block };
    const domain = { chainId: this.genesis.chainId, l1Contract: new Uint8Array(20) };
    const digest = voteDigest(domain, validatorsOf(...members).hash, subject);
    const signature = blsAggregate(signers.map((index) => blsSign(devnetValidatorKey(index), digest)))!;
    const bitmap = bitmapOf(signers.keys(), members.length);
    return encodeCertificate({ ...subject, bitmap, signature });
  }

  /** Empty blocks. */
  async idle(blocks: number): Promise<void> {
    for (let i = 0; i < blocks; i++) await this.#extend([]);
  }

  /** A block with this call. Throws when it reverts. */
  async send(
    account: number,
    precompile: keyof typeof PRECOMPILE,
    functionName: string,
    args: readonly unknown[],
    { value = 0n, seconds = 1n } = {},
  ): Promise<void> {
    const { address, abi } = PRECOMPILE[precompile];
    const nonce = this.#nonces.get(account) ?? 0n;
    this.#nonces.set(account, nonce + 1n);
    const data = hexToBytes(encodeFunctionData({ abi, functionName, args }));
    const block = await this.#extend(
      [signed(account, nonce, { to: address, data, value, gasLimit: 10_000_000n })],
      seconds,
    );
    if (block.receipts[0]?.status !== 1) throw new Error(`${functionName} failed`);
  }

  async createDatanet(name: string): Promise<void> {
    const args = [name, "language", "https://example.org/net", 0, licenceCode("CC-BY-4.0"), 0, 0n];
    await this.send(CURATOR, "datanet", "createDatanet", args);
  }

  async contribute(
    account: number,
    {
      id,
      datanet,
      content,
      licence,
      parents = [],
    }: {
      readonly id: bigint;
      readonly datanet: bigint;
      readonly content: Uint8Array;
      readonly licence: string;
      readonly parents?: readonly bigint[];
    },
  ): Promise<void> {
    const root = bytesToHex(contentRoot(content));
    const hidden = keccak256(
      encodeAbiParameters(
        [{ type: "uint256" }, { type: "address" }, { type: "bytes32" }, { type: "bytes32" }],
        [datanet, bytesToHex(SENDERS[account]!), root, SALT],
      ),
    );
    await this.send(account, "datanet", "commitContribution", [datanet, hidden]);
    const uri = `https://example.org/${id}`;
    const args = [datanet, root, BigInt(content.length), uri, licenceCode(licence), parents, SALT];
    await this.send(account, "datanet", "submitContribution", args);
    await this.send(CURATOR, "datanet", "acceptContribution", [id, 9_000]);
  }

  async register(account: number, model: { parent: bigint; name: string; datanet: bigint }): Promise<void> {
    const params = {
      kind: model.parent === 0n ? 0 : 1,
      parent: model.parent,
      name: model.name,
      metadataURI: "https://example.org/model",
      artifactHash: keccak256(bytesToHex(utf8(model.name))),
      configHash: keccak256("0x02"),
      licence: licenceCode("CC-BY-4.0"),
      data: [{ datanetId: model.datanet, version: 1 }],
      requestPrice: 10n ** 12n,
      outputPrice: 10n ** 15n,
      royaltyPpm: 100_000,
      hostPpm: 400_000,
    };
    await this.send(account, "models", "registerModel", [params]);
  }

  async request(audience: 0 | 1): Promise<void> {
    const args = [2n, bytesToHex(SENDERS[HOST]!), this.#requestRoot, REQUEST.length, audience];
    await this.send(PAYER, "attribution", "requestInference", args, { value: 10n ** 17n });
  }

  readonly #requestRoot = bytesToHex(contentRoot(REQUEST));

  #spansOf(output: Uint8Array): Span[] {
    return traceByDefinition(
      TEXTS.map((bytes, i) => ({ id: BigInt(i + 1), bytes })),
      output,
      Number(this.genesis.parameters.minSpanBytes),
    );
  }

  #commitment({ id, output, spans }: Answered): AnswerCommitment {
    return {
      inferenceId: id,
      requestRoot: this.#requestRoot,
      outputRoot: bytesToHex(contentRoot(output)),
      outputBytes: output.length,
      spansHash: bytesToHex(spansHash(spans)),
    };
  }

  #sign(answer: Answered): Promise<Hex> {
    const signer = accountSigner(privateKeyToAccount(bytesToHex(KEYS[HOST]!)));
    return signer.sign(this.genesis.chainId, this.#commitment(answer));
  }

  /** All in one batch. */
  async commit(
    asked: readonly {
      readonly id: bigint;
      readonly output: Uint8Array;
      readonly isPrivate?: boolean;
      /** In place of those of the rule. */
      readonly spans?: readonly Span[];
    }[],
  ): Promise<Answered[]> {
    const answers = asked.map(({ id, output, spans }) => ({ id, output, spans: spans ?? this.#spansOf(output) }));
    const items = [];
    for (const [i, answer] of answers.entries()) {
      const { inferenceId, outputRoot, outputBytes } = this.#commitment(answer);
      const output = bytesToHex(asked[i]!.isPrivate ? contentTreeRoot(answer.output) : answer.output);
      const { spans } = answer;
      items.push({ inferenceId, outputRoot, outputBytes, output, spans, signature: await this.#sign(answer) });
    }
    await this.send(HOST, "attribution", "commitOutputs", [items]);
    return answers;
  }

  /** As it is brought again, with the siblings in the batch of `answers`. */
  claim(answers: readonly Answered[], index: number) {
    const leaves = answers.map((answer) => {
      const { inferenceId, outputRoot, outputBytes, spansHash: hash } = this.#commitment(answer);
      return answerLeaf({
        inferenceId,
        outputRoot: hexToBytes(outputRoot),
        outputBytes,
        spansHash: hexToBytes(hash),
      });
    });
    const { inferenceId, outputRoot, outputBytes } = this.#commitment(answers[index]!);
    const proof = batchProof(leaves, index).map(bytesToHex);
    return { inferenceId, outputRoot, outputBytes, spans: answers[index]!.spans, proof };
  }

  /** Two Datanets, a model and one made of it, and a host. */
  async openMarket(): Promise<void> {
    await this.createDatanet("Tales");
    await this.createDatanet("Openings");
    await this.contribute(ALICE, { id: 1n, datanet: 1n, content: TEXTS[0]!, licence: "CC0-1.0" });
    await this.contribute(BOB, { id: 2n, datanet: 1n, content: TEXTS[1]!, licence: "MIT", parents: [1n] });
    await this.contribute(BOB, { id: 3n, datanet: 2n, content: TEXTS[2]!, licence: "CC-BY-4.0" });
    for (const datanet of [1n, 2n]) await this.send(CURATOR, "datanet", "publishVersion", [datanet]);
    await this.register(ALICE, { parent: 0n, name: "Base", datanet: 1n });
    await this.register(BOB, { parent: 1n, name: "Tuned", datanet: 2n });
    await this.send(HOST, "attribution", "depositStake", [], { value: 10n ** 18n });
    await this.send(HOST, "models", "joinAsHost", [2n, "https://example.org/host"]);
  }

  /** Outputs 1 and 2: settled, the same bytes, public and private. 3: void. 4: expired. 5: committed. 6: requested. 7: private, and a lie. */
  async tell(): Promise<void> {
    await this.openMarket();
    for (const audience of [0, 1, 0] as const) await this.request(audience);
    const first = await this.commit([
      { id: 1n, output: OUTPUT },
      { id: 2n, output: OUTPUT, isPrivate: true },
    ]);
    const [voided] = await this.commit([{ id: 3n, output: OUTPUT.subarray(0, 100) }]);
    const other = { ...voided!, spans: [] };
    const { outputRoot, outputBytes, spansHash: hash } = this.#commitment(other);
    const contradiction = [this.claim([voided!], 0), outputRoot, outputBytes, hash, await this.#sign(other)];
    await this.send(PAYER, "attribution", "proveContradiction", contradiction);
    const claims = [this.claim(first, 0), this.claim(first, 1)];
    await this.send(CURATOR, "attribution", "settle", [claims], { seconds: 60n });
    await this.request(0);
    await this.send(CURATOR, "attribution", "expire", [4n], { seconds: 10_000n });
    await this.request(0);
    await this.commit([{ id: 5n, output: OUTPUT.subarray(0, 120) }]);
    await this.request(1);
    await this.request(1);
    const lie = { outputStart: 18, length: 40, contribution: 1n, contentOffset: 0n };
    await this.commit([{ id: 7n, output: OUTPUT, isPrivate: true, spans: [lie] }]);
    await this.idle(8);
  }

  /** URL of JSON-RPC. */
  async serveRpc(): Promise<string> {
    const { log } = testLog();
    const listener = { address: "127.0.0.1", port: 0 };
    const server = await startRpcServer({ rpc: this.rpc, listener, access: { vhosts: [], origins: [] }, log });
    this.#closers.push(() => server.close());
    return `http://127.0.0.1:${server.port}`;
  }

  /** URL of GraphQL, once the index holds the head. */
  async serveGraphql(): Promise<string> {
    const directory = await mkdtemp(join(tmpdir(), "lineage-"));
    this.#closers.push(() => rm(directory, { recursive: true, force: true }));
    const indexer = createIndexer({ source: this.chain, location: join(directory, "index.sqlite") });
    await indexer.start();
    this.#closers.push(() => indexer.stop());
    await indexer.caughtUp();
    const server = await createGraphqlServer({ location: indexer.location, host: "127.0.0.1", port: 0 });
    this.#closers.push(() => server.close());
    return server.url;
  }
}
