import { expect, test } from "vitest";
import { DEFAULT_MEMPOOL_LIMITS } from "../execution/mempool/rules.ts";
import { readOptions } from "./config.ts";
import { txpoolConfig, txpoolOptions } from "./txpool-options.ts";

const configOf = (...args: string[]) => txpoolConfig(readOptions(args, {}, txpoolOptions));

test("without options the pool has its own limits, and keeps what is submitted here", () => {
  const { transactionBytes, ...limits } = DEFAULT_MEMPOOL_LIMITS;
  expect(configOf()).toEqual({ limits, locals: { journal: undefined, rejournalMs: 3_600_000 } });
});

test("each option has its effect", () => {
  const limits = ["accountslots", "globalslots", "accountqueue", "globalqueue", "lifetime", "pricebump"];
  const args = limits.flatMap((name, i) => [`--txpool.${name}`, String(i + 1)]);
  expect(configOf(...args, "--txpool.pricelimit", "0", "--txpool.journal", "/x", "--txpool.rejournal", "5")).toEqual({
    limits: {
      senderPending: 1,
      pendingSlots: 2,
      senderQueued: 3,
      queuedSlots: 4,
      lifetimeMs: 5_000,
      priceBumpPercent: 6n,
      minTipWei: 0n,
    },
    locals: { journal: "/x", rejournalMs: 5_000 },
  });
  expect(configOf("--txpool.nolocals")?.locals).toBeUndefined();
});

test("a command without them leaves the pool as it is", () => {
  expect(txpoolConfig({})).toBeUndefined();
});
