/**
 * The rollup RPC of the OP Stack (op-node's namespace `optimism`), for tools that follow outputs and withdrawals. Its
 * numbers are JSON integers, not hex.
 */
import { outputRoot } from "../../../bridge/output.ts";
import { bytesToHex } from "../../../core/bytes.ts";
import type { ExecutedBlock } from "../../../core/chain.ts";
import type { L1Parameters } from "../../../genesis/l1.ts";
import type { ChainApi } from "../../chain-api.ts";
import { VERSION } from "../../help.ts";
import { originOf } from "../../l1/batch-rules.ts";
import { type Methods, method } from "../context.ts";
import { serverError } from "../errors.ts";
import type { JsonObject } from "../format.ts";
import { blockAt, numberOrTag } from "../selectors.ts";
import { required } from "../values.ts";

/** A block of L1. Hashes are 32 bytes, the time Unix seconds. */
export interface L1Ref {
  readonly number: bigint;
  readonly hash: Uint8Array;
  readonly parentHash: Uint8Array;
  readonly timestamp: bigint;
}

/** What the rollup RPC says of L1. Undefined: not known yet. */
export interface RollupView {
  readonly parameters: L1Parameters;
  /** Seconds between blocks that carry transactions, at least. */
  readonly blockSeconds: number;
  l1(): L1View | Promise<L1View>;
}

export interface L1View {
  /** Read as far as here. */
  readonly current: L1Ref | undefined;
  readonly head: L1Ref | undefined;
  readonly safe: L1Ref | undefined;
  readonly finalized: L1Ref | undefined;
}

const NO_L1_REF = { hash: bytesToHex(new Uint8Array(32)), number: 0, parentHash: bytesToHex(new Uint8Array(32)) };

const l1Json = (ref: L1Ref | undefined): JsonObject =>
  ref === undefined
    ? { ...NO_L1_REF, timestamp: 0 }
    : {
        hash: bytesToHex(ref.hash),
        number: Number(ref.number),
        parentHash: bytesToHex(ref.parentHash),
        timestamp: Number(ref.timestamp),
      };

export function optimism(rollup: RollupView): Methods {
  const { parameters } = rollup;

  function l2Json({ header, hash, transactions }: ExecutedBlock): JsonObject {
    const [first] = transactions;
    // Genesis has no transactions.
    const origin = first === undefined ? { ...parameters.origin, sequenceNumber: 0n } : originOf(first.raw);
    return {
      hash: bytesToHex(hash),
      number: Number(header.number),
      parentHash: bytesToHex(header.parentHash),
      timestamp: Number(header.timestamp),
      l1origin: { hash: bytesToHex(origin.hash), number: Number(origin.number) },
      sequenceNumber: Number(origin.sequenceNumber),
    };
  }

  async function syncStatus(chain: ChainApi): Promise<JsonObject> {
    const { current, head, safe, finalized } = await rollup.l1();
    const l2 = (tag: "latest" | "safe" | "finalized") => l2Json(blockAt(chain, { tag }));
    return {
      current_l1: l1Json(current),
      current_l1_finalized: l1Json(finalized),
      head_l1: l1Json(head),
      safe_l1: l1Json(safe),
      finalized_l1: l1Json(finalized),
      unsafe_l2: l2("latest"),
      safe_l2: l2("safe"),
      finalized_l2: l2("finalized"),
      pending_safe_l2: l2("safe"),
      cross_unsafe_l2: l2("latest"),
      local_safe_l2: l2("safe"),
    };
  }

  return {
    optimism_syncStatus: method([], ({ chain }) => syncStatus(chain)),
    optimism_outputAtBlock: method([required(numberOrTag)], async ({ chain }, [selector]) => {
      const block = blockAt(chain, selector);
      const { stateRoot, withdrawalsRoot } = block.header;
      return {
        version: bytesToHex(new Uint8Array(32)),
        outputRoot: bytesToHex(outputRoot(block.header, block.hash)),
        blockRef: l2Json(block),
        withdrawalStorageRoot: bytesToHex(withdrawalsRoot),
        stateRoot: bytesToHex(stateRoot),
        syncStatus: await syncStatus(chain),
      };
    }),
    optimism_rollupConfig: method([], ({ chain }) => {
      const genesis = chain.block(0n);
      if (genesis === undefined) throw serverError("the genesis block is not here");
      const { origin } = parameters;
      return {
        genesis: {
          l1: { hash: bytesToHex(origin.hash), number: Number(origin.number) },
          l2: { hash: bytesToHex(genesis.hash), number: 0 },
          l2_time: Number(genesis.header.timestamp),
          system_config: {
            batcherAddr: `0x${"00".repeat(20)}`,
            overhead: bytesToHex(new Uint8Array(32)),
            scalar: bytesToHex(new Uint8Array(32)),
            gasLimit: Number(genesis.header.gasLimit),
          },
        },
        block_time: rollup.blockSeconds,
        max_sequencer_drift: parameters.maxDriftSeconds,
        seq_window_size: 0,
        channel_timeout: 0,
        l1_chain_id: Number(parameters.chainId),
        l2_chain_id: Number(chain.chainId),
        regolith_time: 0,
        canyon_time: 0,
        delta_time: 0,
        ecotone_time: 0,
        fjord_time: 0,
        granite_time: 0,
        holocene_time: 0,
        isthmus_time: 0,
        batch_inbox_address: bytesToHex(parameters.inbox),
        deposit_contract_address: bytesToHex(parameters.portal),
        l1_system_config_address: bytesToHex(parameters.systemConfig),
      };
    }),
    optimism_version: method([], () => `v${VERSION}`),
  };
}
