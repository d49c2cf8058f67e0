/**
 * The projection: block -> rows. Pure: the same block gives the same changes on every machine, which is why the index can be thrown away and rebuilt.
 */
import { hexToBytes } from "../core/bytes.ts";
import { type Change, insert, revise } from "./changes.ts";
import { DEMAND_STATE, INFERENCE_STATE, ROLE, STAKE_KIND, STATUS } from "./codes.ts";
import type { PlacedEvent } from "./decode.ts";
import { IndexError } from "./errors.ts";
import { deposits, messagePassed } from "./project-bridge.ts";
import { contributionSubmitted, datanetCreated, decided, grant, modelRegistered, statusEvent } from "./project-data.ts";
import {
  auditorSet,
  chunkDemanded,
  demandClosed,
  inferenceRequested,
  inferenceVoided,
  outputCommitted,
  rewardAccrued,
  staked,
} from "./project-inference.ts";
import { changedAt, type Position, text, toId, toTime } from "./project-rows.ts";
import type { SourceBlock } from "./source.ts";

/** `events` are the block's, from decodeBlock. */
export function project(block: SourceBlock, events: readonly PlacedEvent[]): Change[] {
  const { header } = block;
  const number = Number(header.number);
  const changes: Change[] = [
    insert("blocks", {
      block: number,
      hash: block.hash,
      parent_hash: header.parentHash,
      timestamp: toTime(header.timestamp),
      gas_used: header.gasUsed,
      transactions: block.transactions.length,
      events: events.length,
    }),
  ];
  const time = toTime(header.timestamp);
  for (const event of events) {
    changes.push(...projectEvent(event, { block: number, log_index: event.logIndex, tx_hash: event.txHash }, time));
  }
  return [...changes, ...deposits(block)];
}

function projectEvent(event: PlacedEvent, at: Position, time: number): Change[] {
  switch (event.eventName) {
    case "DatanetCreated":
      return datanetCreated(event.args, at);
    case "CuratorSet":
      return [grant(event.args, ROLE.CURATOR, event.args.curator, at)];
    case "ContributorSet":
      return [grant(event.args, ROLE.CONTRIBUTOR, event.args.contributor, at)];
    case "BuilderSet":
      return [grant(event.args, ROLE.BUILDER, event.args.builder, at)];
    case "ContributionCommitted": {
      const { datanetId, contributor, commitment } = event.args;
      const row = {
        datanet: toId(datanetId),
        contributor: hexToBytes(contributor),
        commitment: hexToBytes(commitment),
      };
      return [insert("commitments", { ...at, ...row })];
    }
    case "ContributionSubmitted":
      return contributionSubmitted(event.args, at);
    case "ContributionAccepted": {
      const { score, leafIndex } = event.args;
      return decided(event.args, at, { status: STATUS.ACCEPTED, score, leaf_index: leafIndex });
    }
    case "ContributionDuplicate":
      return decided(event.args, at, { status: STATUS.DUPLICATE, duplicate_of: toId(event.args.duplicateOf) });
    case "ContributionRejected": {
      const contribution = toId(event.args.contributionId);
      const amount = event.args.bondForfeited;
      return [
        ...decided(event.args, at, { status: STATUS.REJECTED, reason: text(event.args.reason) }),
        insert("bond_movements", { ...at, contribution, contributor: null, amount, forfeited: 1 }),
      ];
    }
    case "ConsentWithdrawn": {
      // IDatanet: a pending contribution is gone with it; an accepted one stays accepted, later requests do not pay it.
      const id = toId(event.args.contributionId);
      const ended = { withdrawn_block: at.block, withdrawn_tx: at.tx_hash };
      return [
        revise("contributions", { id }, { set: { status: STATUS.WITHDRAWN }, when: { status: STATUS.PENDING } }),
        revise("contributions", { id }, { set: ended }),
        statusEvent(id, STATUS.WITHDRAWN, event.args.contributor, at),
      ];
    }
    case "BondReturned": {
      const { contributionId, contributor, amount } = event.args;
      const row = { contribution: toId(contributionId), contributor: hexToBytes(contributor), amount, forfeited: 0 };
      return [insert("bond_movements", { ...at, ...row })];
    }
    case "VersionPublished": {
      const { datanetId, version, count, root } = event.args;
      return [insert("versions", { ...at, datanet: toId(datanetId), version, count, root: hexToBytes(root) })];
    }
    case "ModelRegistered":
      return modelRegistered(event.args, at);
    case "PricesSet": {
      const { modelId, requestPrice, outputPrice } = event.args;
      return [
        revise("models", { id: toId(modelId) }, { set: { request_price: requestPrice, output_price: outputPrice } }),
      ];
    }
    case "HostJoined": {
      const key = { model: toId(event.args.modelId), host: hexToBytes(event.args.host) };
      const set = { url: text(event.args.url), active: 1, ...changedAt(at) };
      return [revise("hosts", key, { set, create: { ...at, ...key, ...set } })];
    }
    case "HostLeft": {
      const key = { model: toId(event.args.modelId), host: hexToBytes(event.args.host) };
      return [revise("hosts", key, { set: { active: 0, ...changedAt(at) } })];
    }
    case "InferenceRequested":
      return inferenceRequested(event.args, at);
    case "OutputCommitted":
      return outputCommitted(event.args, at);
    case "InferenceSettled": {
      const { inferenceId, refund, contributorsPaid, modelPaid, stakersPaid, treasuryPaid } = event.args;
      const set = {
        state: INFERENCE_STATE.SETTLED,
        refund,
        contributors_paid: contributorsPaid,
        model_paid: modelPaid,
        stakers_paid: stakersPaid,
        treasury_paid: treasuryPaid,
        closed_block: at.block,
        closed_tx: at.tx_hash,
      };
      return [revise("inferences", { id: toId(inferenceId) }, { set })];
    }
    case "InferenceExpired": {
      const { inferenceId, refund } = event.args;
      const set = { state: INFERENCE_STATE.EXPIRED, refund, closed_block: at.block, closed_tx: at.tx_hash };
      return [revise("inferences", { id: toId(inferenceId) }, { set })];
    }
    case "RewardAccrued":
      return rewardAccrued(event.args, at, time);
    case "RewardClaimed": {
      const account = hexToBytes(event.args.account);
      const { amount } = event.args;
      return [
        insert("claims", { ...at, account, caller: hexToBytes(event.args.caller), amount }),
        revise("accounts", { address: account }, { add: { claimed: amount } }),
      ];
    }
    case "StakeDeposited":
      return staked(event.args, at, STAKE_KIND.DEPOSITED);
    case "StakeWithdrawn":
      return staked(event.args, at, STAKE_KIND.WITHDRAWN);
    case "StakeSlashed":
      return staked(event.args, at, STAKE_KIND.SLASHED);
    case "BatchCommitted": {
      const { batchId, root, count } = event.args;
      return [insert("batches", { ...at, id: toId(batchId), root: hexToBytes(root), count })];
    }
    case "InferenceVoided":
      return inferenceVoided(event.args, at);
    case "AuditorSet":
      return auditorSet(event.args, at);
    case "ChunkDemanded":
      return chunkDemanded(event.args, at);
    case "ChunkShown": {
      const set = { settle_after: toTime(event.args.settleAfter) };
      const later = revise("inferences", { id: toId(event.args.inferenceId) }, { set });
      return [demandClosed(event.args, DEMAND_STATE.SHOWN), later];
    }
    case "DemandReturned":
      return [demandClosed(event.args, DEMAND_STATE.RETURNED)];
    case "MessagePassed":
      return [messagePassed(event.args, at)];
    case "SnapshotSubmitted": {
      const { number, setHash, count, totalStake } = event.args;
      const row = { number: toId(number), set_hash: hexToBytes(setHash), count: toId(count), total_stake: totalStake };
      return [insert("validator_sets", { ...at, ...row })];
    }
    default:
      return unreachable(event);
  }
}

function unreachable(event: never): never {
  throw new IndexError("UNKNOWN_EVENT", `no projection for ${JSON.stringify(event)}`);
}
