/** Blocks and their indexes: what each header names, and what leads to a block. */
import { bytesToHex, equalsBytes } from "../../core/bytes.ts";
import type { ExecutedBlock } from "../../core/chain.ts";
import { keccak256 } from "../../core/crypto.ts";
import { rlpEncode, rlpListOf } from "../../core/rlp.ts";
import { hasWithdrawals } from "../../execution/block/block-codec.ts";
import { unionOfBlooms } from "../../execution/block/bloom.ts";
import { encodeHeader } from "../../execution/block/header.ts";
import { orderedRoot } from "../../execution/block/ordered-root.ts";
import { encodeReceipt } from "../../execution/block/receipt-codec.ts";
import { countIndexed, type Head, readBlock, readNumber, readRaw, readTransactionPlace } from "../chain-store.ts";
import { type Findings, turn } from "./findings.ts";
import type { VerifyParts } from "./verify.ts";

/** Genesis, and all from the first block on. */
function* numbers({ firstBlock }: VerifyParts, head: Head): Generator<bigint> {
  yield 0n;
  for (let number = firstBlock > 1n ? firstBlock : 1n; number <= head.number; number++) yield number;
}

/** Each decodes, stands on the one before, and has the contents that its header names. */
export async function checkBlocks(parts: VerifyParts, head: Head, findings: Findings): Promise<void> {
  const { store, decode, decodeAnew } = parts;
  let previous: ExecutedBlock | undefined;
  for (const number of numbers(parts, head)) {
    findings.compared++;
    const block = await findings.reading(() => readBlock(store.reader, number, decode));
    const raw = await findings.reading(() => readRaw(store.reader, number));
    if (block === undefined || raw === undefined) {
      findings.expect(block !== undefined || findings.failed > 0, `block ${number} is missing`);
      previous = undefined;
      continue;
    }
    for (const problem of problemsOf(block)) findings.fail(`block ${number}: ${problem}`);
    const anew = decodeAnew(raw);
    const sendersMatch =
      anew.ok && anew.block.transactions.every(({ from }, index) => equalsBytes(from, block.transactions[index]!.from));
    findings.expect(sendersMatch, `block ${number}: a stored sender did not sign its transaction`);
    if (previous !== undefined && previous.header.number === number - 1n) {
      const stands = equalsBytes(block.header.parentHash, previous.hash);
      findings.expect(stands, `block ${number} does not stand on block ${number - 1n}`);
    }
    if (number === head.number) {
      findings.expect(equalsBytes(block.hash, head.hash), `the head is listed as ${bytesToHex(head.hash)}`);
    }
    previous = block;
    if (number % 256n === 0n) await turn();
  }
}

function problemsOf({ hash, header, transactions, receipts, foreign }: ExecutedBlock): string[] {
  const checks: readonly (readonly [boolean, string])[] = [
    [equalsBytes(keccak256(encodeHeader(header)), hash), "its header does not hash to its hash"],
    [
      equalsBytes(orderedRoot(transactions.map(({ raw }) => raw)), header.transactionsRoot),
      "transactionsRoot is wrong",
    ],
    [equalsBytes(orderedRoot(receipts.map(encodeReceipt)), header.receiptsRoot), "receiptsRoot is wrong"],
    [equalsBytes(unionOfBlooms(receipts.map(({ logsBloom }) => logsBloom)), header.logsBloom), "logsBloom is wrong"],
    [(receipts.at(-1)?.cumulativeGasUsed ?? 0n) === header.gasUsed, "gasUsed is wrong"],
    [equalsBytes(unclesHash(foreign), header.uncleHash), "uncleHash is wrong"],
    [foreign === undefined || withdrawalsMatch(header, foreign), "withdrawalsRoot is wrong"],
  ];
  return checks.flatMap(([isRight, problem]) => (isRight ? [] : [problem]));
}

const unclesHash = (foreign: ExecutedBlock["foreign"]): Uint8Array =>
  keccak256(rlpListOf((foreign?.uncles ?? []).map(encodeHeader)));

function withdrawalsMatch(
  header: ExecutedBlock["header"],
  { withdrawals }: NonNullable<ExecutedBlock["foreign"]>,
): boolean {
  if (!hasWithdrawals(header)) return true;
  const encoded = withdrawals.map(({ index, validatorIndex, address, amountGwei }) =>
    rlpEncode([index, validatorIndex, address, amountGwei]),
  );
  return equalsBytes(orderedRoot(encoded), header.withdrawalsRoot);
}

/** Hashes lead to their blocks and transactions to their places, and nothing else is listed. */
export async function checkIndexes(parts: VerifyParts, head: Head, findings: Findings): Promise<void> {
  const { store, decode } = parts;
  let [blocks, transactions] = [0, 0];
  for (const number of numbers(parts, head)) {
    const block = await findings.reading(() => readBlock(store.reader, number, decode));
    if (block === undefined) continue;
    blocks++;
    transactions += block.transactions.length;
    const listed = await findings.reading(() => readNumber(store.reader, block.hash));
    findings.expect(listed === number, `the hash of block ${number} leads to ${listed ?? "nothing"}`);
    for (const [index, { hash }] of block.transactions.entries()) {
      const place = await findings.reading(() => readTransactionPlace(store.reader, hash));
      const isRight = place?.number === number && place.index === index;
      findings.expect(isRight, `transaction ${bytesToHex(hash)} of block ${number} is not listed at its place`);
    }
    if (number % 256n === 0n) await turn();
  }
  findings.compared = blocks + transactions;
  const listed = await countIndexed(store);
  findings.expect(listed.blocks === blocks, `${listed.blocks} blocks are listed, ${blocks} are there`);
  findings.expect(
    listed.transactions === transactions,
    `${listed.transactions} transactions are listed, ${transactions} are there`,
  );
}
