/**
 * Blocks of a foreign chain that are run again, transaction by transaction, for a tracer: with our own messages by the
 * rules of the fork, whose results simulated blocks compare with those of @ethereumjs/vm.
 */
import type { Common } from "@ethereumjs/common";
import type { Transaction } from "../../core/chain.ts";
import type { ExecutionParts } from "../block/execute.ts";
import { writeBeaconRoot, writeParentHash } from "../block/system-writes.ts";
import type { SealedState } from "../state/types.ts";
import type { ReplayedBlock, ReplayingBlock } from "../trace/replay.ts";
import { messageEnvironment } from "../tx/environment.ts";
import { runTransaction, type TransactionOutcome } from "../tx/run.ts";
import { blobTerms } from "./header-rules.ts";

/** `common`: the rules of the block. */
export function replayForeign(
  { rules, machines, blockHash }: ExecutionParts,
  { header }: Pick<ReplayedBlock, "header">,
  state: Pick<SealedState, "fork">,
  common: Common,
): ReplayingBlock {
  const layer = state.fork();
  const machine = machines.borrow(layer, blockHash);
  const { blobBaseFee } = blobTerms(header, common);
  const environment = messageEnvironment({ ...header, blobBaseFee }, rules);
  let gasLeft = header.gasLimit;
  return {
    async begin() {
      if (common.isActivatedEIP(4788)) writeBeaconRoot(layer, header);
      if (common.isActivatedEIP(2935)) writeParentHash(layer, header);
    },
    async apply(tx: Transaction): Promise<TransactionOutcome> {
      const outcome = await runTransaction(machine, tx, environment, gasLeft, rules);
      if (outcome.ok) gasLeft -= outcome.gasUsed;
      return outcome;
    },
  };
}
