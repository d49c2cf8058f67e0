/** Against the contracts on a real L1; L2 is headers that validators sign. With running nodes: test/e2e/validator-set.test.ts. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeFunctionData, type Hex } from "viem";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { encodeVote } from "../../consensus/codec.ts";
import { voteDigest } from "../../consensus/scheme.ts";
import { baseView, KIND, type Vote, type VoteKind } from "../../consensus/types.ts";
import { blsSign, expandBlsPublicKey, provePossession } from "../../core/bls.ts";
import { bytesToHex, hexToBytes } from "../../core/bytes.ts";
import {
  CHAIN_ID,
  EVIDENCE_SECONDS,
  HOLDER,
  MINIMUM_STAKE,
  OracleWorld,
  PERIOD_SECONDS,
  REPORTER_PPM,
  SLASHED_PPM,
  STRANGER,
  setOf,
  type TestValidator,
  testValidator,
} from "../../test/helpers/oracle-world.ts";
import { devnetAccount } from "../accounts.ts";
import { describeNetwork, writeNetworkFile } from "../network.ts";
import { runStake } from "./cli.ts";
import { addStake, exit, publishSnapshot, register, withdrawStake } from "./moves.ts";
import { report } from "./report.ts";
import { openStakes, readMember, type Stakes } from "./stakes.ts";
import { withdrawalOf } from "./withdrawal.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const EPOCH_BLOCKS = 10n;
const datadir = mkdtempSync(join(tmpdir(), "openledger-stake-"));
const genesis = [0, 1, 2, 3, 4, 5].map((seed) => testValidator(seed));
const newcomer = testValidator(9);
let world: OracleWorld;
let stakes: Stakes;

const describeAt = (name: string, chainId: bigint, urls: readonly string[]) => {
  const address = (contract: { readonly address: Hex }) => hexToBytes(contract.address);
  const unused = new Uint8Array(20).fill(1);
  const parameters = {
    chainId: 31_337n,
    portal: address(world.portal),
    oracle: address(world.oracle),
    inbox: address(world.inbox),
    registry: address(world.registry),
    token: address(world.token),
    systemConfig: unused,
    l1StandardBridge: unused,
    l1Messenger: unused,
    origin: { number: 0n, hash: new Uint8Array(32), timestamp: 0n },
    finality: "finalized" as const,
    maxDriftSeconds: 600,
  };
  const nowhere = { graphql: undefined, content: undefined, host: undefined, metrics: undefined };
  return describeNetwork(name, chainId, new Uint8Array(32), { ...nowhere, rpc: urls[0] }, { parameters, urls });
};

beforeAll(async () => {
  world = await OracleWorld.start({ validators: genesis, epochBlocks: EPOCH_BLOCKS });
  const description = describeAt("test", CHAIN_ID, [world.anvil.url]);
  writeNetworkFile(datadir, description);
  stakes = openStakes(description);
});
afterAll(async () => {
  await world?.anvil.stop();
  rmSync(datadir, { recursive: true });
});

const identityOf = ({ publicKey, secret }: TestValidator) => ({
  publicKey: expandBlsPublicKey(hexToBytes(publicKey)),
  proofOfPossession: provePossession(secret),
});

/** Transactions that the account has sent. */
const sentBy = (address: Hex) => world.client.getTransactionCount({ address });

describe("a stake", () => {
  it("is registered once and added to; what is refused sends nothing", async () => {
    const account = devnetAccount(0);
    const told: string[] = [];
    const tell = (line: string) => told.push(line);
    const enroll = (amount: bigint) => register(stakes, account, identityOf(newcomer), amount, tell);
    const before = await sentBy(account.address);
    await expect(enroll(MINIMUM_STAKE - 1n)).rejects.toThrow(
      "99.999999999999999999 OPEN is less than the least stake, 100",
    );
    await expect(addStake(stakes, account, newcomer.id, 1n, tell)).rejects.toThrow("is not registered");
    const poor = devnetAccount(7);
    await expect(register(stakes, poor, identityOf(newcomer), MINIMUM_STAKE, tell)).rejects.toThrow(
      `${poor.address} has 0 wei of OPEN on L1`,
    );
    expect(await sentBy(account.address)).toBe(before);

    // As a run leaves it that was cut short.
    await world.send(world.token, "approve", [world.registry.address, MINIMUM_STAKE]);
    await enroll(MINIMUM_STAKE);
    expect(told).toEqual([]);
    expect(await readMember(stakes, newcomer.id)).toMatchObject({ state: "active", stakeWei: MINIMUM_STAKE });
    await addStake(stakes, account, newcomer.id, 5n, tell);
    expect(told).toEqual([expect.stringMatching(/^approved 0x/)]);
    expect((await readMember(stakes, newcomer.id)).stakeWei).toBe(MINIMUM_STAKE + 5n);

    const after = await sentBy(account.address);
    await expect(enroll(MINIMUM_STAKE)).rejects.toThrow(/is registered already, by 0x\w+, and active/);
    expect(await sentBy(account.address)).toBe(after);
  });

  it("leaves by the rules, and says what it waits for until then", async () => {
    const [account, other] = [devnetAccount(0), devnetAccount(1)];
    const leaver = genesis[5]!;
    const waiting = async () => withdrawalOf(stakes, await readMember(stakes, leaver.id));
    await expect(withdrawStake(stakes, account, leaver.id)).rejects.toThrow("has not left; openledger stake exit");
    await expect(exit(stakes, other, leaver.id)).rejects.toThrow(`is of ${account.address}, not of ${other.address}`);
    await exit(stakes, account, leaver.id);
    await expect(exit(stakes, account, leaver.id)).rejects.toThrow("leaves already");
    expect(await waiting()).toMatchObject({
      type: "waits",
      why: expect.stringContaining("newest snapshot still has it"),
    });

    // Somebody else's is pending, and comes after the own one: the gas is estimated as if it were not there.
    await world.client.setAutomine(false);
    const data = encodeFunctionData({ ...world.registry, functionName: "snapshot" });
    const { baseFeePerGas } = await world.client.getBlock({ blockTag: "pending" });
    const price = { maxFeePerGas: baseFeePerGas!, maxPriorityFeePerGas: 0n };
    const call = { account: STRANGER, to: world.registry.address, data, gas: 3_000_000n };
    const late = await world.client.sendTransaction({ ...call, ...price });
    const publishing = publishSnapshot(stakes, account);
    await vi.waitUntil(async () => (await world.client.getBlock({ blockTag: "pending" })).transactions.length === 2);
    await world.client.mine({ blocks: 1 });
    expect(await publishing).toMatchObject({ number: 1n });
    await world.client.setAutomine(true);
    expect((await world.client.getTransactionReceipt({ hash: late })).transactionIndex).toBe(1);
    expect((await publishSnapshot(stakes, account)).number).toBe(1n);
    // A third of the six stakes may move at once: one goes, and one comes, so that the five wei wait.
    const remaining = [...genesis.slice(0, 5), newcomer];
    const noOutput = {
      type: "waits",
      why: expect.stringContaining("no output is on L1 yet of an epoch with snapshot 1"),
    };
    expect(await waiting()).toMatchObject(noOutput);
    await world.endEpoch(0n, genesis, setOf(remaining).hash);
    expect(await waiting()).toMatchObject(noOutput);
    await world.output(EPOCH_BLOCKS + 4n, remaining);
    const { timestamp } = await world.client.getBlock();
    const until = new Date((Number(timestamp) + PERIOD_SECONDS + EVIDENCE_SECONDS) * 1_000);
    expect(await waiting()).toEqual({
      type: "waits",
      why: expect.stringContaining("output 2, the first without it"),
      until,
    });
    await expect(withdrawStake(stakes, account, leaver.id)).rejects.toThrow(
      `waits until ${until.toISOString()}: output 2`,
    );

    // Later outputs change nothing.
    await world.output(EPOCH_BLOCKS + 8n, remaining);
    await world.pass(PERIOD_SECONDS + EVIDENCE_SECONDS);
    expect(await waiting()).toEqual({ type: "ready", outputIndex: 2n });
    const before = await world.balanceOf(account.address);
    expect(await withdrawStake(stakes, account, leaver.id)).toMatchObject({ amountWei: MINIMUM_STAKE });
    expect(await world.balanceOf(account.address)).toBe(before + MINIMUM_STAKE);
    await expect(withdrawStake(stakes, account, leaver.id)).rejects.toThrow("has left, and its stake was withdrawn");
  });
});

describe("a report", () => {
  const reporter = devnetAccount(3);
  const view = baseView(0) + 77;

  function vote(
    signer: number,
    kind: VoteKind,
    block: number,
    key = genesis[signer]!,
    l1Contract = world.oracle.address,
  ): Vote {
    const isNullify = kind === KIND.nullify;
    const subject = {
      kind,
      epoch: 0,
      view,
      parentView: isNullify ? 0 : view - 1,
      block: new Uint8Array(32).fill(block),
    };
    const digest = voteDigest({ chainId: CHAIN_ID, l1Contract: hexToBytes(l1Contract) }, setOf(genesis).hash, subject);
    return { ...subject, signer, signature: blsSign(key.secret, digest) };
  }

  function evidence(first: Vote, second: Vote): string {
    const file = join(datadir, "evidence.json");
    const votes = [first, second].map((each) => bytesToHex(encodeVote(each)));
    writeFileSync(file, JSON.stringify({ epoch: 0, view, signer: first.signer, votes }));
    return file;
  }

  const refused = (first: Vote, second: Vote) =>
    runStake(["report", evidence(first, second), "--account", "3", "--datadir", datadir]);

  it("has the validator slashed, once for a view", async () => {
    const offender = genesis[2]!;
    const file = evidence(vote(2, KIND.nullify, 0), vote(2, KIND.finalize, 5));
    const slashed = await report(stakes, reporter, file);
    const amountWei = (MINIMUM_STAKE * SLASHED_PPM) / 1_000_000n;
    const rewardWei = (amountWei * REPORTER_PPM) / 1_000_000n;
    expect(slashed).toMatchObject({ validator: offender.id, amountWei, rewardWei });
    expect(await world.balanceOf(reporter.address)).toBe(rewardWei);
    expect(await readMember(stakes, offender.id)).toMatchObject({
      state: "slashed",
      stakeWei: MINIMUM_STAKE - amountWei,
    });
    const sent = await sentBy(reporter.address);
    await expect(refused(vote(2, KIND.notarize, 1), vote(2, KIND.notarize, 2))).rejects.toThrow(
      /^L1 refuses it: NothingToSlash\(0x\w+\), it was slashed for this view already/,
    );
    expect(await sentBy(reporter.address)).toBe(sent);
  });

  it("is refused in one line when it proves nothing", async () => {
    const sent = await sentBy(reporter.address);
    const [one, two] = [vote(1, KIND.notarize, 1), vote(1, KIND.notarize, 2)];
    await expect(refused(one, vote(1, KIND.nullify, 0))).rejects.toThrow(
      "L1 refuses it: NotConflicting(), an honest validator signs both",
    );
    await expect(refused(one, vote(3, KIND.notarize, 2))).rejects.toThrow(
      "its votes are not of one validator and epoch",
    );
    await expect(refused(one, vote(1, KIND.notarize, 2, genesis[3]))).rejects.toThrow(
      "of this network did not sign it",
    );
    await expect(refused(one, vote(1, KIND.notarize, 2, genesis[1], HOLDER.address))).rejects.toThrow(
      "did not sign it",
    );
    await expect(refused({ ...one, signer: 99 }, { ...two, signer: 99 })).rejects.toThrow("has no validator 99");
    const file = join(datadir, "nonsense.json");
    for (const [text, why] of [
      ["{", /is no evidence: .*JSON/],
      ["{}", /it has no two votes/],
      ['{"votes":["0x01","0x01"]}', /is no evidence: ends after 1 bytes/],
      [" ".repeat(70_000), /it has 70000 bytes/],
    ] as const) {
      writeFileSync(file, text);
      await expect(report(stakes, reporter, file)).rejects.toThrow(why);
    }
    await expect(report(stakes, reporter, join(datadir, "none"))).rejects.toThrow(/is no evidence: ENOENT/);
    expect(await sentBy(reporter.address)).toBe(sent);
  });
});

describe("openledger stake", () => {
  const other = join(datadir, "other");
  const silent = join(datadir, "silent");

  it.each([
    [[], "stake needs one of: register, add, exit, withdraw, snapshot, report, status"],
    [["teleport"], "stake needs one of"],
    [["report"], "stake report needs a FILE"],
    [["report", "--account", "1"], "stake report needs a FILE"],
    [["exit", "--account", "1"], "holds no key; make one with openledger validator keys create"],
    [["exit"], "name who acts"],
    [["register", "--account", "1"], "--amount is missing"],
    [["add", "--account", "1", "--amount", "0"], "--amount must be above 0"],
    [["exit", "--account", "1", "--validator.devnetkey", "200"], "is not registered"],
  ])("%j: %s", async (args, line) => {
    const flags = args.length === 0 ? [] : ["--datadir", datadir];
    await expect(runStake([...args, ...flags])).rejects.toThrow(line);
  });

  it("takes a devnet's keys on devnets only, and names what does not answer", async () => {
    for (const [directory, description] of [
      [other, describeAt("other", 5n, [world.anvil.url])],
      [silent, describeAt("silent", CHAIN_ID, ["http://127.0.0.1:1/secret"])],
    ] as const) {
      mkdirSync(directory);
      writeNetworkFile(directory, description);
    }
    const key = ["--validator.devnetkey", "1"];
    await expect(runStake(["status", ...key, "--datadir", other])).rejects.toThrow(
      "--validator.devnetkey is for devnets",
    );
    await expect(runStake(["exit", "--account", "1", "--datadir", other])).rejects.toThrow("--account is for devnets");
    await expect(runStake(["status", ...key, "--datadir", silent])).rejects.toThrow(/^127.0.0.1:1 does not answer$/);
  });
});
