/** solc's own encoder and decoder meet the precompiles: what a contract developer writes works as written. */
import { decodeFunctionResult, encodeFunctionData } from "viem";
import { expect, test } from "vitest";
import { bytesToHex, hexToBytes } from "../../core/bytes.ts";
import { rootOf, text } from "../helpers/precompile-story.ts";
import { actor, World } from "../helpers/precompile-world.ts";
import { compileSolidity } from "../helpers/solidity.ts";

test("a contract uses all three through their interfaces, from its constructor on", async () => {
  const { abi, bytecode } = compileSolidity("test/precompiles/Probe.sol", "Probe");
  const world = await World.create();
  const owner = actor("owner");
  await world.fund(owner.address);
  const deployed = await world.raw(owner.address, undefined, hexToBytes(bytecode), { value: 77n });
  expect(deployed).toMatchObject({ ok: true });
  if (!deployed.ok) return;
  expect(deployed.logs.map(({ name }) => name)).toEqual(["DatanetCreated", "CuratorSet", "StakeDeposited"]);
  const probe = hexToBytes(deployed.logs[0]!.args.owner as `0x${string}`);
  expect(await world.view("attribution", "stakeOf", [bytesToHex(probe)])).toEqual([77n, 0n]);

  const root = rootOf(text("0123456789"));
  const commit = encodeFunctionData({ abi, functionName: "commit", args: [root] });
  expect(await world.raw(owner.address, probe, hexToBytes(commit))).toMatchObject({ ok: true });
  world.advance();
  const build = encodeFunctionData({ abi, functionName: "build", args: [root, "store://é"] });
  const built = await world.raw(owner.address, probe, hexToBytes(build), { value: 5_003n });
  expect(built).toMatchObject({ ok: true });
  expect(decodeFunctionResult({ abi, functionName: "build", data: built.output })).toBe(1n);
  // The bond came back with the acceptance.
  expect(await world.balance(probe)).toBe(3n);
});
