/** Random histories of several actors: after every step all money is accounted for, and no account is short. */
import * as fc from "fast-check";
import type { Hex } from "viem";
import { expect, test } from "vitest";
import { type Challenge, challengeCall, chunksOf } from "../../attribution/challenge.ts";
import {
  ATTRIBUTION_ADDRESS,
  DATANET_ADDRESS,
  MODELS_ADDRESS,
  STAKERS_ESCROW_ADDRESS,
  TREASURY_ADDRESS,
} from "../../core/addresses.ts";
import { bytesToHex, concatBytes } from "../../core/bytes.ts";
import type { Span } from "../../core/span-rule.ts";
import {
  claimOf,
  commitArgs,
  commitmentOf,
  modelArgs,
  REQUEST_ROOT,
  revealArgs,
  rootOf,
  SALT,
  sign,
  spansHashOf,
  text,
} from "../helpers/precompile-story.ts";
import { type Actor, actor, type Target, World } from "../helpers/precompile-world.ts";

const ACTORS = ["a", "b", "c", "d"].map(actor);
const CONTENTS = [
  "alpha beta gamma delta epsilon zeta",
  "one two three four five six seven",
  "pack my box with jugs",
].map(text);
const OUTPUT = concatBytes(CONTENTS[0]!, text(" "), CONTENTS[1]!);
const START_BALANCE = 10n ** 20n;

interface Committed {
  readonly id: bigint;
  readonly host: Actor;
  readonly spans: readonly Span[];
}

/** What the chain's clients know: only used to aim, never to judge. */
interface Knowledge {
  datanets: bigint;
  contributions: bigint;
  models: bigint;
  inferences: bigint;
  readonly committed: Committed[];
  readonly demands: (readonly unknown[])[];
  voided: number;
}

const small = fc.nat(3);
const operation = fc.record({
  kind: fc.constantFrom(
    "datanet",
    "offer",
    "offer",
    "offer",
    "review",
    "review",
    "review",
    "withdraw",
    "publish",
    "model",
    "join",
    "stake",
    "unstake",
    "request",
    "request",
    "request",
    "commit",
    "commit",
    "commit",
    "settle",
    "settle",
    "challenge",
    "challenge",
    "demand",
    "demand",
    "show",
    "unavailable",
    "return",
    "expire",
    "claim",
    "wait",
  ),
  who: small,
  pick: fc.nat(11),
  other: fc.nat(11),
  amount: fc.bigInt(0n, 3_000_000n),
});
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

async function step(world: World, known: Knowledge, { kind, who, pick, other, amount }: Operation): Promise<void> {
  const from = ACTORS[who]!;
  const target = ACTORS[other % 4]!;
  const among = (count: bigint): bigint => (count === 0n ? 1n : (BigInt(pick) % count) + 1n);
  const call = (to: Target, name: string, args: readonly unknown[], value = 0n, sender: Actor = from) =>
    world.call(sender, to, name, args, { value });

  switch (kind) {
    case "datanet": {
      if ((await call("datanet", "createDatanet", ["N", "", "", 0, 7, 0, amount % 1_000n])).ok) known.datanets++;
      return;
    }
    case "offer": {
      const id = among(known.datanets);
      const content = CONTENTS[other % 3]!;
      await call("datanet", "commitContribution", [id, commitmentOf(id, from.hex, rootOf(content), SALT)]);
      world.advance();
      const terms = await call("datanet", "datanet", [id]);
      if (!terms.ok) return;
      const { bond } = await world.view<{ bond: bigint }>("datanet", "datanet", [id]);
      if ((await call("datanet", "submitContribution", revealArgs(id, content), bond)).ok) known.contributions++;
      return;
    }
    case "review": {
      const id = among(known.contributions);
      const decide: readonly [string, readonly unknown[]] =
        other % 4 === 0
          ? ["rejectContribution", [id, ""]]
          : other % 4 === 1
            ? ["acceptDuplicate", [id, among(id)]]
            : ["acceptContribution", [id, 1]];
      // Whoever is the curator, so that most histories get some data.
      for (const curator of ACTORS) if ((await call("datanet", ...decide, 0n, curator)).ok) return;
      return;
    }
    case "withdraw":
      return void (await call("datanet", "withdrawConsent", [among(known.contributions)]));
    case "publish":
      for (const owner of ACTORS) {
        if ((await call("datanet", "publishVersion", [among(known.datanets)], 0n, owner)).ok) return;
      }
      return;
    case "model": {
      const data = [{ datanetId: among(known.datanets), version: 1 }];
      const prices = {
        requestPrice: amount,
        outputPrice: amount * 3n,
        royaltyPpm: pick * 40_000,
        hostPpm: pick * 90_000,
      };
      const child = known.models > 0n && other % 2 === 0 ? { parent: among(known.models) } : { data };
      if ((await call("models", "registerModel", modelArgs({ ...prices, ...child }))).ok) known.models++;
      return;
    }
    case "join":
      return void (await call("models", "joinAsHost", [among(known.models), ""]));
    case "stake":
      return void (await call("attribution", "depositStake", [], amount));
    case "unstake":
      return void (await call("attribution", "withdrawStake", [amount]));
    case "request": {
      for (const host of [target, ...ACTORS]) {
        const args = [among(known.models), host.hex, REQUEST_ROOT, 50 + other, pick % 3 === 0 ? 1 : 0];
        if ((await call("attribution", "requestInference", args, amount)).ok) {
          known.inferences++;
          return;
        }
      }
      return;
    }
    case "commit": {
      const id = among(known.inferences);
      const spans: Span[] = [
        { outputStart: 0, length: CONTENTS[0]!.length, contribution: BigInt(pick), contentOffset: 0n },
        { outputStart: CONTENTS[0]!.length + 1, length: 13, contribution: BigInt(other), contentOffset: 0n },
      ].slice(0, pick % 3);
      for (const host of ACTORS) {
        for (const isPrivate of [false, true]) {
          if ((await call("attribution", "commitOutputs", commitArgs(host, id, OUTPUT, spans, { isPrivate }))).ok) {
            known.committed.push({ id, host, spans });
            return;
          }
        }
      }
      return;
    }
    case "settle": {
      const claims = known.committed.slice(pick % 3).map(({ id, spans }) => claimOf(id, OUTPUT, spans));
      await call("attribution", "settle", [claims]);
      return;
    }
    case "challenge": {
      const one = known.committed[pick % Math.max(1, known.committed.length)];
      if (one === undefined) return;
      // True or not: what does not show a fault must change nothing.
      for (const [functionName, args] of challenges(one, BigInt(other), pick)) {
        if ((await call("attribution", functionName, args)).ok) {
          known.voided++;
          return;
        }
      }
      return;
    }
    case "demand": {
      const args = [among(known.inferences), BigInt(other % 4), 0n];
      if ((await call("attribution", "demandChunk", args, 500n)).ok) known.demands.push(args);
      return;
    }
    case "show":
    case "unavailable":
    case "return": {
      const demand = known.demands[pick % Math.max(1, known.demands.length)];
      if (demand === undefined) return;
      const [id, contribution] = demand as [bigint, bigint];
      const one = known.committed.find((candidate) => candidate.id === id);
      if (kind === "return") await call("attribution", "returnDemand", demand);
      else if (kind === "unavailable" && one !== undefined) {
        await call("attribution", "proveUnavailable", [claimOf(id, OUTPUT, one.spans), contribution, 0n]);
      } else {
        for (const content of CONTENTS) {
          const chunks = chunksOf(content, 0, content.length);
          if ((await call("attribution", "showChunk", [id, contribution, chunks])).ok) return;
        }
      }
      return;
    }
    case "expire":
      return void (await call("attribution", "expire", [among(known.inferences)]));
    case "claim": {
      const accounts = [
        ...ACTORS.map(({ hex }) => hex),
        bytesToHex(TREASURY_ADDRESS),
        bytesToHex(STAKERS_ESCROW_ADDRESS),
      ];
      return void (await call("attribution", "claim", [accounts[pick % accounts.length]]));
    }
    case "wait":
      return world.advance(BigInt(pick * 10));
  }
}

/** One of each kind, about the committed answer. */
function challenges({ id, host, spans }: Committed, contribution: bigint, pick: number) {
  const claim = claimOf(id, OUTPUT, spans);
  const [start, length] = pick % 2 === 0 ? [0, CONTENTS[0]!.length] : [CONTENTS[0]!.length + 1, 13];
  const content = CONTENTS[pick % 3]!;
  const contentOffset = 0n;
  const kinds: Challenge[] = [{ kind: "omission", start, length, contribution, contentOffset }];
  if (spans.length > 0) {
    const spanIndex = pick % spans.length;
    kinds.push({ kind: "mismatch", spanIndex, at: 0, contribution }, { kind: "boundary", spanIndex });
    kinds.push({ kind: "earlier-holder", spanIndex, contribution, contentOffset });
  }
  const calls: [string, readonly unknown[]][] = kinds.map((kind) => {
    const { functionName, args } = challengeCall(kind, claim, OUTPUT, content);
    return [functionName, args];
  });
  const { outputRoot, outputBytes } = claim;
  const signature = sign(host, { inferenceId: id, requestRoot: REQUEST_ROOT, outputRoot, outputBytes, spans: [] });
  calls.push(["proveContradiction", [claim, outputRoot, outputBytes, spansHashOf([]), signature]]);
  return calls;
}

/** Reads through the public views, as an auditor would. */
async function liabilities(world: World, known: Knowledge): Promise<{ attribution: bigint; datanet: bigint }> {
  let attribution = 0n;
  for (let id = 1n; id <= known.inferences; id++) {
    const { state, escrow } = await world.view<{ state: number; escrow: bigint }>("attribution", "inference", [id]);
    if (state === 1 || state === 2) attribution += escrow;
  }
  for (const [id, contribution, chunk] of known.demands as [bigint, bigint, bigint][]) {
    const [, , closed, bond] = await world.view<[Hex, bigint, boolean, bigint]>("attribution", "demand", [
      id,
      contribution,
      chunk,
    ]);
    if (!closed) attribution += bond;
  }
  let locked = 0n;
  for (const { hex } of ACTORS) {
    const [total, held] = await world.view<[bigint, bigint]>("attribution", "stakeOf", [hex]);
    expect(held).toBeLessThanOrEqual(total);
    attribution += total;
    locked += held;
  }
  let claims = 0n;
  for (const { id } of known.committed) {
    const { state, escrow, platformFee, requestBytes, requestPrice, outputPrice } = await world.view<{
      state: number;
      escrow: bigint;
      platformFee: bigint;
      requestBytes: number;
      requestPrice: bigint;
      outputPrice: bigint;
    }>("attribution", "inference", [id]);
    const bytes = BigInt(requestBytes) * requestPrice + BigInt(OUTPUT.length) * outputPrice;
    const fee = platformFee + bytes / 1_000n;
    expect(fee).toBeLessThanOrEqual(escrow);
    if (state === 2) claims += fee * 2n;
  }
  expect(locked).toBe(claims);
  for (const account of [...ACTORS.map(({ address }) => address), TREASURY_ADDRESS, STAKERS_ESCROW_ADDRESS]) {
    attribution += await world.view<bigint>("attribution", "accrued", [bytesToHex(account)]);
  }
  let datanet = 0n;
  for (let id = 1n; id <= known.contributions; id++) {
    const { bond, status } = await world.view<{ bond: bigint; status: number }>("datanet", "contribution", [id]);
    if (status !== 1) expect(bond).toBe(0n);
    datanet += bond;
  }
  return { attribution, datanet };
}

async function run(operations: readonly Operation[]): Promise<Knowledge> {
  const world = await World.create();
  for (const { address } of ACTORS) await world.fund(address, START_BALANCE);
  const known: Knowledge = {
    datanets: 0n,
    contributions: 0n,
    models: 0n,
    inferences: 0n,
    committed: [],
    demands: [],
    voided: 0,
  };
  for (const one of operations) {
    await step(world, known, one);
    const owed = await liabilities(world, known);
    expect(await world.balance(ATTRIBUTION_ADDRESS)).toBe(owed.attribution);
    expect(await world.balance(DATANET_ADDRESS)).toBe(owed.datanet);
    expect(await world.balance(MODELS_ADDRESS)).toBe(0n);
    let supply = owed.attribution + owed.datanet;
    for (const account of [...ACTORS.map(({ address }) => address), TREASURY_ADDRESS, STAKERS_ESCROW_ADDRESS]) {
      supply += await world.balance(account);
    }
    expect(supply).toBe(START_BALANCE * BigInt(ACTORS.length));
  }
  return known;
}

/** A beginning with data, a model, a staked host and a commitment, so that random steps reach every state. */
const opening = [
  ["datanet", 0, 3],
  ["offer", 0, 3],
  ["review", 0, 3],
  ["publish", 0, 3],
  ["model", 0, 3],
  ["join", 0, 3],
  ["stake", 0, 3],
  ["offer", 0, 4],
  ["review", 1, 3],
  ["request", 0, 0],
  ["commit", 1, 0],
  ["demand", 0, 1],
].map(
  ([kind, pick, other]) =>
    ({ kind, who: 0, pick, other, amount: kind === "model" || kind === "datanet" ? 999n : 3_000_000n }) as Operation,
);

test("no history creates, loses or strands a wei", async () => {
  const reached = { committed: 0, demands: 0, voided: 0 };
  await fc.assert(
    fc.asyncProperty(fc.boolean(), fc.array(operation, { minLength: 10, maxLength: 60 }), async (lies, operations) => {
      // The opening's answer leaves a match out.
      const challenge = { kind: "challenge", who: 1, pick: 0, other: 1, amount: 0n } as const;
      const known = await run([...opening, ...(lies ? [challenge] : []), ...operations]);
      reached.committed += known.committed.length;
      reached.demands += known.demands.length;
      reached.voided += known.voided;
    }),
    { numRuns: Number(process.env.CONSERVATION_RUNS ?? 15) },
  );
  // Otherwise the property would hold of histories in which nothing happens.
  expect(reached.committed).toBeGreaterThanOrEqual(15);
  expect(reached.demands).toBeGreaterThan(0);
  expect(reached.voided).toBeGreaterThan(0);
});
