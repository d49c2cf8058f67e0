/**
 * Holds a record of GraphQL against what the chain proves: every value that is compared comes from a certified header,
 * by a proof of state, by the block's transactions or by its receipts. Neither server is believed.
 */
import type { Hex } from "../../core/bytes.ts";
import type { StoreClient } from "../data-cli/store-client.ts";
import { CertifiedChain, type Trust } from "./certified-chain.ts";
import { type Check, Checks, requireSame } from "./checks.ts";
import type { Ask } from "./endpoints.ts";
import { ProvenState } from "./proven-state.ts";
import { entities, type Lineage, type Place } from "./record.ts";
import { checkAnswer, checkContents, checkFile, checkSpans, checkWeights } from "./verify-answer.ts";
import { checkInference } from "./verify-inference.ts";
import { checkFee, checkPayments } from "./verify-payments.ts";
import { checkContribution, checkDatanet, checkGraph, checkModel } from "./verify-sources.ts";

export interface Verification {
  readonly ask: Ask;
  readonly trust: Trust;
  /** Bytes of the answer, where the auditor has them. */
  readonly output: Uint8Array | undefined;
  /** Where contents are read; none: they are not. */
  readonly stores: readonly StoreClient[];
  readonly onCheck: (check: Check) => void;
}

/** What the checks work with. */
export interface Audit {
  readonly lineage: Lineage;
  readonly chain: CertifiedChain;
  /** After the block that the record is as of. */
  readonly state: ProvenState;
}

export interface Verified {
  /** In the order in which they were made. */
  readonly checks: readonly Check[];
  /** One failed that all others rest on: those were not made. */
  readonly isCutShort: boolean;
}

export async function verify(lineage: Lineage, verification: Verification): Promise<Verified> {
  const { ask, trust, output, stores, onCheck } = verification;
  const checks = new Checks(onCheck);
  const chain = new CertifiedChain(ask, trust);
  const state = await trustedState(lineage, chain, verification, checks);
  const cutShort = () => ({ checks: checks.all, isCutShort: true });
  if (state === undefined) return cutShort();
  const audit: Audit = { lineage, chain, state };
  const inference = await checks.run("inference", () => checkInference(audit));
  if (inference === undefined) return cutShort();
  const answer = inference.batchId === 0n ? undefined : await checks.run("answer", () => checkAnswer(audit, inference));
  if (inference.batchId !== 0n && answer === undefined) return cutShort();

  const bytes = output ?? answer?.output;
  if (answer !== undefined) {
    if (output !== undefined) await checks.run("file", async () => checkFile(output, answer));
    await checks.run("spans", async () => checkSpans(inference, answer, bytes));
    await checks.run("weights", async () => checkWeights(audit, answer));
  }
  await checks.run("graph", async () => checkGraph(audit, inference, answer));
  await checks.runAll([
    ...entities(lineage, "Model").map((model) => ({ name: `model ${model.id}`, run: () => checkModel(audit, model) })),
    ...entities(lineage, "Contribution").map((contribution) => ({
      name: `contribution ${contribution.id}`,
      run: () => checkContribution(audit, contribution, inference, answer),
    })),
    ...entities(lineage, "Datanet").map((datanet) => ({
      name: `Datanet ${datanet.id}`,
      run: () => checkDatanet(audit, datanet),
    })),
  ]);
  if (answer !== undefined && bytes !== undefined && stores.length > 0) {
    await checks.run("contents", () => checkContents(audit, answer, bytes, stores));
  }
  if (answer !== undefined) await checks.run("fee", async () => checkFee(audit, inference, answer));
  await checks.run("payments", () => checkPayments(audit, inference, answer));
  return { checks: checks.all, isCutShort: false };
}

/** The proven state that the record has to agree with; undefined when a server does not show it. */
async function trustedState(
  lineage: Lineage,
  chain: CertifiedChain,
  { ask, trust }: Verification,
  checks: Checks,
): Promise<ProvenState | undefined> {
  const { asOf } = lineage;
  const validators = await checks.run("validators", async () => {
    const detail = await chain.followValidators(
      BigInt(asOf.number),
      placesOf(lineage).map(({ block }) => BigInt(block.number)),
    );
    return [detail, true];
  });
  if (validators === undefined) return undefined;
  const certified = await checks.run("certificate", async () => [await chain.certify(BigInt(asOf.number)), true]);
  if (certified === undefined) return undefined;
  return checks.run("index", async () => {
    const block = await chain.header(BigInt(asOf.number));
    requireSame([
      [`hash of block ${asOf.number}`, asOf.hash, hexOf(block.hash)],
      ["its time", asOf.timestamp, block.header.timestamp],
    ]);
    const state = new ProvenState(ask, block, trust.genesis.chainId);
    return [`block ${asOf.number} ${asOf.hash} is of this chain, state ${hexOf(block.header.stateRoot)}`, state];
  });
}

const hexOf = (bytes: Uint8Array): Hex => `0x${Buffer.from(bytes).toString("hex")}`;

/** Everything of the record that has a place in the chain. */
function placesOf({ root, nodes }: Lineage): Place[] {
  const of = [root, root.committed, root.closed, ...nodes.map(({ entity }) => entity)];
  return of.filter((item): item is Place => item !== null && "block" in item);
}
