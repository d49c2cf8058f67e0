/** The validator registry on a real L1: who is in, with what weight, when stake leaves, and who is slashed. */
import fc from "fast-check";
import {
  type Account,
  type Address,
  decodeFunctionData,
  type Hex,
  parseEventLogs,
  type TransactionReceipt,
} from "viem";
import { afterEach, describe, expect, it } from "vitest";
import { baseView, KIND, type Subject } from "../../consensus/types.ts";
import validatorSetArtifact from "../../contracts/artifacts/ValidatorSet.json" with { type: "json" };
import { aliasAddress } from "../../core/addresses.ts";
import { bytesToHex, hexToBytes } from "../../core/bytes.ts";
import { decodeValidators, encodeValidators, type ValidatorSet, validatorSet } from "../../core/validators.ts";
import { ANVIL_ACCOUNTS } from "../helpers/anvil.ts";
import {
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
  TREASURY,
  testValidator,
  testVote,
} from "../helpers/oracle-world.ts";
import { refusalOf } from "../helpers/revert.ts";

const VALIDATOR_SET = "0x4200000000000000000000000000000000000903";
const STAKE = MINIMUM_STAKE;

const gasOfSubmit = (validators: number): bigint => 300_000n + 36_000n * BigInt(validators);

interface Member {
  readonly account: Address;
  readonly stake: bigint;
  readonly isLeaving: boolean;
  readonly isSlashed: boolean;
  readonly isGone: boolean;
}

let world: OracleWorld;
afterEach(() => world.anvil.stop());

const read = <T>(name: string, ...args: unknown[]): Promise<T> => world.read<T>(world.registry, name, ...args);
const member = ({ id }: TestValidator): Promise<Member> => read<Member>("validators", id);
const latestSet = async (): Promise<ValidatorSet> =>
  decodeValidators(hexToBytes(await read<Hex>("encodedSet", await read("latestSetHash"))));
const weights = async (): Promise<bigint[]> => (await latestSet()).validators.map(({ stake }) => stake);

/** Calls `snapshot` and gives what it sends to L2. */
async function snapshot(): Promise<{ number: bigint; set: ValidatorSet; receipt: TransactionReceipt }> {
  const receipt = await world.send(world.registry, "snapshot", []);
  const deposits = parseEventLogs({ abi: world.portal.abi, logs: receipt.logs, eventName: "TransactionDeposited" });
  expect(deposits).toHaveLength(1);
  const { from, to, opaqueData } = deposits[0]!.args as unknown as { from: Address; to: Address; opaqueData: Hex };
  expect(from.toLowerCase()).toBe(bytesToHex(aliasAddress(hexToBytes(world.registry.address))));
  expect(to).toBe(VALIDATOR_SET);
  // No mint, no value, gas, no creation; then the call.
  expect(BigInt(opaqueData.slice(0, 130))).toBe(0n);
  const { args } = decodeFunctionData({ abi: validatorSetArtifact.abi, data: `0x${opaqueData.slice(2 + 73 * 2)}` });
  const [number, encoded] = args as unknown as [bigint, Hex];
  const set = decodeValidators(hexToBytes(encoded));
  const gas = BigInt(`0x${opaqueData.slice(130, 146)}`);
  expect(gas).toBe(gasOfSubmit(set.validators.length));
  expect(await read("latestSetHash")).toBe(bytesToHex(set.hash));
  expect(await read("latestNumber")).toBe(number);
  return { number, set, receipt };
}

/** Which of these sign with a set. */
const membersOf = (set: ValidatorSet, known: readonly TestValidator[]): TestValidator[] =>
  set.validators.map(({ publicKey, stake }) => ({
    ...known.find((one) => one.publicKey === bytesToHex(publicKey))!,
    stake,
  }));

/** Lets each epoch end with the latest snapshot. */
class Epochs {
  private epoch = 0n;
  private set: ValidatorSet;
  private readonly known: readonly TestValidator[];

  constructor(known: readonly TestValidator[], genesis: readonly TestValidator[]) {
    this.known = known;
    this.set = setOf(genesis);
  }

  get present(): ValidatorSet {
    return this.set;
  }

  async end(): Promise<void> {
    const next = await latestSet();
    await world.endEpoch(this.epoch, membersOf(this.set, this.known), next.hash);
    this.epoch++;
    this.set = next;
  }

  /** An output in the present epoch; gives its index. */
  async output(): Promise<bigint> {
    await world.output(this.epoch * world.epochBlocks + 3n, membersOf(this.set, this.known));
    return world.read<bigint>(world.oracle, "latestOutputIndex");
  }
}

const changeBetween = (from: ValidatorSet, to: ValidatorSet): bigint => {
  const stakes = ({ validators }: ValidatorSet) => new Map(validators.map((v) => [bytesToHex(v.publicKey), v.stake]));
  const [before, after] = [stakes(from), stakes(to)];
  return [...new Set([...before.keys(), ...after.keys()])].reduce((sum, key) => {
    const difference = (after.get(key) ?? 0n) - (before.get(key) ?? 0n);
    return sum + (difference < 0n ? -difference : difference);
  }, 0n);
};

describe("registration", () => {
  const genesis = [0, 1, 2].map((i) => testValidator(i, STAKE * BigInt(i + 1)));

  it("has the genesis set as number 0", async () => {
    world = await OracleWorld.start({ validators: genesis });
    const set = setOf(genesis);
    const hash = bytesToHex(set.hash);
    expect(await read("latestNumber")).toBe(0n);
    expect(await read("latestSetHash")).toBe(hash);
    expect(await read("isSnapshot", hash)).toBe(true);
    expect(await read("isSnapshot", `0x${"01".repeat(32)}`)).toBe(false);
    expect(await read("setOf", hash)).toMatchObject({ count: 3, totalStake: 6n * STAKE });
    expect(await read("encodedSet", hash)).toBe(bytesToHex(encodeValidators(set.validators)));
    expect(await read("numberOf", hash, 0n)).toEqual([true, 0n]);
    expect(await read("numberOf", hash, 1n)).toEqual([false, 0n]);
    expect(await read("order")).toEqual(genesis.map(({ id }) => id));
    expect(await member(genesis[1]!)).toMatchObject({ account: HOLDER.address, stake: 2n * STAKE, isLeaving: false });
    expect(await world.balanceOf(world.registry.address)).toBe(6n * STAKE);
    // Nothing has changed: number 0 is sent again, which L2 has.
    expect(await snapshot()).toMatchObject({ number: 0n, set: { hash: set.hash } });
  });

  it("takes a stake of at least the minimum, and each key once for ever", async () => {
    world = await OracleWorld.start({ validators: genesis });
    const one = testValidator(10, STAKE, STRANGER.address);
    expect(await refusalOf(world.register({ ...one, stake: STAKE - 1n }))).toEqual({
      name: "StakeTooSmall",
      args: [STAKE - 1n, STAKE],
    });
    await world.register(one);
    expect(await world.balanceOf(world.registry.address)).toBe(7n * STAKE);
    for (const again of [one, { ...one, account: HOLDER.address }, genesis[0]!]) {
      expect(await refusalOf(world.register(again))).toEqual({ name: "KeyUsed", args: [again.id] });
    }
    // One account may have several.
    await world.register(testValidator(11, STAKE, STRANGER.address));
    const broke = testValidator(12, STAKE, STRANGER.address);
    const call = world.send(world.registry, "register", [broke.publicKey, broke.proof, STAKE], { from: STRANGER });
    expect((await refusalOf(call)).name).toBe("ERC20InsufficientAllowance");
    expect(await read("order")).toHaveLength(5);
  });

  it("lets anybody add stake, to those that do not leave", async () => {
    world = await OracleWorld.start({ validators: genesis });
    const [first, second] = genesis as [TestValidator, TestValidator];
    await world.send(world.token, "transfer", [STRANGER.address, 5n]);
    await world.send(world.token, "approve", [world.registry.address, 5n], { from: STRANGER });
    await world.send(world.registry, "addStake", [first.id, 5n], { from: STRANGER });
    expect((await member(first)).stake).toBe(STAKE + 5n);
    expect(await world.balanceOf(world.registry.address)).toBe(6n * STAKE + 5n);
    expect(await weights()).toEqual([STAKE, 2n * STAKE, 3n * STAKE]);
    expect((await snapshot()).set.validators.map(({ stake }) => stake)).toEqual([STAKE + 5n, 2n * STAKE, 3n * STAKE]);
    await world.send(world.registry, "exit", [second.id]);
    for (const id of [second.id, `0x${"07".repeat(32)}` as Hex]) {
      const call = world.send(world.registry, "addStake", [id, 1n]);
      expect(await refusalOf(call)).toEqual({ name: "NotActive", args: [id] });
    }
    expect((await refusalOf(world.send(world.registry, "exit", [second.id]))).name).toBe("NotActive");
    expect((await refusalOf(world.send(world.registry, "exit", [first.id], { from: STRANGER }))).name).toBe(
      "NotTheAccount",
    );
  });
});

describe("snapshots", () => {
  it("let one validator grow into three, and three shrink into one, a third at a time", async () => {
    const [first, second, third] = [0, 1, 2].map((i) => testValidator(i, 300n * STAKE)) as [
      TestValidator,
      TestValidator,
      TestValidator,
    ];
    world = await OracleWorld.start({ validators: [first] });
    const epochs = new Epochs([first, second, third], [first]);
    const seen: bigint[][] = [];
    const next = async () => {
      const { set } = await snapshot();
      expect(changeBetween(epochs.present, set)).toBeLessThanOrEqual(epochs.present.totalStake / 3n);
      seen.push(set.validators.map(({ stake }) => stake / STAKE));
      await epochs.end();
    };
    await world.register(second);
    await world.register(third);
    for (let i = 0; i < 4; i++) await next();
    expect(seen).toEqual([
      [300n, 100n],
      [300n, 233n],
      [300n, 300n, 111n],
      [300n, 300n, 300n],
    ]);
    seen.length = 0;
    await world.send(world.registry, "exit", [first.id]);
    await world.send(world.registry, "exit", [second.id]);
    // Who leaves keeps its place, until nothing is left of the weight.
    while ((await latestSet()).validators.length > 1) await next();
    expect(seen).toEqual([[300n, 300n], [100n, 300n], [300n]]);
    expect(await weights()).toEqual([300n * STAKE]);
  });

  it("give L2 the gas that a set of any size takes there", async () => {
    world = await OracleWorld.start({ validators: [testValidator(0)] });
    const { client } = world;
    const system: Address = "0xfffffffffffffffffffffffffffffffffffffffe";
    await client.setCode({ address: VALIDATOR_SET, bytecode: validatorSetArtifact.deployedBytecode as Hex });
    await client.setBalance({ address: system, value: 10n ** 18n });
    for (const count of [1, 16, 256]) {
      const validators = Array.from({ length: count }, (_, i) => ({
        address: new Uint8Array(20).fill(255),
        publicKey: new Uint8Array(96).fill(255).fill(i, 95),
        stake: 2n ** 128n - 1n,
      }));
      const args = [BigInt(count), bytesToHex(encodeValidators(validators))];
      const gas = await client.estimateContractGas({
        address: VALIDATOR_SET,
        abi: validatorSetArtifact.abi,
        functionName: "submit",
        args,
        account: system,
      });
      expect(gas).toBeLessThan(gasOfSubmit(count));
      expect(gas * 3n).toBeGreaterThan(gasOfSubmit(count));
    }
  });

  it("count against the set that L1 knows, however many are made in an epoch", async () => {
    const genesis = [0, 1, 2].map((i) => testValidator(i, 10n * STAKE));
    const late = testValidator(9, 30n * STAKE);
    world = await OracleWorld.start({ validators: genesis });
    const epochs = new Epochs([...genesis, late], genesis);
    await world.register(late);
    const first = await snapshot();
    expect(await weights()).toEqual([10n, 10n, 10n, 10n].map((n) => n * STAKE));
    const second = await snapshot();
    expect(second.number).toBe(first.number);
    expect(second.set.hash).toEqual(first.set.hash);
    await epochs.end();
    expect((await snapshot()).number).toBe(first.number + 1n);
    expect((await weights())[3]).toBe((10n + 13n) * STAKE + STAKE / 3n);
  });

  it("move towards the stakes, within the bound, whatever happens", { timeout: 60_000 }, async () => {
    const genesis = [0, 1, 2, 3].map((i) => testValidator(i, STAKE * BigInt(i + 1)));
    const others = [10, 11, 12, 13, 14, 15].map((i) => testValidator(i, STAKE * BigInt(i - 8)));
    const known = [...genesis, ...others];
    world = await OracleWorld.start({ validators: genesis });
    await world.send(world.token, "approve", [world.registry.address, 2n ** 255n]);
    const { client } = world;
    const operation = fc.tuple(
      fc.constantFrom("register", "add", "exit", "snapshot", "snapshot", "end", "end"),
      fc.nat(known.length - 1),
      fc.integer({ min: 1, max: 1_000 }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { minLength: 6, maxLength: 14 }), async (operations) => {
        const id = await client.snapshot();
        const epochs = new Epochs(known, genesis);
        const active = new Map(genesis.map((one) => [one.publicKey, one.stake]));
        const registered = new Set(genesis.map(({ publicKey }) => publicKey));
        for (const [kind, i, part] of [...operations, ["snapshot", 0, 0] as const]) {
          const one = known[i]!;
          if (kind === "register" && !registered.has(one.publicKey)) {
            await world.send(world.registry, "register", [one.publicKey, one.proof, one.stake]);
            registered.add(one.publicKey);
            active.set(one.publicKey, one.stake);
          } else if (kind === "add" && active.has(one.publicKey)) {
            const amount = (STAKE * BigInt(part)) / 100n;
            await world.send(world.registry, "addStake", [one.id, amount]);
            active.set(one.publicKey, active.get(one.publicKey)! + amount);
          } else if (kind === "exit" && active.size > 1 && active.delete(one.publicKey)) {
            await world.send(world.registry, "exit", [one.id]);
          } else if (kind === "end") {
            await epochs.end();
          } else if (kind === "snapshot") {
            const { set } = await snapshot();
            const wanted = validatorSet(
              [...active].map(([publicKey, stake]) => ({
                address: hexToBytes(HOLDER.address),
                publicKey: hexToBytes(publicKey),
                stake,
              })),
            );
            const bound = epochs.present.totalStake / 3n;
            const needed = changeBetween(epochs.present, wanted);
            const made = changeBetween(epochs.present, set);
            expect(made).toBe(needed < bound ? needed : bound);
            // Nobody moves away from where it is to be.
            expect(changeBetween(set, wanted)).toBe(needed - made);
          }
        }
        await client.revert({ id });
      }),
      { numRuns: 15 },
    );
  });
});

describe("leaving", () => {
  const genesis = [0, 1, 2, 3].map((i) => testValidator(i, STAKE, ANVIL_ACCOUNTS[i]!.address));
  const [, leaver] = genesis as [TestValidator, TestValidator];
  const from = ANVIL_ACCOUNTS[1] as Account;
  const withdraw = (index: bigint, account = from) =>
    world.send(world.registry, "withdraw", [leaver.id, index], { from: account });

  it("gives the stake back when an output of an epoch without it has been final for the evidence window", async () => {
    world = await OracleWorld.start({ validators: genesis });
    const epochs = new Epochs(genesis, genesis);
    const during = await epochs.output();
    expect((await refusalOf(withdraw(during))).name).toBe("NotLeaving");
    await world.send(world.registry, "exit", [leaver.id], { from });
    expect((await refusalOf(withdraw(during))).name).toBe("StillBonded");
    await snapshot();
    expect(await weights()).toEqual([STAKE, STAKE, STAKE]);
    await epochs.end();
    const last = await world.read<bigint>(world.oracle, "latestOutputIndex");
    const after = await epochs.output();
    await world.pass(PERIOD_SECONDS + EVIDENCE_SECONDS - 30);
    // The output that ends the epoch is of the epoch: it was certified by the set that has it.
    for (const index of [during, last]) {
      expect(await refusalOf(withdraw(index))).toEqual({ name: "StillBonded", args: [0n] });
    }
    expect((await refusalOf(withdraw(after))).name).toBe("TooEarly");
    expect((await refusalOf(withdraw(after, HOLDER))).name).toBe("NotTheAccount");
    await world.pass(30);
    const before = await world.balanceOf(from.address);
    await withdraw(after);
    expect((await world.balanceOf(from.address)) - before).toBe(STAKE);
    expect((await refusalOf(withdraw(after))).name).toBe("NotLeaving");
    expect(await member(leaver)).toMatchObject({ stake: 0n, isGone: true });
    expect(await read("order")).toEqual([genesis[0]!.id, genesis[2]!.id, genesis[3]!.id]);
    expect((await refusalOf(world.register(leaver))).name).toBe("KeyUsed");
    expect((await snapshot()).number).toBe(1n);
  });

  it("waits anew when a snapshot of the same epoch has it again", async () => {
    world = await OracleWorld.start({ validators: genesis });
    const epochs = new Epochs(genesis, genesis);
    await world.send(world.registry, "exit", [leaver.id], { from });
    await snapshot();
    expect(await weights()).toEqual([STAKE, STAKE, STAKE]);
    // A slashing takes what may change in this epoch.
    await slash(genesis[0]!, setOf(genesis));
    const { set } = await snapshot();
    expect(membersOf(set, genesis).map(({ publicKey }) => publicKey)).toEqual(
      genesis.slice(1).map(({ publicKey }) => publicKey),
    );
    await epochs.end();
    await world.pass(PERIOD_SECONDS + EVIDENCE_SECONDS);
    const index = await epochs.output();
    await world.pass(PERIOD_SECONDS + EVIDENCE_SECONDS);
    expect((await refusalOf(withdraw(index))).name).toBe("StillBonded");
    await snapshot();
    await epochs.end();
    const later = await epochs.output();
    await world.pass(PERIOD_SECONDS + EVIDENCE_SECONDS);
    await withdraw(later);
    expect(await weights()).toHaveLength(2);
  });
});

const subject = (kind: Subject["kind"], block: number, more: Partial<Subject> = {}): Subject => ({
  kind,
  epoch: 0,
  view: baseView(0) + 9,
  parentView: kind === KIND.nullify ? 0 : 8,
  block: new Uint8Array(32).fill(kind === KIND.nullify ? 0 : block),
  ...more,
});
const TWICE = [subject(KIND.notarize, 1), subject(KIND.notarize, 2)] as const;

function slash(
  validator: TestValidator,
  set: ValidatorSet,
  [one, two]: readonly [Subject, Subject] = TWICE,
  changed: Record<string, unknown> = {},
): Promise<TransactionReceipt> {
  const evidence = {
    setHash: bytesToHex(set.hash),
    signer: BigInt(set.validators.findIndex(({ publicKey }) => bytesToHex(publicKey) === validator.publicKey)),
    first: testVote(world, validator, set.hash, one),
    second: testVote(world, validator, set.hash, two),
    ...changed,
  };
  return world.send(world.registry, "slash", [evidence], { from: STRANGER });
}

describe("slashing", () => {
  const genesis = [0, 1, 2, 3].map((i) => testValidator(i, STAKE * BigInt(i + 1)));
  const set = setOf(genesis);

  it("takes its share of who signed what no honest one does, for the reporter and the treasury", async () => {
    world = await OracleWorld.start({ validators: genesis });
    const [notarize, finalize] = [subject(KIND.notarize, 1), subject(KIND.finalize, 1)];
    const pairs: [Subject, Subject][] = [
      [notarize, subject(KIND.notarize, 2)],
      [finalize, subject(KIND.finalize, 2)],
      [subject(KIND.nullify, 0), finalize],
      [notarize, subject(KIND.finalize, 2)],
    ];
    for (const [i, pair] of pairs.entries()) {
      const validator = genesis[i]!;
      const before = await Promise.all([STRANGER.address, TREASURY].map((account) => world.balanceOf(account)));
      const { logs } = await slash(validator, set, i % 2 === 0 ? pair : [pair[1], pair[0]]);
      const amount = (validator.stake * SLASHED_PPM) / 1_000_000n;
      const reward = (amount * REPORTER_PPM) / 1_000_000n;
      const after = await Promise.all([STRANGER.address, TREASURY].map((account) => world.balanceOf(account)));
      expect(after.map((balance, at) => balance - before[at]!)).toEqual([reward, amount - reward]);
      expect(await member(validator)).toMatchObject({
        stake: validator.stake - amount,
        isLeaving: true,
        isSlashed: true,
      });
      expect(parseEventLogs({ abi: world.registry.abi, logs, eventName: "Slashed" })[0]!.args).toMatchObject({
        validator: validator.id,
        amount,
        reward,
        reporter: STRANGER.address,
      });
    }
  });

  it("refuses what honest validators sign", async () => {
    world = await OracleWorld.start({ validators: genesis });
    const one = genesis[0]!;
    const [notarize, finalize, nullify] = [
      subject(KIND.notarize, 1),
      subject(KIND.finalize, 1),
      subject(KIND.nullify, 0),
    ];
    const other = { view: baseView(0) + 10 };
    for (const pair of [
      [notarize, notarize],
      [notarize, finalize],
      [notarize, nullify],
      [nullify, nullify],
      [notarize, subject(KIND.notarize, 2, other)],
      [finalize, subject(KIND.finalize, 2, other)],
      [nullify, subject(KIND.finalize, 1, other)],
    ] as const) {
      expect((await refusalOf(slash(one, set, pair))).name).toBe("NotConflicting");
    }
    // No votes at all: of a kind that there is not, of another epoch's view, a nullification that names a block.
    for (const more of [
      { kind: 0 as Subject["kind"] },
      { kind: 4 as Subject["kind"] },
      { epoch: 1 },
      { kind: KIND.nullify, block: new Uint8Array(32).fill(1) },
    ]) {
      const odd = { ...subject(KIND.finalize, 2), ...more };
      expect((await refusalOf(slash(one, set, [odd, finalize]))).name).toBe("NotConflicting");
    }
  });

  it("refuses votes of others, of another network, of a set that there is not", async () => {
    world = await OracleWorld.start({ validators: genesis });
    const [one, two] = genesis as [TestValidator, TestValidator];
    const refusal = async (...args: Parameters<typeof slash>) => (await refusalOf(slash(...args))).name;
    expect(await refusal(one, set, TWICE, { signer: 1n })).toBe("InvalidSignature");
    expect(await refusal(one, set, TWICE, { signer: 4n })).toBe("UnknownSigner");
    expect(await refusal(one, set, TWICE, { setHash: `0x${"01".repeat(32)}` })).toBe("UnknownSet");
    expect(await refusal(one, set, TWICE, { second: testVote(world, two, set.hash, TWICE[1]) })).toBe(
      "InvalidSignature",
    );
    for (const elsewhere of [{ chainId: 1n }, { l1Contract: world.inbox.address }]) {
      const second = testVote(world, one, set.hash, TWICE[1], elsewhere);
      expect(await refusal(one, set, TWICE, { second })).toBe("InvalidSignature");
    }
    const otherSet = setOf(genesis.slice(1));
    expect(await refusal(one, set, TWICE, { first: testVote(world, one, otherSet.hash, TWICE[0]) })).toBe(
      "InvalidSignature",
    );
  });

  it("punishes a view once, and sends the validator away with the next snapshot", async () => {
    world = await OracleWorld.start({ validators: genesis });
    const epochs = new Epochs(genesis, genesis);
    const last = genesis[3]!;
    await slash(last, set);
    expect(await refusalOf(slash(last, set, [TWICE[0], subject(KIND.finalize, 3)]))).toEqual({
      name: "NothingToSlash",
      args: [last.id],
    });
    const later = TWICE.map((vote) => ({ ...vote, view: vote.view + 1 })) as [Subject, Subject];
    await slash(last, set, later);
    expect((await member(last)).stake).toBe(last.stake / 4n);
    // Four tenths of the stake go at once, above the bound.
    const { set: next } = await snapshot();
    expect(membersOf(next, genesis).map(({ id }) => id)).toEqual(genesis.slice(0, 3).map(({ id }) => id));
    await epochs.end();
    const index = await epochs.output();
    await world.pass(PERIOD_SECONDS + EVIDENCE_SECONDS);
    const before = await world.balanceOf(HOLDER.address);
    await world.send(world.registry, "withdraw", [last.id, index]);
    expect((await world.balanceOf(HOLDER.address)) - before).toBe(last.stake / 4n);
    const third = later.map((vote) => ({ ...vote, view: vote.view + 1 })) as [Subject, Subject];
    expect((await refusalOf(slash(last, set, third))).name).toBe("NothingToSlash");
  });

  it("reaches who leaves until its stake has left, and never empties the set", async () => {
    world = await OracleWorld.start({ validators: [genesis[0]!] });
    const only = genesis[0]!;
    await world.send(world.registry, "exit", [only.id]);
    await slash(only, setOf([only]));
    expect((await refusalOf(world.send(world.registry, "snapshot", []))).name).toBe("NobodyLeft");
  });
});
