/** The same precompiles on ethereumjs's own, asynchronous state manager: same answers, gas, logs and storage. */
import { MerkleStateManager } from "@ethereumjs/statemanager";
import { Address } from "@ethereumjs/util";
import { expect, test } from "vitest";
import { ATTRIBUTION_ADDRESS, DATANET_ADDRESS, MODELS_ADDRESS } from "../../core/addresses.ts";
import { bytesToHex } from "../../core/bytes.ts";
import { bytesKey, keyBytes } from "../../execution/state/keys.ts";
import {
  commitArgs,
  contribute,
  createDatanet,
  registerModel,
  request,
  settleArgs,
  submit,
  text,
} from "../helpers/precompile-story.ts";
import { actor, createCommon, type Outcome, World } from "../helpers/precompile-world.ts";

class RecordingWorld extends World {
  readonly outcomes: Outcome[] = [];
  override async raw(...args: Parameters<World["raw"]>): Promise<Outcome> {
    const outcome = await super.raw(...args);
    this.outcomes.push(outcome);
    return outcome;
  }
}

async function history(world: World): Promise<void> {
  const [owner, alice, host, payer] = ["owner", "alice", "host", "payer"].map(actor);
  for (const one of [owner, alice, host, payer]) await world.fund(one!.address);
  const net = await createDatanet(world, owner!, { bond: 5n });
  const fox = await contribute(world, owner!, alice!, net, text("the quick brown fox"), { value: 5n });
  const bad = await submit(world, alice!, net, text("bad"), { value: 5n });
  await world.must(owner!, "datanet", "rejectContribution", [bad, "no"]);
  await world.must(owner!, "datanet", "publishVersion", [net]);
  const model = await registerModel(world, owner!, { data: [{ datanetId: net, version: 1 }] });
  await world.must(host!, "models", "joinAsHost", [model, ""]);
  await world.call(host!, "models", "joinAsHost", [model, ""]); // reverts
  await world.must(host!, "attribution", "depositStake", [], { value: 10_000_000n });
  const id = await request(world, payer!, host!, model, 1_000_000n);
  world.advance();
  const spans = [{ outputStart: 0, length: 15, contribution: fox, contentOffset: 4n }];
  const args = commitArgs(host!, id, text("quick brown fox"), spans);
  await world.call(host!, "attribution", "commitOutputs", args, { gas: 50_000n }); // runs out of gas
  await world.must(host!, "attribution", "commitOutputs", args);
  world.advance(30n);
  await world.must(payer!, "attribution", "settle", settleArgs(id, text("quick brown fox"), spans));
  await world.must(payer!, "attribution", "claim", [alice!.hex]);
}

test("stock and layered state agree on a whole history", async () => {
  const stockState = new MerkleStateManager({ common: createCommon() });
  const layered = new RecordingWorld();
  const stock = new RecordingWorld(stockState);
  for (const world of [layered, stock]) {
    await World.prepare(world);
    await history(world);
  }
  expect(stock.outcomes).toEqual(layered.outcomes);
  expect(stock.outcomes.length).toBeGreaterThan(15);
  let compared = 0;
  for (const address of [DATANET_ADDRESS, MODELS_ADDRESS, ATTRIBUTION_ADDRESS]) {
    expect(await stock.balance(address)).toBe(await layered.balance(address));
    const slots = layered.layer.storages.get(bytesKey(address))?.slots ?? new Map<string, Uint8Array>();
    for (const [key, value] of slots) {
      const stored = await stockState.getStorage(new Address(address), keyBytes(key));
      expect(bytesToHex(stored)).toBe(bytesToHex(value));
      compared++;
    }
  }
  expect(compared).toBeGreaterThan(40);
});
