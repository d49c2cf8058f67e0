/** Asks GraphQL as an auditor would, and holds its answers against the chain. */
import { type Address, formatEther, type Hex, parseEventLogs } from "viem";
import { attributionAbi } from "../precompiles/interfaces/attribution.abi.ts";
import type { Contribution } from "./datanet.ts";
import type { SettledInference } from "./model.ts";
import { check, line, table } from "./report.ts";
import { type Actor, type Session, succeeded } from "./session.ts";

const ATTRIBUTION = { address: "0x0000000000000000000000000000000000000903", abi: attributionAbi } as const;
const PPM = 1_000_000;

async function ask<T>(url: string, query: string, variables: Record<string, unknown> = {}): Promise<T> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = (await response.json()) as { data: T; errors?: { message: string }[] };
  if (errors !== undefined) throw new Error(`GraphQL: ${errors.map((error) => error.message).join("; ")}`);
  return data;
}

/** The index follows the chain by itself; this waits until it holds the head. */
async function waitForIndex({ client }: Session, url: string): Promise<void> {
  const head = await client.getBlockNumber({ cacheTime: 0 });
  const giveUpAtMs = Date.now() + 30_000;
  for (;;) {
    const { _meta } = await ask<{ _meta: { block: { number: string } } }>(url, "{ _meta { block { number } } }");
    if (BigInt(_meta.block.number) >= head) return;
    if (Date.now() > giveUpAtMs) throw new Error(`the index did not reach block ${head}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

interface Lineage {
  readonly outputByRoot: { readonly id: string } | null;
  readonly lineage: {
    readonly asOf: { readonly number: string };
    readonly root: {
      readonly fee: string;
      readonly outputBytes: string;
      readonly coveredBytes: string;
      readonly contributorsPaid: string;
      readonly model: { readonly name: string; readonly licence: string };
      readonly rewards: readonly { readonly amount: string; readonly kind: string }[];
    };
    readonly attributions: readonly {
      readonly weight: string;
      readonly weightPpm: number;
      readonly licence: string;
      readonly paid: string;
      readonly contributor: { readonly address: Address };
      readonly contribution: { readonly id: string; readonly contentRoot: Hex };
      readonly datanet: { readonly name: string };
      readonly spans: readonly { readonly length: number }[];
    }[];
  } | null;
}

const LINEAGE = `query ($id: ID!, $root: Bytes!) {
  outputByRoot(root: $root) { id }
  lineage(output: $id) {
    asOf { number }
    root { fee outputBytes coveredBytes contributorsPaid model { name licence } rewards { amount kind } }
    attributions {
      weight weightPpm licence paid
      contributor { address } contribution { id contentRoot } datanet { name } spans { length }
    }
  }
}`;

export async function auditLineage(
  session: Session,
  url: string,
  inference: SettledInference,
  contributions: readonly Contribution[],
): Promise<void> {
  await waitForIndex(session, url);
  const { outputByRoot, lineage } = await ask<Lineage>(url, LINEAGE, {
    id: inference.id.toString(),
    root: inference.outputRoot,
  });
  check(outputByRoot !== null, "the output is found by its root");
  if (lineage === null) throw new Error(`GraphQL knows no lineage of inference ${inference.id}`);
  const { root, attributions } = lineage;
  line(`output ${inference.outputRoot}`);
  line(
    `${root.coveredBytes} of ${root.outputBytes} bytes repeat data of model "${root.model.name}" (${root.model.licence}), as of block ${lineage.asOf.number}`,
  );
  const titles = new Map(contributions.map(({ id, text }) => [id.toString(), text.title]));
  table([
    ["weight", "share", "paid (OPEN)", "licence", "contributor", "contribution"],
    ...attributions.map(({ weight, weightPpm, paid, licence, contributor, contribution }) => [
      weight,
      `${(weightPpm / 10_000).toFixed(2)} %`,
      formatEther(BigInt(paid)),
      licence,
      `${contributor.address.slice(0, 8)}…`,
      `${contribution.id} ${titles.get(contribution.id) ?? "?"}`,
    ]),
  ]);
  const accounts = new Set(attributions.map(({ contributor }) => contributor.address));
  check(
    attributions.length >= 3 && accounts.size >= 3,
    `it draws on ${attributions.length} contributions of ${accounts.size} accounts`,
  );
  check(attributions.reduce((sum, { weightPpm }) => sum + weightPpm, 0) === PPM, "shares sum to 1,000,000 ppm");
  const paid = attributions.reduce((sum, attribution) => sum + BigInt(attribution.paid), 0n);
  check(paid === BigInt(root.contributorsPaid), "what the contributions were paid sums to the contributors' part");
  const rewards = root.rewards.reduce((sum, reward) => sum + BigInt(reward.amount), 0n);
  check(rewards === inference.feeWei && BigInt(root.fee) === rewards, "all shares sum to the fee");
  const isKnown = attributions.every(({ contribution }) =>
    contributions.some(
      ({ id, root: contentRoot }) => id.toString() === contribution.id && contentRoot === contribution.contentRoot,
    ),
  );
  check(isKnown, "each contribution has the content root that was submitted");
}

interface History {
  readonly contributor: {
    readonly accrued: string;
    readonly claimed: string;
    readonly claimable: string;
    readonly rewards: {
      readonly totalCount: number;
      readonly nodes: readonly {
        readonly amount: string;
        readonly weight: string;
        readonly block: { readonly number: string };
        readonly inference: { readonly id: string };
        readonly contribution: { readonly id: string };
      }[];
    };
  };
}

const HISTORY = `query ($address: Address!) {
  contributor(address: $address) {
    accrued claimed claimable
    rewards(first: 1000, kind: CONTRIBUTOR) { totalCount nodes { amount weight block { number } inference { id } contribution { id } } }
  }
}`;

/** Wei of priority fees that the account got for making the block: a devnet's first accounts are its validators' too. */
async function tipsOf({ client }: Session, address: Address, blockNumber: bigint): Promise<bigint> {
  const { miner, baseFeePerGas, transactions } = await client.getBlock({ blockNumber });
  if (miner.toLowerCase() !== address.toLowerCase()) return 0n;
  const receipts = await Promise.all(transactions.map((hash) => client.getTransactionReceipt({ hash })));
  // Deposits pay no fees at all.
  const paying = receipts.filter(({ effectiveGasPrice }) => effectiveGasPrice >= baseFeePerGas!);
  return paying.reduce((sum, receipt) => sum + receipt.gasUsed * (receipt.effectiveGasPrice - baseFeePerGas!), 0n);
}

/** Claims for each contributor and prints its history; returns the wei claimed. */
export async function auditRewards(session: Session, url: string, contributors: readonly Actor[]): Promise<bigint> {
  const claims = [];
  for (const actor of contributors) {
    const accrued = await session.client.readContract({
      ...ATTRIBUTION,
      functionName: "accrued",
      args: [actor.address],
    });
    if (accrued === 0n) continue;
    const hash = await actor.send({ ...ATTRIBUTION, functionName: "claim", args: [actor.address] });
    claims.push({ actor, accrued, hash });
  }
  let total = 0n;
  for (const { actor, accrued, hash } of claims) {
    const receipt = await succeeded(session.client, hash);
    const { blockNumber } = receipt;
    const { address } = actor;
    const before = await session.client.getBalance({ address, blockNumber: blockNumber - 1n });
    const after = await session.client.getBalance({ address, blockNumber });
    const gasWei = receipt.gasUsed * receipt.effectiveGasPrice - (await tipsOf(session, address, blockNumber));
    const [claimed] = parseEventLogs({ abi: attributionAbi, eventName: "RewardClaimed", logs: receipt.logs });
    check(
      claimed?.args.amount === accrued && after === before + accrued - gasWei,
      `${actor.name} claims ${formatEther(accrued)} OPEN, and its balance grows by it less gas`,
    );
    total += accrued;
  }
  await waitForIndex(session, url);
  for (const { actor } of claims) {
    const { contributor } = await ask<History>(url, HISTORY, { address: actor.address });
    line("");
    line(`${actor.name} ${actor.address}: earned ${formatEther(BigInt(contributor.accrued))} OPEN`);
    table([
      ["block", "output", "contribution", "weight", "OPEN"],
      ...contributor.rewards.nodes.map(({ amount, weight, block, inference, contribution }) => [
        block.number,
        inference.id,
        contribution.id,
        weight,
        formatEther(BigInt(amount)),
      ]),
    ]);
    const sum = contributor.rewards.nodes.reduce((wei, reward) => wei + BigInt(reward.amount), 0n);
    check(
      sum === BigInt(contributor.accrued) &&
        contributor.claimed === contributor.accrued &&
        contributor.claimable === "0",
      `its ${contributor.rewards.totalCount} rewards sum to what it accrued and claimed`,
    );
  }
  return total;
}
