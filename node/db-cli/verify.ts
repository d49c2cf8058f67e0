/**
 * Checks of a chain database: what is stored against what it must be. Each says how much it compared and what is wrong;
 * none changes anything, and none believes another.
 */
import type { LevelStore } from "../../execution/state/level-store.ts";
import { HISTORY_KEY } from "../../execution/state/prune-tables.ts";
import { type BlockDecoder, type Head, readHead } from "../chain-store.ts";
import { DataError } from "../errors.ts";
import type { BatchRules } from "../l1/batch-rules.ts";
import { Findings } from "./findings.ts";
import { checkBlocks, checkIndexes } from "./verify-blocks.ts";
import { checkCertificates, checkValidatorSets } from "./verify-finality.ts";
import { checkCounts, checkPrunedStates } from "./verify-history.ts";
import { checkEarlierStates, checkHeadState } from "./verify-state.ts";

export interface CheckResult {
  readonly name: string;
  readonly compared: number;
  /** The first of them, one line each. */
  readonly failures: readonly string[];
  readonly failed: number;
}

export interface VerifyParts {
  readonly store: LevelStore;
  readonly decode: BlockDecoder;
  /** Recovers senders: the stored ones are not believed. */
  readonly decodeAnew: (raw: Uint8Array) => ReturnType<BlockDecoder>;
  /** The lowest block besides genesis. */
  readonly firstBlock: bigint;
  /** Of a network of our own. */
  readonly finality: BatchRules | undefined;
  /** States below the head. */
  readonly samples: number;
  readonly onProgress?: (what: string) => void;
}

type Check = (parts: VerifyParts, head: Head, findings: Findings) => Promise<void>;

const CHECKS: readonly (readonly [string, Check])[] = [
  ["blocks", checkBlocks],
  ["indexes of blocks and transactions", checkIndexes],
  ["state of the head", checkHeadState],
  ["earlier states", checkEarlierStates],
];

/** Of a network of our own. */
const FINALITY_CHECKS: typeof CHECKS = [
  ["certificates", checkCertificates],
  ["validator sets", checkValidatorSets],
];

/** Where states are counted. */
const HISTORY_CHECKS: typeof CHECKS = [
  ["counts of trie nodes", checkCounts],
  ["withdrawals at pruned states", checkPrunedStates],
];

/** One result a check, as each ends. Rejects on a store that cannot be read at all. */
export async function* verifyDatabase(parts: VerifyParts): AsyncGenerator<CheckResult> {
  const head = readHead(parts.store.reader);
  if (head === undefined) throw new DataError("the data directory has no chain yet");
  const further = [
    ...(parts.finality === undefined ? [] : FINALITY_CHECKS),
    ...(parts.store.reader.get(HISTORY_KEY) === undefined ? [] : HISTORY_CHECKS),
  ];
  for (const [name, check] of [...CHECKS, ...further]) {
    parts.onProgress?.(name);
    const findings = new Findings();
    await check(parts, head, findings);
    const { compared, failures, failed } = findings;
    yield { name, compared, failures, failed };
  }
}
