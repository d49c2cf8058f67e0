/** Withdrawals at the portal beside the one that the OP Stack publishes, by viem's op-stack actions where they read. */
import {
  createPublicClient,
  encodeFunctionData,
  fromRlp,
  type Hex,
  http,
  keccak256,
  maxUint256,
  multicall3Abi,
  size,
  toRlp,
} from "viem";
import { getWithdrawalHashStorageSlot, getWithdrawalStatus } from "viem/op-stack";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { withdrawalSlot } from "../../bridge/output.ts";
import { bytesToHex, hexToBytes } from "../../core/bytes.ts";
import { MULTICALL3_ADDRESS } from "../../genesis/predeploys.ts";
import {
  type Contract,
  hashOf,
  PERIOD_SECONDS,
  PortalWorld,
  STRANGER,
  type TestWithdrawal,
} from "../helpers/portal-world.ts";

let world: PortalWorld;
let both: readonly [Contract, Contract];
beforeAll(async () => {
  world = await PortalWorld.start();
  both = [world.ours, world.theirs];
  // OP's portal pays from what was deposited there.
  await world.must(world.token, "approve", [world.theirs.address, maxUint256]);
  await world.must(world.theirs, "depositERC20Transaction", [STRANGER, 10_000n, 0n, 100_000n, false, "0x"]);
}, 60_000);
afterAll(() => world?.anvil.stop());

/** Gas limits that give two withdrawals trie keys with the first eight nibbles in common: their leaves have 31 bytes. */
function twins(withdrawal: TestWithdrawal): readonly [bigint, bigint] {
  const seen = new Map<string, bigint>();
  for (let gasLimit = 0n; gasLimit < 2_000_000n; gasLimit++) {
    const prefix = keccak256(withdrawalSlot(hexToBytes(hashOf({ ...withdrawal, gasLimit })))).slice(2, 10);
    const other = seen.get(prefix);
    if (other !== undefined) return [other, gasLimit];
    seen.set(prefix, gasLimit);
  }
  throw new Error("no twins");
}

/** What viem's op-stack actions make of a proof. */
function withInnerNode(hash: Hex, proof: readonly Hex[]): readonly Hex[] {
  const key = keccak256(withdrawalSlot(hexToBytes(hash)));
  const branch = fromRlp(proof.at(-1)!, "hex") as readonly (Hex | readonly [Hex, Hex])[];
  const inner = branch.filter((item) => typeof item !== "string" && key.endsWith(item[0].slice(3)));
  return [...proof, ...inner.map((item) => toRlp(item))];
}

describe("withdrawals", () => {
  const prove = "proveWithdrawalTransaction";
  const finalize = "finalizeWithdrawalTransaction";

  /** As viem's actions see it, which take the time of this machine for L1's. */
  async function status(portal: Contract, withdrawal: TestWithdrawal, l2BlockNumber: bigint): Promise<string> {
    const { anvil, client, oracle } = world;
    const { timestamp } = await client.getBlock();
    vi.useFakeTimers({ toFake: ["Date"], now: Number(timestamp) * 1_000 });
    try {
      return await getWithdrawalStatus(
        createPublicClient({
          chain: { ...client.chain, contracts: { multicall3: { address: MULTICALL3_ADDRESS } } },
          transport: http(anvil.url),
        }),
        {
          portalAddress: portal.address,
          l2OutputOracleAddress: oracle.address,
          l2BlockNumber,
          sender: withdrawal.sender,
          withdrawalHash: hashOf(withdrawal),
        },
      );
    } finally {
      vi.useRealTimers();
    }
  }

  it("have the hash and the slot that viem gives them", async () => {
    const withdrawal = await world.messages.send({ data: "0xabcdef", value: 5n });
    const encoded = hashOf(withdrawal);
    expect(getWithdrawalHashStorageSlot({ withdrawalHash: encoded })).toBe(
      bytesToHex(withdrawalSlot(hexToBytes(encoded))),
    );
    const { output, index } = await world.propose();
    const proof = await world.messages.proof(withdrawal);
    const { logs } = await world.must(world.ours, prove, [withdrawal, index, output, proof]);
    expect(logs[0]!.topics[1]).toBe(encoded);
  });

  it("have the same status at each step, by viem", async () => {
    const withdrawal = await world.messages.send({ value: 12n });
    const block = await world.read<bigint>(world.oracle, "nextBlockNumber");
    const seen: string[] = [];
    const note = async () => {
      const [ours, theirs] = [
        await status(world.ours, withdrawal, block),
        await status(world.theirs, withdrawal, block),
      ];
      expect(ours).toBe(theirs);
      seen.push(ours);
    };
    const refusals = async (name: string, args: readonly unknown[]) => {
      const [ours, theirs] = [
        await world.refusal(world.ours, name, args),
        await world.refusal(world.theirs, name, args),
      ];
      expect(ours?.replace("OpenLedgerPortal", "OptimismPortal")).toBe(theirs);
      return theirs;
    };
    await note();
    expect(await refusals(finalize, [withdrawal])).toMatch(/has not been proven yet/);
    const { index, output } = await world.propose();
    await note();
    const proof = await world.messages.proof(withdrawal);
    const args = [withdrawal, index, output, proof];
    // How a proof fails to lead there is the business of whoever walks it; there is no output to name either.
    for (const wrong of [
      [{ ...withdrawal, value: 13n }, index, output, proof],
      [withdrawal, index, output, proof.slice(0, -1)],
      [withdrawal, index + 1n, output, proof],
    ]) {
      for (const portal of both) expect(await world.refusal(portal, prove, wrong)).toBeDefined();
    }
    expect(await refusals(prove, [withdrawal, index, { ...output, stateRoot: keccak256("0x") }, proof])).toMatch(
      /invalid output root proof/,
    );
    for (const portal of both) await world.must(portal, prove, args);
    await note();
    expect(await refusals(prove, args)).toMatch(/has already been proven/);
    expect(await refusals(finalize, [withdrawal])).toMatch(/proven withdrawal finalization period has not elapsed/);
    await world.pass(PERIOD_SECONDS + 12);
    await note();
    await world.must(world.token, "transfer", [world.theirs.address, 0n]);
    const before = await world.balanceOf(STRANGER);
    for (const portal of both) {
      const { logs } = await world.must(portal, finalize, [withdrawal]);
      const { topics, data } = logs.at(-1)!;
      expect([topics.length, topics[1], BigInt(data)]).toEqual([2, hashOf(withdrawal), 1n]);
    }
    expect(await world.balanceOf(STRANGER)).toBe(before + 24n);
    await note();
    expect(await refusals(finalize, [withdrawal])).toMatch(/has already been finalized/);
    expect(seen).toEqual([
      "waiting-to-prove",
      "ready-to-prove",
      "waiting-to-finalize",
      "ready-to-finalize",
      "finalized",
    ]);
  });

  it("call their target with their data, as their sender; a failing call keeps the OPEN", async () => {
    const { ours, messages } = world;
    const transfer = encodeFunctionData({ abi: multicall3Abi, functionName: "aggregate3", args: [[]] });
    const good = await messages.send({ target: MULTICALL3_ADDRESS, data: transfer });
    const bad = await messages.send({ target: MULTICALL3_ADDRESS, data: "0xdeadbeef" });
    const lean = await messages.send({ target: MULTICALL3_ADDRESS, data: transfer, gasLimit: 2_000_000n });
    const absurd = await messages.send({ target: MULTICALL3_ADDRESS, data: transfer, gasLimit: maxUint256 });
    for (const each of [good, bad, lean, absurd]) await world.prove(ours, each);
    await world.pass(PERIOD_SECONDS + 1);
    const before = await world.balanceOf(MULTICALL3_ADDRESS);
    for (const [each, success] of [
      [good, 1n],
      [bad, 0n],
    ] as const) {
      expect(BigInt((await world.must(ours, finalize, [each])).logs.at(-1)!.data)).toBe(success);
    }
    expect(await world.balanceOf(MULTICALL3_ADDRESS)).toBe(before + 2_000n);
    // With less gas than was promised nothing happens, and it can be tried again.
    expect((await world.write(ours, finalize, [lean], { gas: 1_900_000n })).status).toBe("reverted");
    expect(await world.read(ours, "finalizedWithdrawals", [hashOf(lean)])).toBe(false);
    await world.must(ours, finalize, [lean], { gas: 2_500_000n });
    expect(await world.refusal(ours, finalize, [absurd])).toBe("SafeCall: Not enough gas");
  });

  it("are proven where nodes of the trie lie inside of others", async () => {
    const { messages, ours } = world;
    const first = await messages.send();
    const sent: TestWithdrawal[] = [];
    for (const gasLimit of twins(first)) sent.push(await messages.send({ nonce: first.nonce, gasLimit }));
    const { index, output } = await world.propose();
    for (const withdrawal of sent) {
      const proof = await messages.proof(withdrawal);
      const args = (nodes: readonly Hex[]) => [withdrawal, index, output, nodes];
      const whole = withInnerNode(hashOf(withdrawal), proof);
      expect(whole.length).toBe(proof.length + 1);
      expect(size(whole.at(-1)!)).toBeLessThan(32);
      // viem gives it as OP's contract wants it, with the inner node for itself too; nodes answer without.
      for (const portal of both) expect(await world.refusal(portal, prove, args(whole))).toBeUndefined();
      expect(await world.refusal(ours, prove, args([...whole, whole.at(-1)!]))).toBeDefined();
      await world.must(ours, prove, args(proof));
    }
  });
});
