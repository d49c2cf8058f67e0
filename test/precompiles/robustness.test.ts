/**
 * Whatever is sent, a precompile succeeds, reverts or halts. An exception of another kind would be a bug that stops
 * every node that executes the block.
 */
import * as fc from "fast-check";
import { type Abi, type AbiFunction, encodeFunctionData } from "viem";
import { expect, test } from "vitest";
import { hexToBytes } from "../../core/bytes.ts";
import { abiArbitrary } from "../helpers/abi-arbitrary.ts";
import {
  commit,
  contribute,
  createDatanet,
  registerModel,
  request,
  spansHashOf,
  submit,
  text,
} from "../helpers/precompile-story.ts";
import { actor, TARGETS, World } from "../helpers/precompile-world.ts";

const ACTORS = ["owner", "alice", "host"].map(actor);
const [owner, alice, host] = ACTORS as [ReturnType<typeof actor>, ReturnType<typeof actor>, ReturnType<typeof actor>];

/** A world with something in every state. */
async function furnished(): Promise<World> {
  const world = await World.create();
  for (const { address } of ACTORS) await world.fund(address, 2n ** 140n);
  const net = await createDatanet(world, owner, { bond: 3n });
  const fox = await contribute(world, owner, alice, net, text("the quick brown fox"), { value: 3n });
  await world.must(owner, "datanet", "publishVersion", [net]);
  await submit(world, alice, net, text("pending"), { value: 3n });
  const base = await registerModel(world, owner, { data: [{ datanetId: net, version: 1 }] });
  await registerModel(world, alice, { parent: base });
  await world.must(host, "models", "joinAsHost", [base, ""]);
  await world.must(host, "attribution", "depositStake", [], { value: 10_000_000n });
  const spans = [{ outputStart: 0, length: 15, contribution: fox, contentOffset: 4n }];
  for (let i = 0; i < 2; i++) await request(world, alice, host, base, 1_000_000n);
  await commit(world, host, 1n, text("quick brown fox"), spans);
  await commit(world, host, 2n, text("quick brown fox"), []);
  world.advance(40n);
  await request(world, alice, host, base, 1_000_000n);
  return world;
}

/** Half of the values are such that something is found under them. */
function near(type: string): fc.Arbitrary<unknown> | undefined {
  const edge = (bits: number): fc.Arbitrary<bigint> =>
    fc.oneof(
      fc.bigInt(0n, 4n),
      fc.constantFrom(2n ** BigInt(bits) - 1n, 2n ** BigInt(bits - 1)),
      fc.bigInt(0n, 20_000n),
    );
  if (type === "address") return fc.constantFrom(...ACTORS.map(({ hex }) => hex), `0x${"00".repeat(20)}`);
  if (type === "bytes32") return fc.constantFrom(spansHashOf([]), `0x${"00".repeat(32)}`, `0x${"33".repeat(32)}`);
  const bits = /^uint(\d+)$/.exec(type)?.[1];
  if (bits === undefined) return undefined;
  return Number(bits) > 32 ? edge(Number(bits)) : edge(Number(bits)).map((value) => Number(value % 2n ** BigInt(bits)));
}

const functions = Object.values(TARGETS).flatMap(({ address, abi }) =>
  (abi as Abi)
    .filter((item): item is AbiFunction => item.type === "function")
    .map((item) => ({ address, abi: [item] as Abi, item })),
);

const message = fc.constantFrom(...functions).chain(({ address, abi, item }) =>
  fc.record({
    address: fc.constant(address),
    data: fc
      .tuple(...item.inputs.map((input) => abiArbitrary(input, near)))
      .map((args) => encodeFunctionData({ abi, functionName: item.name, args })),
    from: fc.constantFrom(...ACTORS),
    value: item.stateMutability === "payable" ? fc.constantFrom(0n, 3n, 1_000_000n, 2n ** 128n) : fc.constant(0n),
    gas: fc.option(fc.bigInt(0n, 200_000n), { freq: 5, nil: 10_000_000n }),
    flip: fc.option(fc.tuple(fc.nat(2_000), fc.nat(255)), { freq: 10 }),
    seconds: fc.constantFrom(0n, 0n, 0n, 70n),
  }),
);

test("nothing but success, revert and halt", async () => {
  const seen = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(fc.array(message, { minLength: 20, maxLength: 60 }), async (messages) => {
      const world = await furnished();
      for (const { address, data, from, value, gas, flip, seconds } of messages) {
        if (seconds > 0n) world.advance(seconds);
        const bytes = hexToBytes(data);
        if (flip !== null) bytes[flip[0] % bytes.length] = flip[1];
        const outcome = await world.raw(from.address, address, bytes, { value, gas });
        expect(outcome.gasUsed).toBeLessThanOrEqual(gas);
        const kind = outcome.ok ? "success" : outcome.halt;
        seen.set(kind, (seen.get(kind) ?? 0) + 1);
      }
    }),
    { numRuns: 30 },
  );
  expect([...seen.keys()].sort()).toEqual(["out of gas", "revert", "success"]);
  expect(seen.get("success")).toBeGreaterThan(100);
});
