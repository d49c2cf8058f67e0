/** Transactions of a host on a real chain whose blocks come when they are told. */
import { decodeFunctionData, encodeFunctionData, parseTransaction } from "viem";
import { afterEach, beforeEach, expect, it } from "vitest";
import { bytesToHex } from "../../core/bytes.ts";
import { attributionAbi } from "../../precompiles/interfaces/attribution.abi.ts";
import { systemClock } from "../ports.ts";
import { testLog } from "../testing/world.ts";
import { type Call, RevertError, Sender, type SenderParts } from "./sender.ts";
import { HOST, HOST_ACCOUNT, HostWorld } from "./testing/host-world.ts";

let world: HostWorld;
const senders: Sender[] = [];
beforeEach(async () => {
  world = await HostWorld.open();
});
afterEach(async () => {
  for (const sender of senders.splice(0)) sender.stop();
  await world.close();
});

function open(parts: Partial<SenderParts> = {}): Sender {
  const { log } = testLog();
  const sender = new Sender({
    client: world.client,
    account: HOST_ACCOUNT,
    clock: systemClock,
    log,
    pollMs: 10,
    ...parts,
  });
  senders.push(sender);
  return sender;
}

const deposit = (valueWei: bigint): Call => ({
  label: `deposit ${valueWei}`,
  to: "0x0000000000000000000000000000000000000903",
  data: encodeFunctionData({ abi: attributionAbi, functionName: "depositStake" }),
  valueWei,
});
const withdraw = (amount: bigint): Call => ({
  label: "withdraw",
  to: "0x0000000000000000000000000000000000000903",
  data: encodeFunctionData({ abi: attributionAbi, functionName: "withdrawStake", args: [amount] }),
});

const waiting = () => [...world.mempool.candidates(0n)];
const sentBy = () => world.mempool.counts.pending;

it("has several under way with nonces in a row, all in the next block", async () => {
  const sender = open();
  const sent = [1n, 2n, 3n].map((value) => sender.send(deposit(value)));
  await expect.poll(sentBy).toBe(3);
  expect(waiting().map(({ nonce, value }) => [nonce - waiting()[0]!.nonce, value])).toEqual([
    [0n, 1n],
    [1n, 2n],
    [2n, 3n],
  ]);
  await world.block();
  const { number: blockNumber } = world.chain.headBlock.header;
  expect(await Promise.all(sent)).toEqual(sent.map(() => ({ type: "mined", blockNumber })));
});

it("says what the precompile would say, and sends nothing", async () => {
  const sender = open();
  const error = await sender.send(withdraw(10n ** 20n)).catch((failure: unknown) => failure);
  expect(error).toBeInstanceOf(RevertError);
  expect((error as RevertError).errorName).toBe("InsufficientStake");
  expect((error as RevertError).message).toBe(`InsufficientStake(${10n ** 18n}, ${10n ** 20n})`);
  expect(sentBy()).toBe(0);
});

it("sends again dearer, with the same nonce, what is not mined", async () => {
  const sender = open({ bumpAfterMs: 30 });
  const sent = sender.send(deposit(5n));
  const fees = new Set<bigint>();
  await expect
    .poll(() => {
      for (const { raw } of waiting()) fees.add(parseTransaction(bytesToHex(raw) as `0x02${string}`).maxFeePerGas!);
      return fees.size;
    })
    .toBeGreaterThan(2);
  expect(sentBy()).toBe(1);
  await world.block();
  expect(await sent).toMatchObject({ type: "mined" });
});

it("gets past what an earlier process left with its nonce", async () => {
  const first = open({ pollMs: 1_000_000 });
  first.send(deposit(7n)).catch(() => {});
  await expect.poll(sentBy).toBe(1);
  first.stop();
  const second = open();
  const sent = second.send(deposit(9n));
  await expect.poll(() => waiting().map(({ value }) => value)).toEqual([9n]);
  await world.block();
  expect(await sent).toMatchObject({ type: "mined" });
});

it("says that one is lost whose nonce was used elsewhere, and goes on", async () => {
  const sender = open({ bumpAfterMs: 1_000_000 });
  const sent = sender.send(deposit(1n));
  await expect.poll(sentBy).toBe(1);
  await world.call(HOST, "attribution", "depositStake", [], 2n);
  expect(await sent).toEqual({ type: "lost" });
  const next = sender.send(deposit(3n));
  await expect.poll(sentBy).toBe(1);
  const [tx] = waiting();
  expect(decodeFunctionData({ abi: attributionAbi, data: bytesToHex(tx!.data) }).functionName).toBe("depositStake");
  await world.block();
  expect(await next).toMatchObject({ type: "mined" });
});

it("leaves nobody waiting when it stops, whatever is under way", async () => {
  const sender = open();
  const mined = [1n, 2n, 3n].map((value) => sender.send(deposit(value)));
  await expect.poll(sentBy).toBeGreaterThan(0);
  sender.stop();
  const outcomes = await Promise.allSettled(mined);
  for (const outcome of outcomes) {
    if (outcome.status === "fulfilled") expect(outcome.value).toEqual({ type: "lost" });
    else expect(outcome.reason).toMatchObject({ message: "the sender has stopped" });
  }
});
