/** Batches of answers: one hash on chain for all of them, each settled by its proof. */
import { beforeEach, expect, test } from "vitest";
import { type AttributionWorld, bob, ESCROW, host, openAttributionWorld, payer } from "../helpers/attribution-world.ts";
import { answerOf, batchRootOf, claimsOf, request, text } from "../helpers/precompile-story.ts";

let { world, modelId, foxSpan, refused } = {} as AttributionWorld;

beforeEach(async () => {
  ({ world, modelId, foxSpan, refused } = await openAttributionWorld());
});

const answers = async (count: number) => {
  const items = [];
  for (let i = 0; i < count; i++) {
    const inferenceId = await request(world, payer, host, modelId, ESCROW);
    items.push({ inferenceId, output: text(`${"quick brown fox"} ${i}`), spans: i % 2 === 0 ? [foxSpan] : [] });
  }
  return items;
};
const signed = (items: Awaited<ReturnType<typeof answers>>) =>
  items.map(({ inferenceId, output, spans }) => answerOf(host, inferenceId, output, spans));

test("one hash holds them all; each is settled with its proof, alone or together", async () => {
  const items = await answers(5);
  const { logs } = await world.must(bob, "attribution", "commitOutputs", [signed(items)]);
  expect(logs.at(-1)).toMatchObject({
    name: "BatchCommitted",
    args: { batchId: 1n, count: 5, root: batchRootOf(items) },
  });
  expect(logs.slice(0, 5).map(({ args }) => args.index)).toEqual([0, 1, 2, 3, 4]);
  const claims = claimsOf(items);
  world.advance(30n);
  expect((await refused(bob, "settle", [[{ ...claims[1]!, proof: claims[0]!.proof }]]))[0]).toBe("ClaimMismatch");
  expect((await refused(bob, "settle", [[{ ...claims[1]!, inferenceId: items[0]!.inferenceId }]]))[0]).toBe(
    "ClaimMismatch",
  );
  await world.must(bob, "attribution", "settle", [[claims[3]!]]);
  // The fourth is settled already: the others are settled all the same, and once.
  const { logs: settled } = await world.must(bob, "attribution", "settle", [[...claims, claims[0]!]]);
  expect(settled.filter(({ name }) => name === "InferenceSettled").map(({ args }) => args.inferenceId)).toEqual(
    [0, 1, 2, 4].map((i) => items[i]!.inferenceId),
  );
  expect(await world.view("attribution", "stakeOf", [host.hex])).toEqual([10_000_000n, 0n]);
});

test("leave out what somebody committed before, and what is named twice", async () => {
  const items = await answers(3);
  const batch = signed(items);
  await world.must(payer, "attribution", "commitOutputs", [[batch[1]!]]);
  const { logs } = await world.must(host, "attribution", "commitOutputs", [[...batch, batch[0]!]]);
  const rest = [items[0]!, items[2]!];
  expect(logs.at(-1)).toMatchObject({ name: "BatchCommitted", args: { count: 2, root: batchRootOf(rest) } });
  expect(await refused(host, "commitOutputs", [batch])).toEqual(["WrongState", items[0]!.inferenceId, 2]);
  world.advance(30n);
  await world.must(bob, "attribution", "settle", [[...claimsOf(rest), claimsOf([items[1]!])[0]!]]);
});

test("all or nothing when one is wrong; between 1 and 256", async () => {
  const items = await answers(2);
  const batch = signed(items);
  const wrong = { ...batch[1]!, signature: batch[0]!.signature };
  expect((await refused(host, "commitOutputs", [[batch[0]!, wrong]]))[0]).toBe("BadSignature");
  expect(await world.view("attribution", "stakeOf", [host.hex])).toEqual([10_000_000n, 0n]);
  expect(await refused(host, "commitOutputs", [[]])).toEqual(["EmptyBatch"]);
  expect(await refused(host, "settle", [[]])).toEqual(["EmptyBatch"]);
  expect(await refused(host, "commitOutputs", [new Array(257).fill(batch[0])])).toEqual(["TooManyItems", 257n, 256n]);
});

test("a later answer costs a fraction of the first", async () => {
  await world.must(host, "attribution", "depositStake", [], { value: 10_000_000n });
  const items = await answers(32);
  const batch = signed(items);
  const alone = await world.must(host, "attribution", "commitOutputs", [[batch[0]!]]);
  const together = await world.must(host, "attribution", "commitOutputs", [batch.slice(1)]);
  expect(Number(together.gasUsed) / 31).toBeLessThan(Number(alone.gasUsed) / 2);
});
