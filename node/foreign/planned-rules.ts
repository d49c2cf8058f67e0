/** What eth_config tells of an imported chain: the rules of its head, and of the forks by time that its genesis plans. */
import type { Hardfork } from "@ethereumjs/common";
import { hexToBytes } from "../../core/bytes.ts";
import type { Header } from "../../core/chain.ts";
import { BEACON_ROOTS_ADDRESS, HISTORY_ADDRESS } from "../../execution/block/system-writes.ts";
import type { Forks } from "../../execution/foreign/forks.ts";
import { CONSOLIDATION_REQUESTS, WITHDRAWAL_REQUESTS } from "../../execution/foreign/simulate.ts";
import { GAS_PER_BLOB } from "../../execution/tx/intrinsic.ts";
import { ethereumPrecompiles, type ForkRules, forkIdOf, type PlannedRules } from "../rpc/methods/eth-config.ts";

export interface Genesis {
  readonly hash: Uint8Array;
  readonly timestamp: bigint;
}

export function plannedRules(forks: Forks, genesis: Genesis, head: Header): PlannedRules {
  const now = { fork: forks.forkOf(head), at: head.timestamp };
  const planned = forks.byTime;
  const current = planned.findLast(({ fork }) => fork === now.fork);
  const next = planned.find(({ at }) => at > head.timestamp);
  const last = planned.at(-1);
  const rules = (fork: string, activationTime: bigint, time: bigint): ForkRules =>
    rulesOf(forks, fork, activationTime, forks.startsUntil(genesis.timestamp, head.number, time), genesis.hash);
  return {
    chainId: forks.chainId,
    current: rules(now.fork, current?.at ?? 0n, now.at),
    ...(next && last && { next: rules(next.fork, next.at, next.at), last: rules(last.fork, last.at, last.at) }),
  };
}

function rulesOf(
  forks: Forks,
  fork: string,
  activationTime: bigint,
  starts: readonly bigint[],
  genesisHash: Uint8Array,
): ForkRules {
  const common = forks.common(fork);
  const schedule = common.isActivatedEIP(4844) ? common.getBlobGasSchedule() : undefined;
  const systemContracts = new Map<string, Uint8Array>();
  if (common.isActivatedEIP(4788)) systemContracts.set("BEACON_ROOTS_ADDRESS", BEACON_ROOTS_ADDRESS);
  if (common.isActivatedEIP(7685)) {
    systemContracts.set("CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS", CONSOLIDATION_REQUESTS);
    systemContracts.set("DEPOSIT_CONTRACT_ADDRESS", hexToBytes(forks.depositContract as `0x${string}`));
    systemContracts.set("HISTORY_STORAGE_ADDRESS", HISTORY_ADDRESS);
    systemContracts.set("WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS", WITHDRAWAL_REQUESTS);
  }
  return {
    activationTime,
    ...(schedule && {
      blobs: {
        target: schedule.targetBlobGasPerBlock / GAS_PER_BLOB,
        max: schedule.maxBlobGasPerBlock / GAS_PER_BLOB,
        baseFeeUpdateFraction: schedule.blobGasPriceUpdateFraction,
      },
    }),
    forkId: forkIdOf(genesisHash, starts),
    precompiles: ethereumPrecompiles((since) => common.gteHardfork(since as Hardfork)),
    systemContracts,
  };
}
