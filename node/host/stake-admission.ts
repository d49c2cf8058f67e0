/** Takes only requests that the host's stake covers: what an answer locks must be free when it is committed. */
import { formatEther } from "viem";
import type { ChainReader } from "../../attribution/chain-reader.ts";
import { fromChain } from "../../attribution/host-checks.ts";
import type { Admission } from "../../attribution/model-host.ts";
import { Refusal } from "../../attribution/refusal.ts";
import type { Hex } from "../../core/bytes.ts";
import { feeWei } from "../../core/settlement.ts";
import type { HostLoop } from "./loop.ts";

export function stakeAdmission(chain: ChainReader, host: Hex, loop: HostLoop, maxUnsettled: number): Admission {
  /** Of answers that are being made. */
  let reservedWei = 0n;
  let reservations = 0;

  return {
    async reserve(inference, maxFeeWei) {
      const { id, requestedAt } = inference;
      const [{ stakeMultiple }, stake] = await fromChain(
        Promise.all([chain.parameters(requestedAt), chain.stakeOf(host)]),
      );
      if (loop.book.size + reservations >= maxUnsettled) {
        throw new Refusal("too-many-unsettled", `this host has ${maxUnsettled} answers under way; try again`);
      }
      const lockWei = maxFeeWei * stakeMultiple;
      const freeWei = stake.totalWei - stake.lockedWei - loop.book.pendingLockWei - reservedWei;
      if (lockWei > freeWei) {
        const [needed, free] = [formatEther(lockWei), formatEther(freeWei > 0n ? freeWei : 0n)];
        const message = `inference ${id} may lock ${needed} OPEN of this host's stake, and ${free} are free: wait, or ask for less with a smaller escrow`;
        throw new Refusal("stake-too-small", message);
      }
      reservedWei += lockWei;
      reservations++;
      const end = () => {
        reservedWei -= lockWei;
        reservations--;
      };
      return {
        release: end,
        signed(answer, request) {
          end();
          loop.signed(answer, request, feeWei(request, request.requestBytes, answer.outputBytes) * stakeMultiple);
        },
      };
    },
  };
}
