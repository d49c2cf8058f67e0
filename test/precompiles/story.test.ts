import { expect, test } from "vitest";
import { ATTRIBUTION_ADDRESS, STAKERS_ESCROW_ADDRESS, TREASURY_ADDRESS } from "../../core/addresses.ts";
import { bytesToHex } from "../../core/bytes.ts";
import {
  commit,
  contribute,
  createDatanet,
  registerModel,
  request,
  settleArgs,
  text,
} from "../helpers/precompile-story.ts";
import { actor, World } from "../helpers/precompile-world.ts";

test("data in, model on it, answer signed, settled, claimed: every wei is accounted for", async () => {
  const world = await World.create();
  const [owner, alice, bob, host, payer] = ["owner", "alice", "bob", "host", "payer"].map(actor);
  for (const one of [owner, alice, bob, host, payer]) await world.fund(one!.address);
  const datanetId = await createDatanet(world, owner!, {});
  const first = await contribute(world, owner!, alice!, datanetId, text("the quick brown fox jumps over the lazy dog"));
  const second = await contribute(world, owner!, bob!, datanetId, text("pack my box with five dozen liquor jugs"));
  await world.must(owner!, "datanet", "publishVersion", [datanetId]);
  const modelId = await registerModel(world, owner!, { data: [{ datanetId, version: 1 }] });
  await world.must(host!, "models", "joinAsHost", [modelId, "http://host"]);
  await world.must(host!, "attribution", "depositStake", [], { value: 10_000_000n });

  const escrow = 1_000_000n;
  const before = await world.balance(payer!.address);
  const inferenceId = await request(world, payer!, host!, modelId, escrow);
  world.advance();
  const output = text("quick brown fox with five dozen");
  const spans = [
    { outputStart: 0, length: 15, contribution: first, contentOffset: 4n },
    { outputStart: 16, length: 15, contribution: second, contentOffset: 12n },
  ];
  const committed = await commit(world, host!, inferenceId, output, spans);
  expect(committed).toMatchObject({ ok: true });
  world.advance(30n);
  const settled = await world.must(payer!, "attribution", "settle", settleArgs(inferenceId, output, spans));
  const rewards = settled.logs.filter((log) => log.name === "RewardAccrued");
  const fee = 1_000n + (100n * 1_000_000n + 31n * 5_000_000n) / 1000n;
  expect(rewards.reduce((sum, log) => sum + (log.args.amount as bigint), 0n)).toBe(fee);
  expect(await world.balance(payer!.address)).toBe(before - fee);
  const net = fee - 1_000n;
  const pool = (((net * 500_000n) / 1_000_000n) * 30n) / 31n;
  expect(await world.view("attribution", "accrued", [alice!.hex])).toBe(pool / 2n);

  for (const account of [owner!, alice!, bob!, host!]) await world.must(payer!, "attribution", "claim", [account.hex]);
  for (const account of [TREASURY_ADDRESS, STAKERS_ESCROW_ADDRESS]) {
    await world.must(payer!, "attribution", "claim", [bytesToHex(account)]);
  }
  expect(await world.balance(ATTRIBUTION_ADDRESS)).toBe(10_000_000n);
});
