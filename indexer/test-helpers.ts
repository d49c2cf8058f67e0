/**
 * Synthetic chains for the tests of this folder: a `FakeChain` is a ChainSource whose blocks hold the logs that a
 * `Ledger` writes. The ledger keeps just enough state to write events that are consistent with each other; its fees and
 * shares are those of core/settlement.ts.
 */
import { sql } from "kysely";
import { type AbiEvent, encodeAbiParameters, encodeEventTopics, getAddress } from "viem";
import {
  ATTRIBUTION_ADDRESS,
  DATANET_ADDRESS,
  MESSAGE_PASSER_ADDRESS,
  MODELS_ADDRESS,
  STAKERS_ESCROW_ADDRESS,
  TREASURY_ADDRESS,
  VALIDATOR_SET_ADDRESS,
} from "../core/addresses.ts";
import { bigIntToFixed, bytesToHex, EMPTY_BYTES, type Hex, hexToBytes, ZERO_32 } from "../core/bytes.ts";
import type { ChainSource, ExecutedBlock, Header, Log, Receipt, Transaction } from "../core/chain.ts";
import { keccak256 } from "../core/crypto.ts";
import { feeWei, settlement } from "../core/settlement.ts";
import { coveredBytes, type Span } from "../core/span-rule.ts";
import { attributionAbi } from "../precompiles/interfaces/attribution.abi.ts";
import { datanetAbi } from "../precompiles/interfaces/datanet.abi.ts";
import { modelsAbi } from "../precompiles/interfaces/models.abi.ts";
import type { Change } from "./changes.ts";
import { REWARD_KIND } from "./codes.ts";
import { openIndex, openReader } from "./database.ts";
import { type LedgerEvent, messagePasserAbi, validatorSetAbi } from "./decode.ts";
import { createIndexer, type IndexerLog } from "./store.ts";
import { TABLE_NAMES, tableShape } from "./tables.ts";
import { applyBlocks } from "./writer.ts";

const ABIS = [
  [DATANET_ADDRESS, datanetAbi],
  [MODELS_ADDRESS, modelsAbi],
  [ATTRIBUTION_ADDRESS, attributionAbi],
  [MESSAGE_PASSER_ADDRESS, messagePasserAbi],
  [VALIDATOR_SET_ADDRESS, validatorSetAbi],
] as const;

/** The log that a precompile writes for an event. */
export function encodeEvent(event: LedgerEvent): Log {
  for (const [address, abi] of ABIS) {
    const item = (abi as readonly { type: string; name?: string }[]).find(
      ({ type, name }) => type === "event" && name === event.eventName,
    ) as AbiEvent | undefined;
    if (item === undefined) continue;
    const args = event.args as Record<string, unknown>;
    const topics = encodeEventTopics({ abi: [item], args }) as Hex[];
    const data = item.inputs.filter((input) => !input.indexed);
    const values = data.map((input) => args[input.name ?? ""]);
    return { address, topics: topics.map(hexToBytes), data: hexToBytes(encodeAbiParameters(data, values)) };
  }
  throw new Error(`no event ${event.eventName}`);
}

export const testAddress = (n: number): Hex => getAddress(bytesToHex(bigIntToFixed(BigInt(n) + (0xacn << 152n), 20)));
export const testHash = (label: string): Hex => bytesToHex(keccak256(new TextEncoder().encode(label)));

export class FakeChain implements ChainSource {
  readonly blocks: ExecutedBlock[] = [];
  readonly #listeners = new Set<(head: { number: bigint; hash: Uint8Array }) => void>();
  readonly #salt: string;

  /** Chains with another salt share no block. */
  constructor(salt = "") {
    this.#salt = salt;
    this.append();
  }

  get head(): { number: bigint; hash: Uint8Array } {
    const block = this.blocks.at(-1) as ExecutedBlock;
    return { number: block.header.number, hash: block.hash };
  }

  block(number: bigint): ExecutedBlock | undefined {
    return this.blocks[Number(number)];
  }

  onCommit(listener: (head: { number: bigint; hash: Uint8Array }) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  /** Adds a block with one transaction for each list of events, and wakes the listeners. `label` makes its hash. */
  append(transactions: readonly (readonly LedgerEvent[])[] = [], label = ""): ExecutedBlock {
    return this.appendLogs(
      transactions.map((events) => events.map(encodeEvent)),
      label,
    );
  }

  appendLogs(transactions: readonly (readonly Log[])[], label = ""): ExecutedBlock {
    const block = this.#build(transactions, label);
    this.commit(block);
    return block;
  }

  #build(transactions: readonly (readonly Log[])[], label: string): ExecutedBlock {
    const number = BigInt(this.blocks.length);
    const parent = this.blocks.at(-1);
    return {
      hash: hexToBytes(testHash(`block ${this.#salt} ${number} ${label} ${parent && bytesToHex(parent.hash)}`)),
      header: header(number, parent?.hash ?? ZERO_32),
      transactions: transactions.map((_, i) => transaction(`tx ${this.#salt} ${number} ${label} ${i}`)),
      receipts: transactions.map(receipt),
    };
  }

  /** Adds a block with these deposits. */
  appendDeposits(deposits: readonly FakeDeposit[]): ExecutedBlock {
    const block = this.#build(
      deposits.map(() => []),
      "deposits",
    );
    const withOrigins: ExecutedBlock = {
      ...block,
      transactions: block.transactions.map((tx, i) => depositOf(tx, deposits[i] as FakeDeposit)),
      receipts: block.receipts.map((receipt, i) => ({ ...receipt, status: deposits[i]?.status ?? 1 })),
    };
    this.commit(withOrigins);
    return withOrigins;
  }

  /** Precondition: the block stands on this chain's head. */
  commit(block: ExecutedBlock): void {
    this.blocks.push(block);
    for (const listener of this.#listeners) listener(this.head);
  }

  /** Another chain with the first `count` blocks of this one. */
  fork(count: number): FakeChain {
    const chain = new FakeChain(`${this.#salt} fork`);
    chain.blocks.splice(0, chain.blocks.length, ...this.blocks.slice(0, count));
    return chain;
  }
}

export interface FakeDeposit {
  readonly from: Hex;
  readonly to: Hex | undefined;
  readonly mintWei: bigint;
  readonly value: bigint;
  readonly status: 0 | 1;
}

const depositOf = (tx: Transaction, { from, to, mintWei, value }: FakeDeposit): Transaction => ({
  ...tx,
  type: 0x7e,
  from: hexToBytes(from),
  to: to && hexToBytes(to),
  value,
  deposit: { sourceHash: tx.hash, mintWei, isSystem: false },
});

const header = (number: bigint, parentHash: Uint8Array): Header => ({
  parentHash,
  uncleHash: ZERO_32,
  coinbase: new Uint8Array(20),
  stateRoot: ZERO_32,
  transactionsRoot: ZERO_32,
  receiptsRoot: ZERO_32,
  logsBloom: new Uint8Array(256),
  difficulty: 0n,
  number,
  gasLimit: 30_000_000n,
  gasUsed: 21_000n,
  timestamp: 1_700_000_000n + number,
  extraData: EMPTY_BYTES,
  prevRandao: ZERO_32,
  nonce: new Uint8Array(8),
  baseFeePerGas: 7n,
  withdrawalsRoot: ZERO_32,
  blobGasUsed: 0n,
  excessBlobGas: 0n,
  parentBeaconBlockRoot: ZERO_32,
  requestsHash: ZERO_32,
});

const transaction = (label: string): Transaction => ({
  type: 2,
  raw: EMPTY_BYTES,
  hash: hexToBytes(testHash(label)),
  from: new Uint8Array(20),
  to: DATANET_ADDRESS,
  nonce: 0n,
  gasLimit: 1_000_000n,
  maxFeePerGas: 0n,
  maxPriorityFeePerGas: 0n,
  value: 0n,
  data: EMPTY_BYTES,
  chainId: 161299n,
  accessList: [],
  authorizationList: [],
  v: 0n,
  r: 0n,
  s: 0n,
});

const receipt = (logs: readonly Log[]): Receipt => ({
  type: 2,
  status: 1,
  gasUsed: 21_000n,
  cumulativeGasUsed: 21_000n,
  effectiveGasPrice: 7n,
  contractAddress: undefined,
  logsBloom: new Uint8Array(256),
  logs,
});

interface FakeModel {
  readonly id: bigint;
  readonly owner: Hex;
  readonly ancestors: readonly FakeModel[];
  readonly hosts: Hex[];
}

interface FakeInference {
  readonly id: bigint;
  readonly model: FakeModel;
  readonly host: Hex;
  readonly payer: Hex;
  readonly escrow: bigint;
  fee: bigint;
  outputBytes: number;
  spans: Span[];
}

export const MIN_SPAN = 16;
const TERMS = { platformFeeWei: 1_000_000_007n, requestPrice: 7_001n, outputPrice: 10n ** 15n + 3n };
const SPLIT = { modelPpm: 200_000n, stakersPpm: 200_000n, contributorsPpm: 500_000n };
const HOST_PPM = 300_000;
const ROYALTY_PPM = 100_000;
export const BOND = 10n ** 18n;

/** Each method returns the events of one transaction. */
export class Ledger {
  readonly datanets: { id: bigint; owner: Hex; accepted: number; versions: number }[] = [];
  readonly contributions: { id: bigint; datanet: number; contributor: Hex; status: string }[] = [];
  readonly models: FakeModel[] = [];
  readonly requested: FakeInference[] = [];
  readonly committed: FakeInference[] = [];
  readonly accrued = new Map<Hex, bigint>();
  inferences = 0;

  createDatanet(owner: Hex): LedgerEvent[] {
    const datanetId = BigInt(this.datanets.length + 1);
    this.datanets.push({ id: datanetId, owner, accepted: 0, versions: 0 });
    return [
      {
        eventName: "DatanetCreated",
        args: {
          datanetId,
          owner,
          name: `Datanet ${datanetId}`,
          domain: "software",
          metadataURI: "ipfs://datanet",
          modality: 0,
          licence: 6,
          access: 0,
          bond: BOND,
        },
      },
      { eventName: "CuratorSet", args: { datanetId, curator: owner, allowed: true } },
      { eventName: "ContributorSet", args: { datanetId, contributor: owner, allowed: true } },
      { eventName: "BuilderSet", args: { datanetId, builder: owner, allowed: datanetId % 2n === 0n } },
    ];
  }

  submit(datanet: number, contributor: Hex, parents: readonly bigint[] = []): LedgerEvent[] {
    const contributionId = BigInt(this.contributions.length + 1);
    const datanetId = BigInt(datanet);
    this.contributions.push({ id: contributionId, datanet, contributor, status: "pending" });
    const contentRoot = testHash(`content ${contributionId}`);
    return [
      {
        eventName: "ContributionCommitted",
        args: { datanetId, contributor, commitment: testHash(`c ${contributionId}`) },
      },
      {
        eventName: "ContributionSubmitted",
        args: {
          datanetId,
          contributionId,
          contributor,
          contentRoot,
          size: 1_000n + contributionId,
          licence: 2,
          uri: `ol://${contentRoot}`,
          parents: [...parents],
          bond: BOND,
        },
      },
    ];
  }

  accept(contribution: number): LedgerEvent[] {
    const { id, datanet, contributor, curator, net } = this.#pending(contribution, "accepted");
    const accepted = {
      datanetId: BigInt(datanet),
      contributionId: id,
      curator,
      score: 9_000,
      leafIndex: net.accepted++,
    };
    return [
      { eventName: "ContributionAccepted", args: accepted },
      { eventName: "BondReturned", args: { contributionId: id, contributor, amount: BOND } },
    ];
  }

  reject(contribution: number): LedgerEvent[] {
    const { id, datanet, curator } = this.#pending(contribution, "rejected");
    const args = { datanetId: BigInt(datanet), contributionId: id, curator, reason: "no licence", bondForfeited: BOND };
    return [{ eventName: "ContributionRejected", args }];
  }

  duplicate(contribution: number, duplicateOf: number): LedgerEvent[] {
    const { id, datanet, curator } = this.#pending(contribution, "duplicate");
    const args = { datanetId: BigInt(datanet), contributionId: id, curator, duplicateOf: BigInt(duplicateOf) };
    return [{ eventName: "ContributionDuplicate", args }];
  }

  withdraw(contribution: number): LedgerEvent[] {
    const entry = this.contributions[contribution - 1]!;
    // No step decides on it any more; accepted data stays in its Datanet.
    entry.status = entry.status === "pending" ? "withdrawn" : "consent ended";
    const { id, datanet, contributor } = entry;
    return [{ eventName: "ConsentWithdrawn", args: { datanetId: BigInt(datanet), contributionId: id, contributor } }];
  }

  publish(datanet: number): LedgerEvent[] {
    const net = this.datanets[datanet - 1]!;
    const version = ++net.versions;
    const root = testHash(`version ${datanet} ${version}`);
    return [{ eventName: "VersionPublished", args: { datanetId: net.id, version, count: net.accepted, root } }];
  }

  /** Trained on the last version of `datanet`; `parent` is a model's number or 0. */
  registerModel(owner: Hex, datanet: number, parent = 0): LedgerEvent[] {
    const modelId = BigInt(this.models.length + 1);
    const parentModel = this.models[parent - 1];
    const ancestors = parentModel === undefined ? [] : [parentModel, ...parentModel.ancestors];
    this.models.push({ id: modelId, owner, ancestors, hosts: [] });
    const net = this.datanets[datanet - 1]!;
    return [
      {
        eventName: "ModelRegistered",
        args: {
          modelId,
          owner,
          parent: BigInt(parent),
          kind: parent === 0 ? 0 : 1,
          name: `Model ${modelId}`,
          metadataURI: "ipfs://model",
          artifactHash: testHash(`artifact ${modelId}`),
          configHash: testHash(`config ${modelId}`),
          licence: 6,
          data: [{ datanetId: net.id, version: net.versions }],
          flattened: [{ datanetId: net.id, count: net.accepted }],
          requestPrice: TERMS.requestPrice,
          outputPrice: 1n,
          royaltyPpm: ROYALTY_PPM,
          hostPpm: HOST_PPM,
        },
      },
      { eventName: "PricesSet", args: { modelId, requestPrice: TERMS.requestPrice, outputPrice: TERMS.outputPrice } },
    ];
  }

  join(model: number, host: Hex): LedgerEvent[] {
    const { id, hosts } = this.models[model - 1]!;
    hosts.push(host);
    return [
      { eventName: "StakeDeposited", args: { host, amount: BOND, total: BOND * BigInt(hosts.length) } },
      { eventName: "HostJoined", args: { modelId: id, host, url: "http://127.0.0.1:8080" } },
    ];
  }

  leave(model: number, host: Hex): LedgerEvent[] {
    return [
      { eventName: "HostLeft", args: { modelId: this.models[model - 1]!.id, host } },
      { eventName: "StakeWithdrawn", args: { host, amount: BOND, total: 0n } },
    ];
  }

  request(model: number, host: Hex, payer: Hex): LedgerEvent[] {
    const id = BigInt(++this.inferences);
    const entry = this.models[model - 1]!;
    const escrow = 10n ** 18n;
    this.requested.push({ id, model: entry, host, payer, escrow, fee: 0n, outputBytes: 0, spans: [] });
    return [
      {
        eventName: "InferenceRequested",
        args: {
          inferenceId: id,
          modelId: entry.id,
          payer,
          host,
          requestRoot: testHash(`request ${id}`),
          requestBytes: 100,
          audience: 0,
          escrow,
          commitDeadline: 1_700_001_000n,
          minSpan: MIN_SPAN,
          requestPrice: TERMS.requestPrice,
          outputPrice: TERMS.outputPrice,
          platformFee: TERMS.platformFeeWei,
        },
      },
    ];
  }

  /** Commits the oldest request with one span of `lengths[i]` bytes for each contribution. */
  commit(contributions: readonly number[], lengths: readonly number[]): LedgerEvent[] {
    const entry = this.requested.shift()!;
    let outputStart = 0;
    entry.spans = contributions.map((contribution, i) => {
      const length = MIN_SPAN + (lengths[i] ?? 0);
      const span = { outputStart, length, contribution: BigInt(contribution), contentOffset: BigInt(i) };
      outputStart += length - 3;
      return span;
    });
    entry.outputBytes = outputStart + 50;
    entry.fee = feeWei(TERMS, 100, entry.outputBytes);
    this.committed.push(entry);
    return [
      {
        eventName: "OutputCommitted",
        args: {
          inferenceId: entry.id,
          modelId: entry.model.id,
          host: entry.host,
          outputRoot: testHash(`output ${entry.id}`),
          outputBytes: entry.outputBytes,
          coveredBytes: coveredBytes(entry.spans),
          fee: entry.fee,
          stakeLocked: entry.fee * 2n,
          settleAfter: 2n ** 64n - 1n,
          batchId: entry.id,
          index: 0,
          spans: entry.spans,
        },
      },
      { eventName: "BatchCommitted", args: { batchId: entry.id, root: testHash(`batch ${entry.id}`), count: 1 } },
    ];
  }

  expire(): LedgerEvent[] {
    const { id, payer, escrow } = this.requested.shift()!;
    return [{ eventName: "InferenceExpired", args: { inferenceId: id, payer, refund: escrow } }];
  }

  /** Demands two chunks of the oldest committed inference, of which the host shows one. */
  demand(demander: Hex): LedgerEvent[] {
    const { id, host } = this.committed[0]!;
    const about = { inferenceId: id, contributionId: 1n };
    const demanded = (chunk: bigint): LedgerEvent => ({
      eventName: "ChunkDemanded",
      args: { ...about, demander, chunk, deadline: 99n, bond: 500n },
    });
    return [
      demanded(0n),
      demanded(1n),
      { eventName: "ChunkShown", args: { ...about, by: host, chunk: 0n, settleAfter: 77n } },
      { eventName: "AuditorSet", args: { inferenceId: id, auditor: demander, allowed: true } },
    ];
  }

  /** A challenge of the oldest committed inference is proven; a demand that is open is returned. */
  void(challenger: Hex, openChunk?: bigint): LedgerEvent[] {
    const { id: inferenceId, model, host, escrow, fee } = this.committed.shift()!;
    const slashed = fee * 2n;
    const refund = escrow;
    const contributionId = 1n;
    const events: LedgerEvent[] = [
      {
        eventName: "InferenceVoided",
        args: { inferenceId, modelId: model.id, host, fault: 2, challenger, contributionId, refund, slashed },
      },
      { eventName: "StakeSlashed", args: { host, inferenceId, amount: slashed, total: 5n } },
    ];
    const { contributor } = this.contributions[0]!;
    for (const [account, kind, source, amount] of [
      [getAddress(bytesToHex(TREASURY_ADDRESS)), REWARD_KIND.TREASURY, 0n, fee],
      [contributor, REWARD_KIND.LEFT_OUT, 1n, fee / 2n],
      [challenger, REWARD_KIND.CHALLENGER, 0n, fee - fee / 2n],
    ] as const) {
      this.accrued.set(account, (this.accrued.get(account) ?? 0n) + amount);
      events.push({ eventName: "RewardAccrued", args: { inferenceId, account, kind, source, weight: 0n, amount } });
    }
    if (openChunk !== undefined) {
      const args = { inferenceId, contributionId, demander: challenger, chunk: openChunk, bond: 500n };
      events.push({ eventName: "DemandReturned", args });
    }
    return events;
  }

  /** Settles the oldest committed inference. */
  settle(): LedgerEvent[] {
    const { id, model, host, escrow, fee, outputBytes, spans } = this.committed.shift()!;
    const royaltyPpm = model.ancestors.map(() => BigInt(ROYALTY_PPM));
    const shares = settlement({
      ...SPLIT,
      feeWei: fee,
      platformFeeWei: TERMS.platformFeeWei,
      outputBytes,
      spans,
      hostPpm: BigInt(HOST_PPM),
      royaltyPpm,
    });
    const events: LedgerEvent[] = [];
    const accrue = (account: Hex, kind: number, source: bigint, weight: bigint, amount: bigint): void => {
      if (amount === 0n) return;
      this.accrued.set(account, (this.accrued.get(account) ?? 0n) + amount);
      events.push({ eventName: "RewardAccrued", args: { inferenceId: id, account, kind, source, weight, amount } });
    };
    for (const { contribution, weight, amountWei } of shares.contributors) {
      const { contributor } = this.contributions[Number(contribution) - 1]!;
      accrue(contributor, REWARD_KIND.CONTRIBUTOR, contribution, weight, amountWei);
    }
    accrue(model.owner, REWARD_KIND.MODEL_OWNER, model.id, 0n, shares.modelOwnerWei);
    accrue(host, REWARD_KIND.HOST, model.id, 0n, shares.hostWei);
    model.ancestors.forEach((ancestor, i) => {
      accrue(ancestor.owner, REWARD_KIND.ROYALTY, ancestor.id, 0n, shares.royaltiesWei[i] ?? 0n);
    });
    accrue(getAddress(bytesToHex(STAKERS_ESCROW_ADDRESS)), REWARD_KIND.STAKERS, 0n, 0n, shares.stakersWei);
    accrue(getAddress(bytesToHex(TREASURY_ADDRESS)), REWARD_KIND.TREASURY, 0n, 0n, shares.treasuryWei);
    events.push({
      eventName: "InferenceSettled",
      args: {
        inferenceId: id,
        modelId: model.id,
        fee,
        refund: escrow - fee,
        platformFee: TERMS.platformFeeWei,
        contributorsPaid: shares.contributorsWei,
        modelPaid: shares.modelWei,
        stakersPaid: shares.stakersWei,
        treasuryPaid: shares.treasuryWei,
      },
    });
    return events;
  }

  claim(account: Hex, caller: Hex): LedgerEvent[] {
    const amount = this.accrued.get(account) ?? 0n;
    if (amount === 0n) return [];
    this.accrued.set(account, 0n);
    return [{ eventName: "RewardClaimed", args: { account, caller, amount } }];
  }

  #pending(contribution: number, status: string) {
    const entry = this.contributions[contribution - 1]!;
    entry.status = status;
    const net = this.datanets[entry.datanet - 1]!;
    return { ...entry, curator: net.owner, net };
  }
}

export interface Step {
  readonly kind: number;
  readonly a: number;
  readonly b: number;
  /** Whether a new block begins after this step. */
  readonly seal: boolean;
}

export const STEP_KINDS = 19;

/** Turns any list of numbers into a plausible history: what a step cannot do, it replaces by what is possible. */
export function chainOf(steps: readonly Step[], salt = ""): FakeChain {
  const chain = new FakeChain(salt);
  const ledger = new Ledger();
  // A model that is served, so that most histories pay somebody.
  chain.append([
    ledger.createDatanet(testAddress(0)),
    ledger.submit(1, testAddress(1)),
    ledger.submit(1, testAddress(2)),
  ]);
  chain.append([
    ledger.accept(1),
    ledger.publish(1),
    ledger.registerModel(testAddress(3), 1),
    ledger.join(1, testAddress(4)),
  ]);
  let transactions: LedgerEvent[][] = [];
  for (const step of steps) {
    const events = take(ledger, step);
    if (events.length > 0) transactions.push(events);
    if (step.seal) {
      chain.append(transactions);
      transactions = [];
    }
  }
  chain.append(transactions);
  return chain;
}

/** The events of the next transaction; none where nothing of the kind is possible. */
export function take(ledger: Ledger, step: Step): LedgerEvent[] {
  const { kind, a, b } = step;
  const { datanets, contributions, models, requested, committed } = ledger;
  const account = testAddress(a % 5);
  if (datanets.length === 0) return ledger.createDatanet(account);
  const datanet = 1 + (b % datanets.length);
  const contribution = contributions[b % Math.max(1, contributions.length)];
  if (contribution === undefined) return ledger.submit(datanet, account);
  const id = Number(contribution.id);
  const accepted = contributions.filter(({ status }) => status === "accepted").map((entry) => Number(entry.id));
  const model = models[b % Math.max(1, models.length)];
  switch (kind % STEP_KINDS) {
    case 0:
      return datanets.length < 3 ? ledger.createDatanet(account) : [];
    case 1:
    case 2:
      return ledger.submit(datanet, account, contributions.length % 3 === 0 ? [contribution.id] : []);
    case 3:
    case 4:
      return contribution.status === "pending" ? ledger.accept(id) : ledger.submit(datanet, account);
    case 5:
      return contribution.status === "pending" ? ledger.reject(id) : [];
    case 6:
      return contribution.status === "pending" && accepted[0] !== undefined ? ledger.duplicate(id, accepted[0]) : [];
    case 7:
      return ["accepted", "pending"].includes(contribution.status) ? ledger.withdraw(id) : [];
    case 8:
      return ledger.publish(datanet);
    case 9:
      return ledger.registerModel(account, datanet, models.length % 2 === 0 ? 0 : Number(model?.id ?? 0));
    case 10:
      return model === undefined ? [] : ledger.join(Number(model.id), account);
    case 11:
      return ledger.claim(account, testAddress(b % 5));
    case 12:
      return requested.length > 0 ? ledger.expire() : [];
    case 13:
    case 14:
      if (committed.length === 0) return commit(ledger, step, accepted);
      return a % 4 > 0 ? ledger.settle() : [...ledger.demand(account), ...ledger.void(account, 1n)];
    case 15:
    case 16:
      return commit(ledger, step, accepted);
    default:
      return request(ledger, step);
  }
}

function request(ledger: Ledger, { a, b }: Step): LedgerEvent[] {
  const served = ledger.models.filter(({ hosts }) => hosts.length > 0);
  const model = served[b % Math.max(1, served.length)];
  const host = model?.hosts[0];
  return model === undefined || host === undefined ? [] : ledger.request(Number(model.id), host, testAddress(a % 5));
}

function commit(ledger: Ledger, step: Step, accepted: readonly number[]): LedgerEvent[] {
  const [first] = accepted;
  if (ledger.requested.length === 0 || first === undefined) return request(ledger, step);
  return ledger.commit([...accepted.slice(0, 4), first], [step.a, step.b, step.a + step.b]);
}

/** A history in which everything happens once: 2 Datanets, 4 contributors, 2 models, a settled output, an expired one. */
export function standardChain(salt = ""): { chain: FakeChain; ledger: Ledger } {
  const chain = new FakeChain(salt);
  const ledger = new Ledger();
  const [owner, alice, bob, carol, host, payer] = [0, 1, 2, 3, 4, 5].map(testAddress) as [Hex, Hex, Hex, Hex, Hex, Hex];
  chain.append([ledger.createDatanet(owner), ledger.createDatanet(alice)]);
  chain.append([
    ledger.submit(1, alice),
    ledger.submit(1, bob),
    ledger.submit(1, carol, [1n]),
    ledger.submit(2, alice),
  ]);
  chain.append([ledger.submit(1, bob), ledger.submit(1, bob), ledger.submit(1, carol)]);
  chain.append([ledger.accept(1), ledger.accept(2), ledger.accept(3), ledger.accept(4)]);
  chain.append([ledger.duplicate(5, 1), ledger.reject(6), ledger.withdraw(7)]);
  chain.append([ledger.publish(1), ledger.publish(2)]);
  chain.append([ledger.registerModel(owner, 1), ledger.registerModel(bob, 2, 1), ledger.join(2, host)]);
  chain.append([ledger.request(2, host, payer), ledger.request(2, host, payer), ledger.request(2, host, payer)]);
  chain.append([ledger.commit([1, 2, 3, 1], [40, 25, 13, 7])]);
  chain.append([ledger.settle()]);
  chain.append([ledger.claim(alice, payer), ledger.withdraw(2)]);
  chain.append([ledger.expire()]);
  return { chain, ledger };
}

/** The standard history, then an answer of which a chunk is demanded and that is found wrong. */
export function challengedChain(): { chain: FakeChain; ledger: Ledger } {
  const { chain, ledger } = standardChain();
  chain.append([ledger.commit([1, 2], [30, 20])]);
  chain.append([ledger.demand(testAddress(6))]);
  chain.append([ledger.void(testAddress(6), 1n)]);
  // Contribution 3 was made of 1, and 8 of 3.
  chain.append([ledger.submit(1, testAddress(3), [3n])]);
  chain.append([ledger.withdraw(1)]);
  return { chain, ledger };
}

/** The challenged history, then what crosses the bridge: two deposits, one of which fails, a withdrawal, a validator set. */
export function bridgedChain(): { chain: FakeChain; ledger: Ledger } {
  const { chain, ledger } = challengedChain();
  chain.appendDeposits([
    { from: testAddress(5), to: testAddress(1), mintWei: 2n ** 100n, value: 7n, status: 1 },
    { from: testAddress(5), to: undefined, mintWei: 3n, value: 0n, status: 0 },
  ]);
  chain.append([
    [
      {
        eventName: "MessagePassed",
        args: {
          nonce: 2n ** 240n,
          sender: testAddress(1),
          target: testAddress(5),
          value: 11n,
          gasLimit: 100_000n,
          data: "0x",
          withdrawalHash: testHash("withdrawal"),
        },
      },
    ],
    [
      {
        eventName: "SnapshotSubmitted",
        args: { number: 1n, setHash: testHash("set 1"), count: 4n, totalStake: 4n * BOND },
      },
    ],
  ]);
  return { chain, ledger };
}

/** Every row of the index, by table, in key order. */
export async function dumpIndex(location: string): Promise<Record<string, unknown[]>> {
  const db = openReader(location, { connections: 1 });
  const dump: Record<string, unknown[]> = {};
  for (const table of TABLE_NAMES) {
    const { kind, columns, key } = tableShape(table);
    const all = kind === "entity" ? [...Object.keys(columns), "valid_from", "valid_to"] : Object.keys(columns);
    const order = kind === "entity" ? [...key, "valid_from"] : key;
    // The tables differ only in names here, so one of them stands for all in kysely's types.
    let query = db.selectFrom(table as "blocks").select(all.map((column) => sql.ref(column).as(column)));
    for (const column of order) query = query.orderBy(sql.ref(column));
    dump[table] = (await query.execute()).map(plain);
  }
  dump.checkpoint = (await db.selectFrom("checkpoint").selectAll().execute()).map(plain);
  await db.destroy();
  return dump;
}

/** Alike from every store: bytes as hex. */
const plain = (row: object): unknown =>
  Object.fromEntries(Object.entries(row).map(([name, v]) => [name, v instanceof Uint8Array ? bytesToHex(v) : v]));

/** A new index that has these rows, with all its secondary indexes. */
export async function writeRows(location: string, changes: readonly Change[]): Promise<void> {
  const { db, bulk, missingIndexes, createIndexes } = await openIndex(location);
  await createIndexes([...(await missingIndexes()).values()]);
  await db.transaction().execute((transaction) => applyBlocks(transaction, bulk, [{ number: 0, changes }]));
  await db.destroy();
}

/** Index of the whole chain, built at once by a new indexer. */
export async function freshIndex(
  source: ChainSource,
  location: string,
  log?: IndexerLog,
): Promise<Record<string, unknown[]>> {
  const indexer = createIndexer({ source, location, ...(log && { log }) });
  await indexer.start();
  await indexer.caughtUp();
  await indexer.stop();
  return await dumpIndex(location);
}
