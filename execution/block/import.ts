/**
 * Verifies a block that somebody else made, by executing it: the same code path as assembly. L1 is not asked: whether
 * the deposits, prevRandao and parentBeaconBlockRoot are those of the L1 origin is for those who vote.
 */
import { bytesToHex, EMPTY_BYTES, equalsBytes } from "../../core/bytes.ts";
import type { Header } from "../../core/chain.ts";
import { type ChainRules, isLastOfEpoch } from "../rules.ts";
import type { SealedState } from "../state/types.ts";
import { nextBaseFee } from "./base-fee.ts";
import { type DecodedBlock, decodeBlock } from "./block-codec.ts";
import { attributesFailure, checkDeposits } from "./deposits.ts";
import { type ExecutionParts, NO_L1_ORIGIN, OpenBlock, type ParentBlock, type ProducedBlock } from "./execute.ts";
import { protocolFields } from "./header.ts";

export interface ImportInput extends ExecutionParts {
  readonly parent: ParentBlock;
  /** After `parent`. */
  readonly state: SealedState;
  /** As it travels. */
  readonly raw: Uint8Array;
}

export type ImportedBlock =
  | ({ readonly ok: true } & ProducedBlock)
  /** `reason` names the field or transaction, what it is and what it has to be. */
  | { readonly ok: false; readonly reason: string };

/** Bounded work on any bytes. Rejects only on damaged storage or a defect. */
export async function importBlock(input: ImportInput): Promise<ImportedBlock> {
  const { raw, rules, parent, state } = input;
  if (raw.length > rules.blockBytes) {
    return refuse(`block has ${raw.length} bytes, at most ${rules.blockBytes} are allowed`);
  }
  const decoded = decodeBlock(raw, rules.chainId);
  if (!decoded.ok) return decoded;
  const { block } = decoded;
  const early = checkBeforeExecution(block.header, parent, rules);
  if (early !== undefined) return refuse(early);
  const { timestamp } = block.header;
  const deposits = checkDeposits({ transactions: block.transactions, timestamp }, state.reader, rules);
  if (!deposits.ok) return deposits;

  const open = new OpenBlock(input, parent, state, block.header, deposits.l1);
  const beginning = open.begin();
  if (beginning !== undefined) await beginning;
  for (const [index, tx] of block.transactions.entries()) {
    const pausing = input.pause?.();
    if (pausing !== undefined) await pausing;
    const running = open.apply(tx);
    const outcome = running instanceof Promise ? await running : running;
    const refusal = !outcome.ok ? outcome.message : index === 0 ? attributesFailure(deposits.l1, outcome) : undefined;
    if (refusal !== undefined) {
      open.abandon();
      return refuse(`transaction ${index}: ${refusal}`);
    }
  }
  const produced = open.seal();
  const late = firstDifference(block, produced.block);
  return late === undefined ? { ok: true, ...produced } : refuse(late);
}

const refuse = (reason: string): ImportedBlock => ({ ok: false, reason });

/** A header that follows from the rules has all fields and none of Amsterdam's, so what says so is none of them. */
type Field = Exclude<keyof Header, "fieldCount" | "blockAccessListHash" | "slotNumber">;

/** What follows from the parent and the rules: cheap, so it comes first. */
export function checkBeforeExecution(header: Header, parent: ParentBlock, rules: ChainRules): string | undefined {
  const number = parent.header.number + 1n;
  const { epochBlocks } = rules;
  const expected: Partial<Header> = {
    parentHash: parent.hash,
    number,
    gasLimit: rules.gasLimit,
    baseFeePerGas: nextBaseFee(parent.header, rules),
    ...(rules.l1 === undefined && NO_L1_ORIGIN),
    ...protocolFields,
    // That of an epoch's last block is known only after its first step.
    ...(epochBlocks !== undefined && !isLastOfEpoch(number, epochBlocks) && { extraData: EMPTY_BYTES }),
  };
  for (const [field, value] of Object.entries(expected) as [Field, Header[Field]][]) {
    if (!same(header[field], value)) return mismatch(field, header[field], value);
  }
  if (header.timestamp < parent.header.timestamp) {
    return `timestamp is ${header.timestamp}, before the parent's ${parent.header.timestamp}`;
  }
  return undefined;
}

/** In the order in which a difference explains most. */
const EXECUTED_FIELDS = [
  "extraData",
  "transactionsRoot",
  "gasUsed",
  "receiptsRoot",
  "logsBloom",
  "withdrawalsRoot",
  "stateRoot",
] as const satisfies readonly Field[];

function firstDifference(given: DecodedBlock, computed: DecodedBlock): string | undefined {
  for (const field of EXECUTED_FIELDS) {
    if (!same(given.header[field], computed.header[field])) {
      return mismatch(field, given.header[field], computed.header[field]);
    }
  }
  if (equalsBytes(given.hash, computed.hash)) return undefined;
  // Every field has been compared or taken over, so equal fields must hash equally.
  throw new Error(`block ${given.header.number} equals its execution but hashes differently`);
}

function same(a: bigint | Uint8Array, b: bigint | Uint8Array): boolean {
  return a instanceof Uint8Array && b instanceof Uint8Array ? equalsBytes(a, b) : a === b;
}

function mismatch(field: string, have: bigint | Uint8Array, want: bigint | Uint8Array): string {
  return `${field} is ${show(have)} instead of ${show(want)}`;
}

const show = (value: bigint | Uint8Array): string => (value instanceof Uint8Array ? bytesToHex(value) : String(value));
