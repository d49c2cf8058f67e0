/** What must not work at the portal. */
import { encodeFunctionData, type Hex, keccak256, maxUint256, toFunctionSelector, zeroHash } from "viem";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { bytesToHex, hexToBytes } from "../../core/bytes.ts";
import { deployContract } from "../helpers/anvil.ts";
import {
  type Contract,
  GUARDIAN,
  hashOf,
  OWNER,
  PERIOD_SECONDS,
  PortalWorld,
  RELEASE_LIMIT,
  RELEASE_WINDOW,
  rootOf,
  STRANGER,
  SUPPLY,
} from "../helpers/portal-world.ts";
import { seededRandom } from "../helpers/random.ts";
import { compileSolidity } from "../helpers/solidity.ts";

const PROVE = "proveWithdrawalTransaction";
const FINALIZE = "finalizeWithdrawalTransaction";

let world: PortalWorld;
let portal: Contract;
let reentrant: Contract;
let snapshot: Hex;

beforeAll(async () => {
  world = await PortalWorld.start();
  portal = world.ours;
  const compiled = compileSolidity("test/contracts/Reentrant.sol", "Reentrant");
  reentrant = { address: await deployContract(world.client, compiled), abi: compiled.abi };
}, 60_000);
afterAll(() => world?.anvil.stop());
beforeEach(async () => {
  snapshot = await world.client.snapshot();
});
afterEach(() => world.client.revert({ id: snapshot }));

const ripen = () => world.pass(PERIOD_SECONDS + 1);

describe("outputs that are gone", () => {
  it("a withdrawal that was proven against a deleted output waits for another", async () => {
    const withdrawal = await world.messages.send();
    const index = await world.prove(portal, withdrawal);
    await world.must(world.oracle, "deleteL2Outputs", [index], { from: GUARDIAN });
    await ripen();
    expect(await world.refusal(portal, FINALIZE, [withdrawal])).toMatch(/not the same as current output root/);
    // Another output in its place does not help it either, and it can be proven against that.
    const { output } = await world.propose();
    await ripen();
    expect(await world.refusal(portal, FINALIZE, [withdrawal])).toMatch(/not the same as current output root/);
    const proof = await world.messages.proof(withdrawal);
    await world.must(portal, PROVE, [withdrawal, index, output, proof]);
    expect(await world.refusal(portal, FINALIZE, [withdrawal])).toMatch(/period has not elapsed/);
    await ripen();
    await world.must(portal, FINALIZE, [withdrawal]);
  });

  it("it can be proven again before there is another at that index", async () => {
    const withdrawal = await world.messages.send();
    const { index: earlier, output } = await world.propose();
    const index = await world.prove(portal, withdrawal);
    await world.must(world.oracle, "deleteL2Outputs", [index], { from: GUARDIAN });
    const proof = await world.messages.proof(withdrawal);
    expect(await world.refusal(portal, PROVE, [withdrawal, earlier, output, proof])).toBeUndefined();
  });

  it("the same output again is as young as its proposal", async () => {
    const withdrawal = await world.messages.send();
    const { index, output } = await world.propose();
    const proof = await world.messages.proof(withdrawal);
    await world.must(portal, PROVE, [withdrawal, index, output, proof]);
    await world.pass(PERIOD_SECONDS - 20);
    await world.must(world.oracle, "deleteL2Outputs", [index], { from: GUARDIAN });
    await world.propose(output);
    await world.pass(40);
    expect(await world.refusal(portal, FINALIZE, [withdrawal])).toMatch(/output proposal finalization period/);
    expect(await world.refusal(portal, PROVE, [withdrawal, index, output, proof])).toMatch(/already been proven/);
    await ripen();
    await world.must(portal, FINALIZE, [withdrawal]);
  });

  it("waits out the whole period of the output, not only of the proof", async () => {
    const withdrawal = await world.messages.send();
    await world.prove(portal, withdrawal);
    await world.pass(PERIOD_SECONDS - 5);
    expect(await world.refusal(portal, FINALIZE, [withdrawal])).toMatch(/period has not elapsed/);
  });
});

describe("targets", () => {
  it.each(["token", "portal"] as const)("the %s is none", async (name) => {
    const target = name === "token" ? world.token.address : portal.address;
    const data = encodeFunctionData({ abi: world.token.abi, functionName: "approve", args: [STRANGER, maxUint256] });
    for (const value of [0n, 5n]) {
      const withdrawal = await world.messages.send({ target, value, data });
      const { index, output } = await world.propose();
      const proof = await world.messages.proof(withdrawal);
      expect(await world.refusal(portal, PROVE, [withdrawal, index, output, proof])).toBe("BadTarget");
      expect(await world.refusal(portal, FINALIZE, [withdrawal])).toBe("BadTarget");
    }
    expect(await world.read(world.token, "allowance", [portal.address, STRANGER])).toBe(0n);
  });

  it("one that calls back finds the portal closed for withdrawals, and open for deposits", async () => {
    const other = await world.messages.send({ value: 7n });
    const withdrawal = await world.messages.send({ target: reentrant.address, data: "0x01", gasLimit: 2_000_000n });
    for (const each of [other, withdrawal]) await world.prove(portal, each);
    await ripen();
    const calls = [
      [FINALIZE, [withdrawal]],
      [FINALIZE, [other]],
      ["depositTransaction", [STRANGER, 1n, 100_000n, false, "0x"]],
      ["initialize", [0n]],
    ].map(([functionName, args]) => encodeFunctionData({ abi: portal.abi, functionName, args } as never));
    await world.must(reentrant, "prepare", [calls]);
    const before = await world.balanceOf(portal.address);
    await world.must(portal, FINALIZE, [withdrawal]);
    expect(await world.read(reentrant, "sender")).toBe(withdrawal.sender);
    const answers = await Promise.all(calls.map((_, i) => world.read<Hex>(reentrant, "answers", [BigInt(i)])));
    const refused = (name: string) => toFunctionSelector(`${name}()`);
    expect(answers).toEqual([refused("NonReentrant"), refused("NonReentrant"), "0x", refused("InvalidInitialization")]);
    expect(before - (await world.balanceOf(portal.address))).toBe(withdrawal.value);
    expect(await world.read(portal, "l2Sender")).toBe("0x000000000000000000000000000000000000dEaD");
    await world.must(portal, FINALIZE, [other]);
  });
});

describe("nothing is paid twice", () => {
  it("a finalized withdrawal is neither finalized nor, with its output gone, proven into a second payment", async () => {
    const withdrawal = await world.messages.send();
    const index = await world.prove(portal, withdrawal);
    await ripen();
    await world.must(portal, FINALIZE, [withdrawal]);
    const paid = await world.balanceOf(STRANGER);
    expect(await world.refusal(portal, FINALIZE, [withdrawal])).toMatch(/has already been finalized/);
    // The guardian of OP's oracle cannot delete what is final; were it gone all the same:
    await world.client.setStorageAt({
      address: world.oracle.address,
      index: 3,
      value: `0x${index.toString(16).padStart(64, "0")}`,
    });
    const { index: again, output } = await world.propose();
    const proof = await world.messages.proof(withdrawal);
    await world.must(portal, PROVE, [withdrawal, again, output, proof]);
    await ripen();
    expect(await world.refusal(portal, FINALIZE, [withdrawal])).toMatch(/has already been finalized/);
    expect(await world.balanceOf(STRANGER)).toBe(paid);
  });

  it("more than was deposited does not leave, whatever is proven", async () => {
    await world.must(world.config, "setReleaseLimit", [2n ** 128n - 1n, 1n], { from: OWNER });
    // OPEN that was sent here without a deposit stays.
    await world.must(world.token, "transfer", [portal.address, 1_000n]);
    const withdrawal = await world.messages.send({ value: SUPPLY + 1n });
    await world.prove(portal, withdrawal);
    await ripen();
    expect(await world.refusal(portal, FINALIZE, [withdrawal])).toMatch(/Arithmetic operation/);
    const all = await world.messages.send({ value: SUPPLY });
    await world.prove(portal, all);
    await ripen();
    await world.must(portal, FINALIZE, [all]);
    expect(await world.balanceOf(portal.address)).toBe(1_000n);
  });
});

describe("the guardian's pause", () => {
  it("stops proofs and finalizations, and no deposit", async () => {
    const proven = await world.messages.send();
    await world.prove(portal, proven);
    await ripen();
    const withdrawal = await world.messages.send();
    const { index, output } = await world.propose();
    const proof = await world.messages.proof(withdrawal);
    await world.must(world.config, "pause", ["trouble"], { from: GUARDIAN });
    expect(await world.refusal(portal, PROVE, [withdrawal, index, output, proof])).toBe("CallPaused");
    expect(await world.refusal(portal, FINALIZE, [proven])).toBe("CallPaused");
    expect(await world.refusal(portal, "depositTransaction", [STRANGER, 0n, 100_000n, false, "0x"])).toBeUndefined();
    expect(await world.refusal(world.config, "unpause", [], { from: STRANGER })).toBe("NotGuardian");
    await world.must(world.config, "unpause", [], { from: GUARDIAN });
    await world.must(portal, FINALIZE, [proven]);
    await world.must(portal, PROVE, [withdrawal, index, output, proof]);
  });
});

describe("the limit of what leaves", () => {
  it("holds back what exceeds it until time has passed, and loses none of it", async () => {
    const parts = [RELEASE_LIMIT / 2n, RELEASE_LIMIT / 2n, RELEASE_LIMIT / 4n];
    const withdrawals = [];
    for (const value of parts) withdrawals.push(await world.messages.send({ value }));
    for (const each of withdrawals) await world.prove(portal, each);
    await ripen();
    const [first, second, third] = withdrawals as [
      (typeof withdrawals)[0],
      (typeof withdrawals)[0],
      (typeof withdrawals)[0],
    ];
    expect(await world.read(portal, "releasable")).toBe(RELEASE_LIMIT);
    await world.must(portal, FINALIZE, [first]);
    await world.must(portal, FINALIZE, [second]);
    expect(await world.refusal(portal, FINALIZE, [third])).toBe("ReleaseLimitReached");
    // Messages without value go on.
    await world.pass(RELEASE_WINDOW / 8);
    expect(await world.refusal(portal, FINALIZE, [third])).toBe("ReleaseLimitReached");
    await world.pass(RELEASE_WINDOW / 8 + 10);
    const before = await world.balanceOf(STRANGER);
    await world.must(portal, FINALIZE, [third]);
    expect(await world.balanceOf(STRANGER)).toBe(before + RELEASE_LIMIT / 4n);
    await world.pass(2 * RELEASE_WINDOW);
    expect(await world.read(portal, "releasable")).toBe(RELEASE_LIMIT);
  });

  it("is raised by the owner for a withdrawal above it", async () => {
    const withdrawal = await world.messages.send({ value: RELEASE_LIMIT + 1n });
    await world.prove(portal, withdrawal);
    await world.pass(10 * RELEASE_WINDOW);
    expect(await world.refusal(portal, FINALIZE, [withdrawal])).toBe("ReleaseLimitReached");
    const change = [RELEASE_LIMIT * 2n, BigInt(RELEASE_WINDOW)];
    expect(await world.refusal(world.config, "setReleaseLimit", change, { from: GUARDIAN })).toBe("NotOwner");
    await world.must(world.config, "setReleaseLimit", change, { from: OWNER });
    await world.must(portal, FINALIZE, [withdrawal]);
  });

  it("lowered, it lets nothing leave until it is met again", async () => {
    const first = await world.messages.send({ value: RELEASE_LIMIT });
    const second = await world.messages.send({ value: 1n });
    for (const each of [first, second]) await world.prove(portal, each);
    await ripen();
    await world.must(portal, FINALIZE, [first]);
    await world.must(world.config, "setReleaseLimit", [RELEASE_LIMIT / 10n, 1_000n], { from: OWNER });
    expect(await world.read(portal, "releasable")).toBe(0n);
    expect(await world.refusal(portal, FINALIZE, [second])).toBe("ReleaseLimitReached");
    await world.pass(9_100);
    await world.must(portal, FINALIZE, [second]);
  });
});

describe("forged proofs", () => {
  it("any changed bit of withdrawal, output or proof is refused", async () => {
    for (let i = 0; i < 30; i++) await world.messages.send();
    const withdrawal = await world.messages.send({ data: "0x1234", gasLimit: 77_000n });
    for (let i = 0; i < 30; i++) await world.messages.send();
    const { index, output } = await world.propose();
    const proof = await world.messages.proof(withdrawal);
    expect(proof.length).toBeGreaterThan(1);
    const data = hexToBytes(
      encodeFunctionData({ abi: portal.abi, functionName: PROVE, args: [withdrawal, index, output, proof] }),
    );
    const call = (changed: Uint8Array) => world.client.call({ to: portal.address, data: bytesToHex(changed) });
    await expect(call(data)).resolves.toBeDefined();
    const random = seededRandom(3);
    let refused = 0;
    for (let round = 0; round < 400; round++) {
      const changed = data.slice();
      const at = 4 + Math.floor(random() * (data.length - 4));
      changed[at]! ^= 1 << Math.floor(random() * 8);
      const wasRefused = await call(changed).then(
        () => false,
        () => true,
      );
      refused += Number(wasRefused);
      // What the ABI does not read, padding, is no part of the proof.
      if (!wasRefused) expect(isPadding(data, at, [withdrawal.data, ...proof])).toBe(true);
    }
    expect(refused).toBeGreaterThan(350);
  });

  it("a withdrawal that L2 never sent", async () => {
    await world.messages.send();
    const { index, output } = await world.propose();
    const real = await world.messages.send();
    const proof = await world.messages.proof(real);
    expect(await world.refusal(portal, PROVE, [real, index, output, proof])).toBeDefined();
    expect(await world.refusal(portal, PROVE, [real, index, output, []])).toBeDefined();
    const forged = { ...output, messagePasserStorageRoot: keccak256(proof[0]!) };
    expect(rootOf(forged)).not.toBe(rootOf(output));
    expect(await world.refusal(portal, PROVE, [real, index, forged, proof])).toMatch(/invalid output root proof/);
    expect(await world.read(portal, "provenWithdrawals", [hashOf(real)])).toEqual([zeroHash, 0n, 0n]);
  });

  it("another version of output roots", async () => {
    const withdrawal = await world.messages.send();
    const { index, output } = await world.propose();
    const proof = await world.messages.proof(withdrawal);
    const other = { ...output, version: `0x${"00".repeat(31)}01` };
    expect(await world.refusal(portal, PROVE, [withdrawal, index, other, proof])).toMatch(/invalid output root proof/);
  });
});

/** Whether position `at` of the calldata lies behind the last byte of one of the values, in its last word. */
function isPadding(data: Uint8Array, at: number, values: readonly Hex[]): boolean {
  const text = bytesToHex(data).slice(2);
  return values.some((value) => {
    const bytes = value.slice(2);
    const length = bytes.length / 2;
    const start = text.indexOf(length.toString(16).padStart(64, "0") + bytes) / 2 + 32;
    return at >= start + length && at < start + Math.ceil(length / 32) * 32;
  });
}
