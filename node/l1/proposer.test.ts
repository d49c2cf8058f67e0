import { hexToBytes as fromHex, type Hex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { outputRoot } from "../../bridge/output.ts";
import tokenArtifact from "../../contracts/artifacts/OpenToken.json" with { type: "json" };
import oracleArtifact from "../../contracts/artifacts/OutputOracle.json" with { type: "json" };
import registryArtifact from "../../contracts/artifacts/ValidatorRegistry.json" with { type: "json" };
import { blsSignatureForEvm } from "../../core/bls.ts";
import { bytesToHex } from "../../core/bytes.ts";
import { testValidator } from "../../genesis/testing/validators.ts";
import { bridgedL1, EPOCH_BLOCKS, type TestL1, TestL2 } from "../../test/helpers/l1-world.ts";
import { signed } from "../testing/world.ts";
import { Poster } from "./poster.ts";
import { Proposer } from "./proposer.ts";
import { L1Sender } from "./sender.ts";

const KEY: Hex = `0x${"43".repeat(32)}`;
let world: TestL1;

beforeAll(async () => {
  world = await bridgedL1();
  await world.anvil.client.setBalance({ address: privateKeyToAccount(KEY).address, value: 10n ** 20n });
});
afterAll(() => world?.anvil.stop());

function posting(l2: TestL2) {
  const { chain, watcher, safeHead, store, clock, client, log } = l2;
  const sender = new L1Sender({
    client,
    store,
    clock,
    log: log.log,
    privateKey: fromHex(KEY),
    maxFeePerGas: 500_000_000_000n,
    bumpAfterMs: 60_000,
    readTo: () => safeHead.readTo,
  });
  const validators = () => chain.validatorSet(0)!;
  const epochBlocks = BigInt(EPOCH_BLOCKS);
  const common = {
    chain,
    watcher,
    safeHead,
    sender,
    clock,
    log: log.log,
    epochBlocks,
    validators,
    publicKey: undefined,
  };
  const { inbox, oracle, registry } = world.l1;
  return {
    poster: new Poster({ ...common, store, inbox, data: "calldata", maxAgeMs: 0 }),
    proposer: new Proposer({ ...common, client, oracle, registry }),
  };
}

const oracle = <T>(functionName: string, args: unknown[] = []) =>
  world.anvil.client.readContract({
    address: bytesToHex(world.l1.oracle),
    abi: oracleArtifact.abi as never,
    functionName,
    args,
  }) as Promise<T>;

test("outputs are accepted, the end of each epoch among them, and a new validator gets into a snapshot", async () => {
  const l2 = await TestL2.open(world);
  const { poster, proposer } = posting(l2);
  const step = async (ticks: number) => {
    for (let i = 0; i < ticks; i++) {
      // Nobody's turn here: whatever is due is posted after everybody else's time.
      l2.clock.setMs(l2.clock.nowMs() + 300_000);
      await poster.tick();
      await proposer.tick();
      await world.mine();
      await l2.follow();
    }
  };
  l2.clock.setMs(l2.clock.nowMs() + 10_000_000);
  await l2.follow();
  for (let n = 0n; n < 5n; n++) await l2.extend([signed(0, n)]);
  await step(6);
  expect(await oracle("latestBlockNumber")).toBe(5n);
  for (let n = 5n; n < 24n; n++) await l2.extend([signed(0, n)]);
  expect(l2.chain.head.number).toBe(24n);
  await step(14);
  // The end of epoch 0, and after it the newest block that is on L1, which the set of epoch 1 certified.
  expect(await oracle("latestBlockNumber")).toBe(24n);
  expect(await oracle("knownEpochs")).toBe(2n);
  for (const number of [5n, 19n, 24n]) {
    const output = await oracle<object>("getL2OutputAfter", [number]);
    const { header, hash } = l2.chain.block(number)!;
    expect(output).toMatchObject({ outputRoot: bytesToHex(outputRoot(header, hash)), l2BlockNumber: number });
  }
  expect(proposer.problem).toBeUndefined();
  // Nothing is due: nothing is sent.
  const count = () => world.anvil.client.getTransactionCount({ address: privateKeyToAccount(KEY).address });
  const before = await count();
  await step(3);
  expect(await count()).toBe(before);

  const { publicKey, proofOfPossession } = testValidator(9);
  const { client } = world.anvil;
  const [token, registry] = [bytesToHex(world.l1.token), bytesToHex(world.l1.registry)];
  await client.writeContract({
    address: token,
    abi: tokenArtifact.abi,
    functionName: "approve",
    args: [registry, 50n],
  });
  const args = [bytesToHex(publicKey), bytesToHex(blsSignatureForEvm(proofOfPossession)), 50n];
  await client.writeContract({ address: registry, abi: registryArtifact.abi, functionName: "register", args });
  await step(4);
  expect(
    await client.readContract({ address: registry, abi: registryArtifact.abi, functionName: "latestNumber" }),
  ).toBe(1n);
  await l2.follow();
  const deposits = l2.watcher.finalBlocks(world.l1.origin.number + 1n, 1_000).flatMap((block) => block.deposits);
  expect(deposits.length).toBe(1);
});
