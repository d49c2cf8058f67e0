/** What makes blocks of an OpenLedger network final. */
import { BatchError } from "../../bridge/batch.ts";
import { equalsBytes } from "../../core/bytes.ts";
import { type Head, readBlock, readBlockHash } from "../chain-store.ts";
import { certificates } from "../finality-store.ts";
import { type BatchRules, finalizing } from "../l1/batch-rules.ts";
import { type Findings, turn } from "./findings.ts";
import { certificateProblem } from "./import.ts";
import type { VerifyParts } from "./verify.ts";

/** Each finalizes the block that it is kept for, by the validators of the block's epoch. */
export async function checkCertificates(parts: VerifyParts, head: Head, findings: Findings): Promise<void> {
  const { reader } = parts.store;
  const rules = rulesOf(parts);
  await findings.reading(async () => {
    for await (const { number, certificate } of certificates(parts.store)) {
      findings.compared++;
      if (number > head.number) findings.fail(`a certificate is kept for block ${number}, which is above the head`);
      const hash = await findings.reading(() => readBlockHash(reader, number));
      if (hash === undefined) continue;
      try {
        const isChecked = finalizing({ certificate }, number, hash, rules) !== undefined;
        findings.expect(isChecked, `block ${number}: the validators of its epoch are not known`);
      } catch (error) {
        if (!(error instanceof BatchError)) throw error;
        findings.fail(`block ${number}: ${certificateProblem(error)}`);
      }
      if (findings.compared % 64 === 0) await turn();
    }
  });
}

/** The set of each epoch is the one that the last block of the epoch before names. */
export async function checkValidatorSets(parts: VerifyParts, head: Head, findings: Findings): Promise<void> {
  const { reader } = parts.store;
  const { epochBlocks, setOf } = rulesOf(parts);
  for (let epoch = 1n; epoch * epochBlocks - 1n <= head.number; epoch++) {
    const last = epoch * epochBlocks - 1n;
    if (last < parts.firstBlock) continue;
    findings.compared++;
    const block = await findings.reading(() => readBlock(reader, last, parts.decode));
    const set = await findings.reading(() => setOf(Number(epoch)) ?? null);
    if (block === undefined || set === undefined) continue;
    const isRight = set !== null && equalsBytes(set.hash, block.header.extraData);
    findings.expect(isRight, `the validators of epoch ${epoch} are not those that block ${last} names`);
  }
}

function rulesOf({ finality }: VerifyParts): BatchRules {
  if (finality === undefined) throw new Error("a foreign chain has no certificates");
  return finality;
}
