/**
 * Writes the events of a chain: it keeps just enough state for them to be consistent with each other. Its fees and shares
 * are those of core/settlement.ts.
 */
import { getAddress } from "viem";
import { STAKERS_ESCROW_ADDRESS, TREASURY_ADDRESS } from "../../core/addresses.ts";
import { bytesToHex, type Hex } from "../../core/bytes.ts";
import { feeWei, settlement } from "../../core/settlement.ts";
import { coveredBytes, type Span } from "../../core/span-rule.ts";
import { REWARD_KIND } from "../codes.ts";
import type { LedgerEvent } from "../decode.ts";
import { testHash } from "./fake-chain.ts";

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
