/**
 * Blocks from a file into a chain: each is executed, and what its header says must come out. A chain of our own takes
 * only what certificates in the file finalize; a foreign chain takes what is valid. What is here already is compared and
 * passed over, so that an import that was interrupted goes on when it is run again.
 */
import { BatchError } from "../../bridge/batch.ts";
import { bytesToHex, equalsBytes } from "../../core/bytes.ts";
import { keccak256 } from "../../core/crypto.ts";
import { RlpError, rlpChildren, rlpDecode, rlpUint, rlpValue, rlpWhole } from "../../core/rlp.ts";
import { InvalidForeignBlock } from "../../execution/foreign/execute.ts";
import type { Chain } from "../chain.ts";
import type { Head } from "../chain-store.ts";
import { OperationError } from "../errors.ts";
import type { ForeignChain } from "../foreign/chain.ts";
import { type BatchRules, finalizing } from "../l1/batch-rules.ts";
import { readItems } from "./blocks-file.ts";

export interface ImportReport {
  /** Blocks that were there already. */
  readonly known: number;
  readonly added: number;
  readonly head: Head;
  /** Blocks at the end of the file that no certificate finalizes. */
  readonly unfinal: number;
  readonly isInterrupted: boolean;
}

export interface ImportWatch {
  readonly isStopping: () => boolean;
  /** After each block. */
  readonly onBlock: (number: bigint) => void;
}

/** Rejects with OperationError, or on a store that fails; what was added before that stays. */
export async function importForeign(chain: ForeignChain, file: string, watch: ImportWatch): Promise<ImportReport> {
  let [known, added, isInterrupted] = [0, 0, false];
  try {
    for await (const { bytes, isList } of readItems(file)) {
      if (watch.isStopping()) {
        isInterrupted = true;
        break;
      }
      if (!isList) throw new OperationError(`${file} is of an OpenLedger network: it has certificates between blocks`);
      const { number, hash } = headOf(bytes, file);
      if (number <= chain.tip.number) {
        requireSame(file, number, hash, chain.hashAt(number));
        known++;
      } else {
        await chain.add(bytes);
        added++;
      }
      watch.onBlock(number);
    }
  } catch (error) {
    await chain.flush();
    if (error instanceof InvalidForeignBlock) throw new OperationError(`${file}: ${error.message}`, { cause: error });
    throw error;
  }
  await chain.flush();
  return { known, added, head: chain.head, unfinal: 0, isInterrupted };
}

/** As above. */
export async function importOwn(
  chain: Chain,
  file: string,
  rules: BatchRules,
  watch: ImportWatch,
): Promise<ImportReport> {
  let [known, added, isInterrupted] = [0, 0, false];
  /** Executed, above the head. */
  let waiting: Head[] = [];
  for await (const { item, next } of withNext(readItems(file))) {
    const { bytes, isList } = item;
    if (watch.isStopping()) {
      isInterrupted = true;
      break;
    }
    if (!isList) {
      const last = waiting.at(-1);
      if (last === undefined) continue; // of a block that was here
      await finalize(chain, file, last, bytes, rules);
      added += waiting.length;
      waiting = [];
      continue;
    }
    const head = headOf(bytes, file);
    if (head.number <= chain.head.number) {
      requireSame(file, head.number, head.hash, chain.hashAt(head.number));
      known++;
    } else {
      const parent = waiting.at(-1) ?? chain.head;
      for (const { bytes, isList } of next) if (isList) chain.expect(bytes);
      const verified = await chain.verify(bytes, parent.hash);
      if (!verified.ok) throw new OperationError(`${file}: block ${head.number} is invalid: ${verified.reason}`);
      waiting.push(head);
    }
    watch.onBlock(head.number);
  }
  return { known, added, head: chain.head, unfinal: waiting.length, isInterrupted };
}

/** A block, its certificate, and the block after it. */
const LOOK_AHEAD = 2;

/** Each item, and those after it: fewer at the end, and before one that cannot be read, which is told of in its turn. */
async function* withNext<T>(
  items: AsyncIterable<T>,
): AsyncGenerator<{ readonly item: T; readonly next: readonly T[] }> {
  const window: T[] = [];
  let failure: unknown;
  try {
    for await (const item of items) {
      window.push(item);
      if (window.length > LOOK_AHEAD) yield { item: window.shift()!, next: window };
    }
  } catch (error) {
    failure = error;
  }
  while (window.length > 0) yield { item: window.shift()!, next: window };
  if (failure !== undefined) throw failure;
}

async function finalize(
  chain: Chain,
  file: string,
  { number, hash }: Head,
  item: Uint8Array,
  rules: BatchRules,
): Promise<void> {
  let certificate: Uint8Array;
  try {
    certificate = rlpDecode(item) as Uint8Array;
    if (finalizing({ certificate }, number, hash, rules) === undefined) {
      throw new OperationError(`${file}: block ${number} is of an epoch whose validators are not known yet`);
    }
  } catch (error) {
    if (error instanceof RlpError) {
      throw new OperationError(`${file}: what follows block ${number} is no certificate: ${error.message}`, {
        cause: error,
      });
    }
    if (!(error instanceof BatchError)) throw error;
    throw new OperationError(`${file}: block ${number}: ${certificateProblem(error)}`, { cause: error });
  }
  await chain.commitThrough(hash, certificate);
}

/** Of one block, where the error's words are of a batch of them. */
export const certificateProblem = ({ message }: BatchError): string =>
  message.replace(/^batch: /, "").replace("its last block", "it");

/** Number and hash of a block, of which only the header is looked at. Throws OperationError. */
export function headOf(raw: Uint8Array, file: string): Head {
  try {
    const header = rlpChildren(raw, rlpWhole(raw))[0];
    if (header === undefined) throw new RlpError("block has no header");
    const number = rlpChildren(raw, header)[8];
    if (number === undefined) throw new RlpError("header has no number");
    return {
      number: rlpUint(rlpValue(raw, number), 8, "number"),
      hash: keccak256(raw.subarray(header.start, header.end)),
    };
  } catch (error) {
    if (error instanceof RlpError) throw new OperationError(`${file} is no file of RLP blocks: ${error.message}`);
    throw error;
  }
}

function requireSame(file: string, number: bigint, have: Uint8Array, want: Uint8Array | undefined): void {
  if (want !== undefined && equalsBytes(have, want)) return;
  const instead = want === undefined ? "which is not here" : `which is ${bytesToHex(want)} here`;
  throw new OperationError(`${file} is of another chain: it has ${bytesToHex(have)} as block ${number}, ${instead}`);
}
