/** The validator set as L1's registry has it, followed by running nodes: joining, leaving, being slashed. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Abi, decodeFunctionData, erc20Abi, type Hash, type Hex, hexToBytes, keccak256, parseEther } from "viem";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { voteDigest } from "../../consensus/scheme.ts";
import { baseView, KIND, type Subject, type Vote } from "../../consensus/types.ts";
import oracleArtifact from "../../contracts/artifacts/OutputOracle.json" with { type: "json" };
import { blsAggregate, blsSign, blsSignatureForEvm } from "../../core/bls.ts";
import { bytesToHex, equalsBytes } from "../../core/bytes.ts";
import { decodeValidators } from "../../core/validators.ts";
import { devnetAccount } from "../../node/accounts.ts";
import { keepEvidence } from "../../node/evidence.ts";
import { createLog } from "../../node/log.ts";
import { readNetworkFile } from "../../node/network.ts";
import { openStakes, readMember, type Stakes, validatorId } from "../../node/stake-cli/stakes.ts";
import { withdrawalOf } from "../../node/stake-cli/withdrawal.ts";
import { devnetValidator, devnetValidatorKey } from "../../node/validator/devnet.ts";
import { SLASHED_PPM } from "../helpers/anchor.ts";
import { Cluster, type ClusterNode } from "../helpers/cluster.ts";
import { runHere, temporaryDirectory } from "../helpers/devnet-process.ts";
import { refusalOf } from "../helpers/revert.ts";

const EPOCH_BLOCKS = 8;
const STAKE = "1000000";
const PATIENCE = { timeout: 90_000, interval: 250 };
const oracleAbi = oracleArtifact.abi as Abi;

const directory = temporaryDirectory();
const passwordFile = join(directory.path, "password");
let cluster: Cluster;
let stakes: Stakes;

const node = (index: number): ClusterNode => cluster.nodes[index]!;

beforeAll(async () => {
  cluster = await Cluster.create({
    directory: directory.path,
    validators: 4,
    fullNodes: 1,
    anchored: true,
    unproxied: true,
    heartbeatMs: 300,
    genesis: { consensus: { epochBlocks: EPOCH_BLOCKS } },
    // The fifth has a key of its own, which is in no set yet.
    options: (index) => (index === 4 ? { validator: true, "validator.passwordfile": passwordFile } : {}),
  });
  writeFileSync(passwordFile, "correct horse battery staple\n", { mode: 0o600 });
  const keys = ["--datadir", node(4).datadir, "--validator.passwordfile", passwordFile];
  const { code, output } = await runHere(["validator", "keys", "create", ...keys]);
  expect(code, output).toBe(0);
  await cluster.start();
  stakes = openStakes(readNetworkFile(node(0).datadir));
}, 240_000);

afterAll(async () => {
  await cluster?.stop();
  directory.remove();
});

/** Validator 0 to 3 by its devnet key, 4 by the keystore in its directory. */
const keyOf = (index: number): string[] => (index === 4 ? [] : ["--validator.devnetkey", String(index)]);

const run = (words: readonly string[], index: number) =>
  runHere(["stake", ...words, "--json", "--datadir", node(index).datadir, ...keyOf(index)]);

async function stake(index: number, ...words: string[]): Promise<Record<string, unknown>> {
  const { code, output } = await run(words, index);
  expect(code, output).toBe(0);
  return JSON.parse(output.trim().split("\n").at(-1)!);
}

const metric = async (index: number, name: string): Promise<number | undefined> =>
  (await node(index).metrics()).get(`openledger_consensus_${name}`);

/** Who gets the fees of the last blocks. */
async function makers(): Promise<readonly string[]> {
  const { l2 } = stakes;
  const head = await l2.getBlockNumber({ cacheTime: 0 });
  const numbers = Array.from({ length: EPOCH_BLOCKS }, (_, i) => head - BigInt(i));
  return Promise.all(numbers.map(async (blockNumber) => (await l2.getBlock({ blockNumber })).miner.toLowerCase()));
}

/** Of the registry, for the newest epoch that the oracle knows. */
async function oracleSnapshot(): Promise<bigint> {
  const { l1, oracle } = stakes;
  const known = await l1.readContract({ ...oracle, functionName: "knownEpochs" });
  return (await l1.readContract({ ...oracle, functionName: "epochs", args: [known - 1n] })).snapshot;
}

interface Output {
  readonly transaction: Hash;
  readonly l1Number: bigint;
  readonly proposal: {
    readonly headers: readonly Hex[];
    readonly certificate: {
      readonly epoch: bigint;
      readonly viewNumber: bigint;
      readonly parentView: bigint;
      readonly bitmap: Hex;
      readonly signature: Hex;
    };
  };
}

/** Those that L1 accepted of an epoch, with what was brought for them. */
async function outputsOf(epoch: bigint): Promise<readonly Output[]> {
  const { l1, oracle } = stakes;
  const events = await l1.getContractEvents({
    address: oracle.address,
    abi: oracleAbi,
    eventName: "OutputProposed",
    fromBlock: 0n,
  });
  const outputs = await Promise.all(
    events.slice(1).map(async ({ transactionHash, blockNumber }) => {
      const { input } = await l1.getTransaction({ hash: transactionHash });
      const [proposal] = decodeFunctionData({ abi: oracleAbi, data: input }).args as unknown as [Output["proposal"]];
      return { transaction: transactionHash, l1Number: blockNumber, proposal };
    }),
  );
  return outputs.filter(({ proposal }) => proposal.certificate.epoch === epoch);
}

/** Asks the oracle as it was just before it accepted `output`, about it with another certificate. */
function proposeAnew({ l1Number, proposal }: Output, certificate: Output["proposal"]["certificate"]): Promise<unknown> {
  const { l1, oracle } = stakes;
  const args = [{ headers: proposal.headers, certificate }];
  const call = { address: oracle.address, abi: oracleAbi, functionName: "proposeOutput", args };
  return l1.simulateContract({ ...call, blockNumber: l1Number - 1n });
}

const domain = () => ({
  chainId: BigInt(stakes.network.l2.id),
  l1Contract: hexToBytes(stakes.oracle.address),
});

/** As node/evidence.ts keeps it: two blocks in one view of the newest epoch that L1 knows, signed with a devnet's key. */
async function evidenceAgainst(devnetKey: number): Promise<string> {
  const { l1, oracle, registry } = stakes;
  const epoch = Number(await l1.readContract({ ...oracle, functionName: "knownEpochs" })) - 1;
  const { setHash } = await l1.readContract({ ...oracle, functionName: "epochs", args: [BigInt(epoch)] });
  const encoded = await l1.readContract({ ...registry, functionName: "encodedSet", args: [setHash] });
  const { validators } = decodeValidators(hexToBytes(encoded));
  const { publicKey } = devnetValidator(devnetKey);
  const signer = validators.findIndex((validator) => equalsBytes(validator.publicKey, publicKey));
  const view = baseView(epoch) + 1_000_000;
  const vote = (block: number): Vote => {
    const subject = { kind: KIND.notarize, epoch, view, parentView: view - 1, block: new Uint8Array(32).fill(block) };
    const digest = voteDigest(domain(), hexToBytes(setHash), subject);
    return { ...subject, signer, signature: blsSign(devnetValidatorKey(devnetKey), digest) };
  };
  keepEvidence(directory.path, { epoch, signer, first: vote(1), second: vote(2) }, createLog("error", "json"));
  return join(directory.path, "evidence", `${view}-${signer}.json`);
}

describe("a validator", () => {
  it("joins: registers on L1, and votes from an epoch's boundary on", async () => {
    const register = ["register", "--amount", STAKE, "--account", "4", "--validator.passwordfile", passwordFile];
    const { validator } = await stake(4, ...register);
    expect(await stake(4, "snapshot", "--account", "5")).toMatchObject({ snapshot: 1 });

    await expect.poll(() => metric(4, "in_set"), PATIENCE).toBe(1);
    await expect.poll(() => metric(4, "votes_cast_total"), PATIENCE).toBeGreaterThan(0);
    await expect.poll(() => metric(0, "validators"), PATIENCE).toBe(5);
    await expect.poll(makers, PATIENCE).toContain(devnetAccount(4).address.toLowerCase());
    const place = { snapshot: 1, index: 4, weight: STAKE };
    expect(await stake(4, "status")).toMatchObject({
      ...{ validator, state: "active", account: devnetAccount(4).address, stake: STAKE },
      ...{ current: place, newest: place },
    });
  }, 240_000);

  it("leaves: its key stops counting after its epoch, its stake is free when the rules say so", async () => {
    // The next changes are counted from this set on.
    await expect.poll(oracleSnapshot, PATIENCE).toBe(1n);
    await stake(1, "exit", "--account", "1");
    const early = await run(["withdraw", "--account", "1"], 1);
    expect(early.code).toBe(1);
    expect(early.output).toMatch(
      /^openledger: the stake of .* waits since 20\S+Z.*: (the newest|no output|output).*\n$/,
    );
    expect(await stake(1, "snapshot", "--account", "5")).toMatchObject({ snapshot: 2 });
    await expect.poll(() => metric(1, "in_set"), PATIENCE).toBe(0);
    await expect.poll(() => metric(0, "validators"), PATIENCE).toBe(4);

    await expect.poll(oracleSnapshot, PATIENCE).toBe(2n);
    const votes = await metric(1, "votes_cast_total");
    const id = validatorId(devnetValidator(1).publicKey);
    const withdrawal = async () => (await withdrawalOf(stakes, await readMember(stakes, id))).type;
    await expect.poll(withdrawal, PATIENCE).toBe("ready");
    expect(await stake(1, "status")).toMatchObject({ state: "leaving", withdrawal: "ready" });
    const balance = () => {
      const args = [devnetAccount(1).address] as const;
      return stakes.l1.readContract({ address: stakes.network.token, abi: erc20Abi, functionName: "balanceOf", args });
    };
    const before = await balance();
    expect(await stake(1, "withdraw", "--account", "1")).toMatchObject({ amount: STAKE });
    expect(await balance()).toBe(before + parseEther(STAKE));
    expect(await metric(1, "votes_cast_total")).toBe(votes);
  }, 240_000);

  it("equivocates: it is slashed for what a node kept, and out of the next set", async () => {
    const file = await evidenceAgainst(2);
    const { validator, slashed } = await stake(2, "report", file, "--account", "6");
    expect(validator).toBe(validatorId(devnetValidator(2).publicKey));
    expect(slashed).toBe(String((Number(STAKE) * SLASHED_PPM) / 1_000_000));

    await stake(2, "snapshot", "--account", "5");
    await expect.poll(() => metric(2, "in_set"), PATIENCE).toBe(0);
    await expect.poll(() => metric(0, "validators"), PATIENCE).toBe(3);
    expect(await stake(2, "status")).toMatchObject({ state: "slashed", current: { snapshot: 3, weight: "0" } });
  }, 240_000);
});

describe("the oracle", () => {
  it("accepts outputs of the last set's epochs, with every member's signature, and none that the set before certified", async () => {
    await expect.poll(oracleSnapshot, PATIENCE).toBe(3n);
    const { l1, oracle, registry } = stakes;
    const epoch = (await l1.readContract({ ...oracle, functionName: "knownEpochs" })) - 1n;
    await expect.poll(async () => (await outputsOf(epoch)).length, PATIENCE).toBeGreaterThan(0);
    const [output] = await outputsOf(epoch);
    const { certificate, headers } = output!.proposal;
    // Three of the same stake: no two of them are more than two thirds. The last is the one that joined.
    expect(certificate.bitmap).toBe("0x07");
    await proposeAnew(output!, certificate);

    const [published] = await l1.getContractEvents({
      ...registry,
      eventName: "SnapshotPublished",
      args: { number: 2n },
      fromBlock: 0n,
    });
    const subject: Subject = {
      kind: KIND.finalize,
      epoch: Number(epoch),
      view: Number(certificate.viewNumber),
      parentView: Number(certificate.parentView),
      block: hexToBytes(keccak256(headers.at(-1)!)),
    };
    // Of the set before: 0, 2, 3 and the one that joined, of whom three are enough.
    const digest = voteDigest(domain(), hexToBytes(published!.args.setHash!), subject);
    const signature = blsAggregate([0, 2, 3].map((index) => blsSign(devnetValidatorKey(index), digest)));
    const old = { ...certificate, signature: bytesToHex(blsSignatureForEvm(signature!)) };
    expect(await refusalOf(proposeAnew(output!, old))).toMatchObject({ name: "InvalidSignature" });
    const past = { ...old, epoch: epoch - 1n };
    expect(await refusalOf(proposeAnew(output!, past))).toMatchObject({ name: "WrongEpoch" });
  }, 240_000);
});
