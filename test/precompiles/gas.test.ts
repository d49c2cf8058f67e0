/** Holds the figures that docs/precompiles.md prints. A change of price is a change of the protocol. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { challengeCall, chunksOf } from "../../attribution/challenge.ts";
import {
  answerOf,
  claimOf,
  claimsOf,
  commitArgs,
  commitmentOf,
  createDatanet,
  registerModel,
  request,
  revealArgs,
  rootOf,
  SALT,
  settleArgs,
  submit,
  text,
} from "../helpers/precompile-story.ts";
import { type Actor, actor, type Outcome, World } from "../helpers/precompile-world.ts";

class MeteredWorld extends World {
  gas = 0n;
  override async raw(...args: Parameters<World["raw"]>): Promise<Outcome> {
    const outcome = await super.raw(...args);
    this.gas = outcome.gasUsed;
    return outcome;
  }
}

test("documented gas figures", async () => {
  const world = await World.prepare(new MeteredWorld());
  const [owner, alice, host, payer] = ["owner", "alice", "host", "payer"].map(actor) as [Actor, Actor, Actor, Actor];
  for (const one of [owner, alice, host, payer]) await world.fund(one.address);
  const measured: Record<string, bigint> = {};
  const note = (name: string): void => {
    measured[name] = world.gas;
  };

  const net = await createDatanet(world, owner, { bond: 5n });
  note("createDatanet");
  const contents = [
    "the quick brown fox jumps over the lazy dog",
    "pack my box with five dozen liquor jugs",
    "abcdefg ".repeat(2_048),
  ];
  for (const [i, words] of contents.entries()) {
    const content = text(words);
    await world.must(alice, "datanet", "commitContribution", [
      net,
      commitmentOf(net, alice.hex, rootOf(content), SALT),
    ]);
    note("commitContribution");
    world.advance();
    await world.must(alice, "datanet", "submitContribution", revealArgs(net, content), { value: 5n });
    note("submitContribution");
    await world.must(owner, "datanet", "acceptContribution", [BigInt(i + 1), 1]);
    note(`acceptContribution ${i + 1}`);
  }
  const free = await createDatanet(world, owner);
  const rejected = await submit(world, alice, free, text("xx"));
  note("submitContribution without a bond");
  await world.must(owner, "datanet", "rejectContribution", [rejected, "no"]);
  note("rejectContribution");
  await world.must(owner, "datanet", "publishVersion", [net]);
  note("publishVersion");
  const model = await registerModel(world, owner, { data: [{ datanetId: net, version: 1 }] });
  note("registerModel");
  await world.must(host, "models", "joinAsHost", [model, ""]);
  await world.must(host, "attribution", "depositStake", [], { value: 10n ** 18n });

  const two = [
    { outputStart: 0, length: 15, contribution: 1n, contentOffset: 4n },
    { outputStart: 16, length: 15, contribution: 2n, contentOffset: 12n },
  ];
  const answer = async (output: Uint8Array, spans: typeof two, name: string): Promise<void> => {
    const id = await request(world, payer, host, model, 10n ** 9n);
    note("requestInference");
    await world.must(host, "attribution", "commitOutputs", commitArgs(host, id, output, spans));
    note(`commitOutputs ${name}`);
    world.advance(30n);
    await world.must(payer, "attribution", "settle", settleArgs(id, output, spans));
    note(`settle ${name}`);
  };
  await answer(text("quick brown fox with five dozen"), two, "to new accounts");
  await answer(text("quick brown fox with five dozen"), two, "2");
  const many = Array.from({ length: 64 }, (_, i) => ({
    outputStart: i * 256,
    length: 256,
    contribution: 3n,
    contentOffset: BigInt(i * 256),
  }));
  await answer(text(contents[2]!), many, "64");

  const batch = [];
  for (let i = 0; i < 32; i++) {
    const output = text(`quick brown fox with five dozen ${i}`);
    batch.push({ inferenceId: await request(world, payer, host, model, 10n ** 9n), output, spans: two });
  }
  const answers = batch.map(({ inferenceId, output, spans }) => answerOf(host, inferenceId, output, spans));
  await world.must(host, "attribution", "commitOutputs", [answers]);
  note("commitOutputs 32 answers");
  world.advance(30n);
  await world.must(host, "attribution", "settle", [claimsOf(batch)]);
  note("settle 32 answers");

  const demanded = await request(world, payer, host, model, 10n ** 9n);
  await world.must(host, "attribution", "commitOutputs", commitArgs(host, demanded, text(contents[2]!), many));
  await world.must(payer, "attribution", "demandChunk", [demanded, 3n, 7n], { value: 500n });
  note("demandChunk");
  const large = text(contents[2]!);
  await world.must(host, "attribution", "showChunk", [demanded, 3n, chunksOf(large, 7 * 256, 8 * 256)]);
  note("showChunk");

  const omitting = await request(world, payer, host, model, 10n ** 9n);
  await world.must(host, "attribution", "commitOutputs", commitArgs(host, omitting, large, []));
  const omitted = { kind: "omission", start: 0, length: 1_024, contribution: 3n, contentOffset: 0n } as const;
  const { functionName, args } = challengeCall(omitted, claimOf(omitting, large, []), large, large);
  await world.must(alice, "attribution", functionName, args);
  note("proveOmission");
  await world.must(payer, "attribution", "claim", [alice.hex]);
  note("claim");
  const unanswered = await request(world, payer, host, model, 10n ** 9n);
  world.advance(61n);
  await world.must(payer, "attribution", "expire", [unanswered]);
  note("expire");

  expect(measured).toEqual({
    createDatanet: 117_620n,
    commitContribution: 26_384n,
    submitContribution: 129_661n,
    "submitContribution without a bond": 107_561n,
    "acceptContribution 1": 82_403n,
    "acceptContribution 2": 67_451n,
    "acceptContribution 3": 48_203n,
    rejectContribution: 21_781n,
    publishVersion: 57_370n,
    registerModel: 189_067n,
    requestInference: 123_523n,
    "commitOutputs to new accounts": 68_484n,
    "commitOutputs 2": 68_484n,
    "commitOutputs 64": 147_162n,
    "commitOutputs 32 answers": 773_461n,
    "settle 32 answers": 1_270_654n,
    demandChunk: 69_387n,
    showChunk: 41_859n,
    proveOmission: 66_664n,
    "settle to new accounts": 167_096n,
    "settle 2": 81_596n,
    "settle 64": 82_645n,
    claim: 16_310n,
    expire: 18_410n,
  });
  const page = readFileSync(new URL("../../docs/precompiles.md", import.meta.url), "utf8");
  for (const [name, gas] of Object.entries(measured)) {
    if (name.endsWith("to new accounts")) continue;
    expect(page, name).toContain(gas.toLocaleString("en-US"));
  }
});
