/** What the engine does with transactions that a block refused at their turn. */
import { describe, expect, test } from "vitest";
import { bigIntToFixed, bytesToHex } from "../../core/bytes.ts";
import type { Transaction } from "../../core/chain.ts";
import { KECCAK_EMPTY } from "../../core/crypto.ts";
import { CONTRACTS, KEYS, SENDERS } from "../../execution/testing/world.ts";
import { delegationCode } from "../../execution/tx/authorization.ts";
import { signAuthorization } from "../../execution/tx/sign.ts";
import { alone, BROKEN, pooled } from "../testing/alone.ts";
import { TEST_TIMING } from "../testing/node.ts";
import { CHAIN_ID, contract, RECIPIENT, rich, signed } from "../testing/world.ts";

const { intervalMs: INTERVAL_MS, heartbeatMs: HEARTBEAT_MS } = TEST_TIMING;

describe("transactions that are refused at their turn", () => {
  /** Sends half an OPEN to whoever calls: as an account's delegation it gives the account's money away. */
  const HALF = 5n * 10n ** 17n;
  const GIVER = contract(
    CONTRACTS[0]!,
    Uint8Array.of(...[0x5f, 0x5f, 0x5f, 0x5f, 0x67], ...bigIntToFixed(HALF, 8), ...[0x33, 0x5a, 0xf1, 0]),
  );
  /** Creates an empty contract: raises the nonce of the account that runs it. */
  const CREATOR = contract(CONTRACTS[1]!, Uint8Array.of(0x5f, 0x5f, 0x5f, 0xf0, 0));
  /** Fees of up to 0.01 OPEN. */
  const call = (sender: number, nonce: bigint, to: Uint8Array, tip = 10n ** 6n) =>
    signed(sender, nonce, { to, value: 0n, gasLimit: 200_000n, maxPriorityFeePerGas: tip });

  /** The pool took them before their senders were delegated: now it would take one of each. */
  const addBefore = ({ chain, mempool, clock }: Awaited<ReturnType<typeof alone>>, ...all: Transaction[]) => {
    const { headState } = chain;
    const undelegated = (address: Uint8Array) => {
      const account = headState.account(address);
      return account && { ...account, codeHash: KECCAK_EMPTY };
    };
    const state = { account: undelegated, storage: headState.storage, code: headState.code };
    for (const tx of all) expect(mempool.add(tx, state, clock.nowMs())).toMatchObject({ ok: true });
  };

  test("money moved away by somebody else: the pool gets rid of what cannot be paid, and keeps the rest", async () => {
    const victim = rich(1, { code: delegationCode(GIVER.address) });
    const world = await alone([rich(0), victim, GIVER]);
    const { start, mempool, add, beat } = world;
    const drain = call(0, 0n, victim.address);
    const dear = signed(1, 0n, { value: 6n * 10n ** 17n });
    const behind = signed(1, 1n);
    addBefore(world, drain, dear, behind);
    await start();
    expect((await beat()).transactions).toEqual([drain]);
    expect(mempool.get(dear.hash)).toBeUndefined();
    expect(pooled(mempool)).toEqual({ pending: 0, queued: 1 });
    // Nothing includable is left: no empty blocks at the pace of full ones.
    expect(await beat()).toEqual({ waitedMs: HEARTBEAT_MS, transactions: [] });
    const cheap = signed(1, 0n);
    add(cheap);
    expect((await beat()).transactions).toEqual([cheap, behind]);
  });

  test("money that is back before the block ends: what could not be paid in between stays and is next", async () => {
    const victim = rich(1, { code: delegationCode(GIVER.address) });
    const { lines, add, start, beat } = await alone([rich(0), rich(2, { balance: 4n * HALF }), victim, GIVER]);
    const drain = call(0, 0n, victim.address, 3_000_000n);
    const dear = signed(1, 0n, { value: 6n * 10n ** 17n, maxPriorityFeePerGas: 2_000_000n });
    // The delegation gives half of it back at once.
    const refill = signed(2, 0n, { to: victim.address, value: 2n * HALF, gasLimit: 100_000n });
    add(drain, dear, refill);
    await start();
    expect((await beat()).transactions).toEqual([drain, refill]);
    expect(lines.find(({ code }) => code === "insufficient-funds")?.hash).toBe(bytesToHex(dear.hash));
    expect(await beat()).toEqual({ waitedMs: INTERVAL_MS, transactions: [dear] });
    expect((await beat()).waitedMs).toBe(HEARTBEAT_MS);
  });

  test("a nonce used up by somebody else: what is behind it is not lost", async () => {
    const victim = rich(1, { code: delegationCode(CREATOR.address) });
    const world = await alone([rich(0), victim, CREATOR]);
    const { start, mempool, lines, beat } = world;
    const bump = call(0, 0n, victim.address);
    const stale = signed(1, 0n);
    const next = [signed(1, 1n), signed(1, 2n)];
    addBefore(world, bump, stale, ...next);
    await start();
    expect((await beat()).transactions).toEqual([bump]);
    expect(lines.filter(({ code }) => code !== undefined).map(({ code }) => code)).toEqual(["nonce-too-low"]);
    expect(mempool.get(stale.hash)).toBeUndefined();
    expect(pooled(mempool)).toEqual({ pending: 2, queued: 0 });
    expect(await beat()).toEqual({ waitedMs: INTERVAL_MS, transactions: next });
  });

  test("nonces used up by an authorization (EIP-7702) of the account", async () => {
    const world = await alone([rich(0), rich(1), CREATOR]);
    const { start, mempool, beat } = world;
    const authorization = signAuthorization({ chainId: CHAIN_ID, address: CREATOR.address, nonce: 0n }, KEYS[1]!);
    const delegate = signed(0, 0n, {
      type: 4,
      authorizationList: [authorization],
      gasLimit: 200_000n,
      maxPriorityFeePerGas: 10n ** 6n,
    });
    world.add(delegate, signed(1, 0n));
    await start();
    expect((await beat()).transactions).toEqual([delegate]);
    expect(pooled(mempool)).toEqual({ pending: 0, queued: 0 });
    const next = signed(1, 1n);
    world.add(next);
    expect((await beat()).transactions).toEqual([next]);
  });

  test("a defect that one transaction meets: it is dropped and logged, the others go on", async () => {
    const { start, chain, mempool, lines, add, beat } = await alone([rich(0), rich(1)]);
    const bad = signed(0, 0n, { to: BROKEN.address, gasLimit: 200_000n, value: 0n });
    const good = signed(1, 0n);
    add(bad, good);
    await start();
    expect((await beat()).transactions).toEqual([good]);
    expect(mempool.get(bad.hash)).toBeUndefined();
    expect(lines.find(({ code }) => code === "faulty")).toMatchObject({
      level: 50,
      msg: "transaction dropped: executing it failed",
      hash: bytesToHex(bad.hash),
    });
    expect((await beat()).waitedMs).toBe(HEARTBEAT_MS);
    expect(chain.headState.account(SENDERS[0]!)?.nonce).toBe(0n);
  });

  test("where pool and execution disagree, one empty block ends it", async () => {
    const { start, chain, mempool, add, beat } = await alone([rich(0), rich(1)]);
    const tx = signed(0, 0n);
    add(tx, signed(0, 1n));
    await start();
    const { proposeOn } = chain;
    chain.proposeOn = async (parent, input) => {
      const refused = [...input.candidates];
      const proposal = await proposeOn(parent, { ...input, candidates: [] });
      const rejected = refused.map((transaction) => ({
        transaction,
        code: "insufficient-funds" as const,
        message: "",
      }));
      return { ...proposal, rejected };
    };
    expect((await beat()).transactions).toEqual([]);
    expect(pooled(mempool)).toEqual({ pending: 0, queued: 0 });
    expect((await beat()).waitedMs).toBe(HEARTBEAT_MS);
  });

  test("with many at once the proposer reaches an empty pool and all that was valid is in", async () => {
    const victims = [1, 2, 3].map((index) => rich(index, { code: delegationCode(GIVER.address) }));
    const world = await alone([rich(0), ...victims, GIVER]);
    const { start, chain, mempool, beat } = world;
    const drains = [1, 2, 3].map((index) => call(0, BigInt(index - 1), SENDERS[index]!));
    world.add(...drains);
    for (const index of [1, 2, 3]) {
      for (let nonce = 0n; nonce < 6n; nonce++) addBefore(world, signed(index, nonce, { value: 16n * 10n ** 16n }));
    }
    await start();
    for (let i = 0; i < 12; i++) await beat();
    expect(mempool.counts.pending).toBe(0);
    expect((await beat()).waitedMs).toBe(HEARTBEAT_MS);
    for (const index of [1, 2, 3]) {
      const account = chain.headState.account(SENDERS[index]!)!;
      // 1 - 0.5 given away leaves three times 0.16.
      expect(account.nonce).toBe(3n);
    }
    expect(chain.headState.account(RECIPIENT)?.balance).toBe(9n * 16n * 10n ** 16n);
  });
});
