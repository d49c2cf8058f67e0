/**
 * Random hosts, honest and lying, on the real precompiles: whoever follows rule span-v1 is never slashed, whatever is
 * thrown at it; every other answer is found by the watcher's judgement and is void; and all money is accounted for.
 */
import { type Challenge, challengeCall, chunksOf, findChallenge } from "../../attribution/challenge.ts";
import { buildSpanIndex, type SpanIndex } from "../../attribution/span-index.ts";
import { traceSpans } from "../../attribution/trace.ts";
import { ATTRIBUTION_ADDRESS, STAKERS_ESCROW_ADDRESS, TREASURY_ADDRESS } from "../../core/addresses.ts";
import { bytesToHex } from "../../core/bytes.ts";
import { findSpanFault, type Span } from "../../core/span-rule.ts";
import {
  type Claim,
  claimOf,
  commit,
  contribute,
  createDatanet,
  REQUEST_ROOT,
  registerModel,
  request,
  sign,
  spansHashOf,
  text,
} from "../helpers/precompile-story.ts";
import { type Actor, actor, World } from "../helpers/precompile-world.ts";

/** Seeded. */
export interface Random {
  /** 0 to n - 1; 0 when n is 0. */
  below(n: number): number;
  bool(probability: number): boolean;
}

export interface Counts {
  inferences: number;
  honest: number;
  lies: number;
  caught: number;
  attacks: number;
  demands: number;
  readonly faults: Map<string, number>;
}

const STATE = { committed: 2, settled: 3, void: 5 };
const [owner, honest, liar, payer, watcher, attacker] = ["owner", "honest", "liar", "payer", "watcher", "attacker"].map(
  actor,
) as [Actor, Actor, Actor, Actor, Actor, Actor];
const CONTRIBUTORS = ["alice", "bob", "carol"].map(actor);
const EVERYBODY = [owner, honest, liar, payer, watcher, attacker, ...CONTRIBUTORS];
const M = 8;
const ESCROW = 10n ** 9n;
const STAKE = 10n ** 12n;
const WORDS = ["data", "model", "of", "the", "output", "word", "is", "naïve", "span", "who", "a", "paid"];

interface Document {
  readonly id: bigint;
  readonly bytes: Uint8Array;
}

interface Told {
  readonly claim: Claim;
  readonly output: Uint8Array;
  readonly by: Actor;
  readonly isRight: boolean;
  readonly isPrivate: boolean;
}

/** One episode: a world of its own with `inferences` answers. Resolves to what went wrong. */
export async function episode(random: Random, inferences: number, counts: Counts): Promise<string[]> {
  const { world, documents, modelId } = await prepare(random);
  const index = buildSpanIndex(documents);
  const told: Told[] = [];
  for (let i = 0; i < inferences; i++) {
    const answer = await tell(random, world, documents, index, modelId);
    if (answer !== undefined) told.push(answer);
  }
  counts.inferences += told.length;
  const problems: string[] = [];
  for (const one of told) {
    counts[one.isRight ? "honest" : "lies"]++;
    for (let i = 0; i < 6; i++) await attack(random, world, documents, one, counts);
    await watch(world, documents, index, one, counts);
    const state = await stateOf(world, one.claim);
    if (one.isRight && state !== STATE.committed)
      problems.push(`a right answer is in state ${state}: ${describe(one)}`);
    if (!one.isRight && state !== STATE.void)
      problems.push(`a wrong answer stands in state ${state}: ${describe(one)}`);
    if (!one.isRight && state === STATE.void) counts.caught++;
  }
  problems.push(...(await close(world, told)));
  index.close();
  return problems;
}

const describe = ({ claim, output }: Told): string =>
  JSON.stringify({ output: new TextDecoder().decode(output), spans: claim.spans }, (_, value: unknown) =>
    typeof value === "bigint" ? `${value}` : value,
  );

async function prepare(random: Random) {
  const world = await World.create({ minSpanBytes: BigInt(M) });
  for (const one of EVERYBODY) await world.fund(one.address);
  const datanetId = await createDatanet(world, owner);
  const documents: Document[] = [];
  const seen = new Set<string>();
  for (let i = 0; i < 4; i++) {
    // Some texts contain earlier ones, whole or in part.
    const earlier = random.bool(0.4) && documents.length > 0 ? pick(random, documents).bytes : new Uint8Array(0);
    const own = text(sentence(random, 4 + random.below(60)));
    const bytes = new Uint8Array([...own, ...earlier.subarray(random.below(earlier.length + 1))]);
    if (seen.has(bytesToHex(bytes))) continue;
    seen.add(bytesToHex(bytes));
    const contributor = pick(random, CONTRIBUTORS);
    documents.push({ id: await contribute(world, owner, contributor, datanetId, bytes), bytes });
  }
  await world.must(owner, "datanet", "publishVersion", [datanetId]);
  const modelId = await registerModel(world, owner, { data: [{ datanetId, version: 1 }] });
  for (const host of [honest, liar]) {
    await world.must(host, "models", "joinAsHost", [modelId, ""]);
    await world.must(host, "attribution", "depositStake", [], { value: STAKE });
  }
  return { world, documents, modelId };
}

const pick = <T>(random: Random, list: readonly T[]): T => list[random.below(list.length)]!;
const sentence = (random: Random, words: number): string =>
  Array.from({ length: words }, () => pick(random, WORDS) + (random.bool(0.1) ? "." : "")).join(" ");

/** Passages of the documents with the model's own words between them, over one to three windows. */
function outputOf(random: Random, documents: readonly Document[]): Uint8Array {
  const parts: number[] = [];
  const length = 50 + random.below(2_400);
  while (parts.length < length) {
    const { bytes } = pick(random, documents);
    const from = random.below(bytes.length);
    const passage = bytes.subarray(from, from + 1 + random.below(400));
    parts.push(...passage, ...text(random.bool(0.7) ? ` ${sentence(random, 1 + random.below(4))} ` : ""));
  }
  return Uint8Array.from(parts.slice(0, length));
}

async function tell(
  random: Random,
  world: World,
  documents: readonly Document[],
  index: SpanIndex,
  modelId: bigint,
): Promise<Told | undefined> {
  const output = outputOf(random, documents);
  const right = traceSpans(index, output, M);
  const lies = random.bool(0.5);
  const by = lies ? liar : honest;
  let spans: readonly Span[] = right;
  for (let i = lies ? 1 + random.below(2) : 0; i > 0; i--) spans = lie(random, spans, documents, output);
  const isPrivate = random.bool(0.3);
  if (findSpanFault(spans, output.length, M, isPrivate ? undefined : output) !== undefined) return undefined;
  const inferenceId = await request(world, payer, by, modelId, ESCROW, { audience: isPrivate ? 1 : 0 });
  // Lies about offsets beyond the content are refused at once.
  if (!(await commit(world, by, inferenceId, output, spans, { isPrivate })).ok) return undefined;
  const isRight = isTrue(spans, right, output, documents);
  return { claim: claimOf(inferenceId, output, spans), output, by, isRight, isPrivate };
}

/** Equal to the rule's list; any true content offset will do. */
function isTrue(
  spans: readonly Span[],
  right: readonly Span[],
  output: Uint8Array,
  documents: readonly Document[],
): boolean {
  if (spans.length !== right.length) return false;
  return spans.every(({ outputStart, length, contribution, contentOffset }, i) => {
    const expected = right[i]!;
    const content = documents.find(({ id }) => id === contribution)!.bytes;
    const at = Number(contentOffset);
    const holds = Buffer.compare(content.subarray(at, at + length), output.subarray(outputStart, outputStart + length));
    return (
      outputStart === expected.outputStart &&
      length === expected.length &&
      contribution === expected.contribution &&
      holds === 0
    );
  });
}

function lie(random: Random, spans: readonly Span[], documents: readonly Document[], output: Uint8Array): Span[] {
  if (spans.length === 0) {
    return [
      { outputStart: 0, length: M + random.below(8), contribution: pick(random, documents).id, contentOffset: 0n },
    ];
  }
  const target = pick(random, spans);
  const by = 1 + random.below(12);
  // Somebody else who has the same bytes.
  const passage = output.subarray(target.outputStart, target.outputStart + target.length);
  const others = documents.flatMap(({ id, bytes }) => {
    const at = Buffer.from(bytes).indexOf(passage);
    return at < 0 || id === target.contribution ? [] : [{ ...target, contribution: id, contentOffset: BigInt(at) }];
  });
  const changed: Span = pick(random, [
    ...others,
    { ...target, contentOffset: target.contentOffset + BigInt(by) },
    { ...target, contribution: pick(random, documents).id },
    { ...target, length: target.length - by },
    { ...target, length: target.length + by },
    {
      ...target,
      outputStart: target.outputStart + by,
      contentOffset: target.contentOffset + BigInt(by),
      length: target.length - by,
    },
  ]);
  if (random.bool(0.2)) return spans.filter((span) => span !== target);
  return spans.map((span) => (span === target ? changed : span));
}

/** What somebody tries who wants a right answer slashed: true matches, parts of them, and nonsense. */
async function attack(random: Random, world: World, documents: readonly Document[], told: Told, counts: Counts) {
  if (!told.isRight) return;
  counts.attacks++;
  const { claim, output, isPrivate } = told;
  const from = isPrivate ? payer : attacker;
  const { bytes, id } = pick(random, documents);
  const spanIndex = random.below(Math.max(1, claim.spans.length));
  const span = claim.spans[spanIndex];
  const offset = random.below(bytes.length);
  const kinds: Challenge[] = [];
  if (span !== undefined) {
    const inside = random.below(span.length);
    kinds.push(
      { kind: "mismatch", spanIndex, at: inside, contribution: span.contribution },
      { kind: "boundary", spanIndex },
      { kind: "earlier-holder", spanIndex, contribution: id, contentOffset: BigInt(offset) },
      {
        kind: "omission",
        start: span.outputStart + inside,
        length: 1 + random.below(span.length),
        contribution: span.contribution,
        contentOffset: span.contentOffset + BigInt(inside),
      },
    );
  }
  const start = random.below(output.length);
  kinds.push({
    kind: "omission",
    start,
    length: M + random.below(40),
    contribution: id,
    contentOffset: BigInt(offset),
  });
  const choice = random.below(kinds.length + 2);
  if (choice < kinds.length) {
    const challenge = kinds[choice]!;
    const named = "contribution" in challenge ? documents.find((one) => one.id === challenge.contribution)! : undefined;
    const within = (at: bigint, length: number) => Number(at) + length <= named!.bytes.length;
    if (challenge.kind === "omission" && !within(challenge.contentOffset, challenge.length)) return;
    if (challenge.kind === "omission" && challenge.start >= output.length) return;
    if (challenge.kind === "earlier-holder" && !within(challenge.contentOffset, span!.length)) return;
    const { functionName, args } = challengeCall(challenge, claim, output, named?.bytes);
    await world.call(from, "attribution", functionName, args);
    return;
  }
  const { inferenceId, outputRoot, outputBytes, spans } = claim;
  if (choice === kinds.length) {
    const signature = sign(told.by, { inferenceId, requestRoot: REQUEST_ROOT, outputRoot, outputBytes, spans });
    await world.call(from, "attribution", "proveContradiction", [
      claim,
      outputRoot,
      outputBytes,
      spansHashOf(spans),
      signature,
    ]);
    return;
  }
  // A demand that the host meets.
  const chunk = random.below(Math.ceil(bytes.length / 256));
  const demand = await world.call(from, "attribution", "demandChunk", [inferenceId, id, BigInt(chunk)], {
    value: 500n,
  });
  if (!demand.ok) return;
  counts.demands++;
  const shown = chunksOf(bytes, chunk * 256, Math.min(bytes.length, (chunk + 1) * 256));
  await world.must(told.by, "attribution", "showChunk", [inferenceId, id, shown]);
}

/** As `openledger watch` does. */
async function watch(world: World, documents: readonly Document[], index: SpanIndex, told: Told, counts: Counts) {
  const { claim, output, isPrivate } = told;
  const content = (id: bigint) => documents.find((one) => one.id === id)!.bytes;
  const challenge = findChallenge({
    spans: claim.spans,
    output,
    expected: traceSpans(index, output, M),
    earliest: (start, end) => index.earliest(output, start, end),
    content,
  });
  if (challenge === undefined) return;
  const held = "contribution" in challenge ? content(challenge.contribution) : undefined;
  const { functionName, args } = challengeCall(challenge, claim, output, held);
  const outcome = await world.call(isPrivate ? payer : watcher, "attribution", functionName, args);
  const name = outcome.ok ? challenge.kind : `${challenge.kind} refused`;
  counts.faults.set(name, (counts.faults.get(name) ?? 0) + 1);
}

async function stateOf(world: World, { inferenceId }: Claim): Promise<number> {
  return (await world.view<{ state: number }>("attribution", "inference", [inferenceId])).state;
}

/** All that stand are settled, all claims and stakes paid out: nothing is left. */
async function close(world: World, told: readonly Told[]): Promise<string[]> {
  const problems: string[] = [];
  world.advance(1_000n);
  const standing = told.filter(({ isRight }) => isRight).map(({ claim }) => claim);
  if (standing.length > 0) {
    const outcome = await world.call(attacker, "attribution", "settle", [standing]);
    if (!outcome.ok) problems.push(`settlement was refused: ${outcome.error}`);
  }
  const count = await world.view<bigint>("attribution", "inferenceCount", []);
  for (let id = 1n; id <= count; id++) await world.call(attacker, "attribution", "expire", [id]);
  const accounts = [
    ...EVERYBODY.map(({ hex }) => hex),
    bytesToHex(TREASURY_ADDRESS),
    bytesToHex(STAKERS_ESCROW_ADDRESS),
  ];
  for (const account of accounts) await world.call(attacker, "attribution", "claim", [account]);
  for (const host of [honest, liar]) {
    const [total, locked] = await world.view<[bigint, bigint]>("attribution", "stakeOf", [host.hex]);
    if (locked !== 0n) problems.push(`${locked} wei of stake stay locked`);
    if (host === honest && total !== STAKE) problems.push(`the honest host lost ${STAKE - total} wei`);
    if (total > 0n) await world.must(host, "attribution", "withdrawStake", [total]);
  }
  const left = await world.balance(ATTRIBUTION_ADDRESS);
  if (left !== 0n) problems.push(`${left} wei are left in the precompile`);
  return problems;
}
