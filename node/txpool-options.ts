/**
 * Options of the transaction pool, by geth's names, and what they come to. The defaults are DEFAULT_MEMPOOL_LIMITS,
 * written out: help texts load nothing of the pool.
 */
import type { MempoolLimits } from "../execution/mempool/rules.ts";
import { integerOf, type OptionSpec } from "./option-spec.ts";

export interface TxpoolConfig {
  readonly limits: Partial<MempoolLimits>;
  /** Undefined: what is submitted here is not kept. */
  readonly locals:
    | {
        /** Undefined: in the data directory. */
        readonly journal: string | undefined;
        readonly rejournalMs: number;
      }
    | undefined;
}

const integer = integerOf("Transaction pool");

export const TXPOOL_OPTIONS = {
  "txpool.accountslots": integer(
    16,
    100_000,
    "N",
    "Transactions of an account, ready to include, that no other account's number displaces",
  ),
  "txpool.globalslots": integer(
    5_120,
    1_000_000,
    "SLOTS",
    "Transactions that are ready to include, in slots of 32 KiB",
  ),
  "txpool.accountqueue": integer(64, 100_000, "N", "Transactions of an account that wait for one with a lower nonce"),
  "txpool.globalqueue": integer(
    1_024,
    1_000_000,
    "SLOTS",
    "Transactions that wait for one with a lower nonce, in slots of 32 KiB",
  ),
  "txpool.lifetime": integer(10_800, 31_536_000, "SECONDS", "Longest wait for one with a lower nonce, in seconds"),
  "txpool.pricelimit": integer(
    1,
    Number.MAX_SAFE_INTEGER,
    "WEI",
    "Lowest priority fee a unit of gas, in wei; 0 takes transactions without one",
    0,
  ),
  "txpool.pricebump": integer(
    10,
    10_000,
    "PERCENT",
    "How much more, in percent, a transaction must offer to replace one with its nonce",
  ),
  "txpool.nolocals": {
    type: "boolean",
    default: "false",
    group: "Transaction pool",
    help: "Do not keep what is submitted to this node when the pool loses it or the node restarts",
  },
  "txpool.journal": {
    type: "path",
    value: "FILE",
    group: "Transaction pool",
    help: "Where it is kept (default: transactions.journal in the data directory)",
  },
  "txpool.rejournal": integer(
    3_600,
    31_536_000,
    "SECONDS",
    "Time until the journal is made anew without what is in blocks, in seconds",
  ),
} as const satisfies Record<string, OptionSpec>;

export const txpoolOptions = Object.keys(TXPOOL_OPTIONS) as (keyof typeof TXPOOL_OPTIONS)[];

/** Undefined where a command has none of the options. */
export function txpoolConfig(
  values: Readonly<Partial<Record<keyof typeof TXPOOL_OPTIONS, unknown>>>,
): TxpoolConfig | undefined {
  const number = (name: keyof typeof TXPOOL_OPTIONS) => values[name] as number;
  if (values["txpool.globalslots"] === undefined) return undefined;
  return {
    limits: {
      senderPending: number("txpool.accountslots"),
      pendingSlots: number("txpool.globalslots"),
      senderQueued: number("txpool.accountqueue"),
      queuedSlots: number("txpool.globalqueue"),
      lifetimeMs: number("txpool.lifetime") * 1_000,
      minTipWei: BigInt(number("txpool.pricelimit")),
      priceBumpPercent: BigInt(number("txpool.pricebump")),
    },
    locals:
      values["txpool.nolocals"] === true
        ? undefined
        : {
            journal: values["txpool.journal"] as string | undefined,
            rejournalMs: number("txpool.rejournal") * 1_000,
          },
  };
}
