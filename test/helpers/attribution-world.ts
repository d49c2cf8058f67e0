/** What tests of the attribution precompile begin with: a Datanet of two texts, a model on it and a staked host. */
import { expect } from "vitest";
import type { Span } from "../../core/span-rule.ts";
import { contribute, createDatanet, registerModel, text } from "./precompile-story.ts";
import { type Actor, actor, type CallOptions, World } from "./precompile-world.ts";

export const [owner, alice, bob, host, payer] = ["owner", "alice", "bob", "host", "payer"].map(actor) as [
  Actor,
  Actor,
  Actor,
  Actor,
  Actor,
];
export const ESCROW = 1_000_000n;
const STAKE = 10_000_000n;
export const OUTPUT = text("quick brown fox with five dozen");

export interface AttributionWorld {
  readonly world: World;
  readonly datanetId: bigint;
  readonly modelId: bigint;
  /** Contributions. */
  readonly fox: bigint;
  readonly jugs: bigint;
  /** What OUTPUT repeats of them. */
  readonly foxSpan: Span;
  readonly jugsSpan: Span;
  /** Name and arguments of the error with which the call reverts. Throws when it does not. */
  refused(from: Actor, name: string, args: readonly unknown[], options?: CallOptions): Promise<unknown[]>;
}

export async function openAttributionWorld(): Promise<AttributionWorld> {
  const world = await World.create();
  for (const one of [owner, alice, bob, host, payer]) await world.fund(one.address);
  const datanetId = await createDatanet(world, owner);
  const fox = await contribute(world, owner, alice, datanetId, text("the quick brown fox jumps over the lazy dog"));
  const jugs = await contribute(world, owner, bob, datanetId, text("pack my box with five dozen liquor jugs"));
  await world.must(owner, "datanet", "publishVersion", [datanetId]);
  const modelId = await registerModel(world, owner, { data: [{ datanetId, version: 1 }] });
  await world.must(host, "models", "joinAsHost", [modelId, ""]);
  await world.must(host, "attribution", "depositStake", [], { value: STAKE });
  return {
    world,
    datanetId,
    modelId,
    fox,
    jugs,
    foxSpan: { outputStart: 0, length: 15, contribution: fox, contentOffset: 4n },
    jugsSpan: { outputStart: 16, length: 15, contribution: jugs, contentOffset: 12n },
    async refused(from, name, args, options) {
      const outcome = await world.call(from, "attribution", name, args, options);
      if (outcome.ok) throw new Error(`${name} was not refused`);
      expect(outcome.halt).toBe("revert");
      return [outcome.error, ...outcome.args];
    },
  };
}
