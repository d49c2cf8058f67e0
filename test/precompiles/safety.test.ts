/**
 * How a stateful precompile may be reached, and what must hold whichever way it is: CALL, STATICCALL, DELEGATECALL,
 * CALLCODE, a constructor, an EIP-7702 account, a router contract; frames that revert around it; any gas limit.
 */
import { readFileSync } from "node:fs";
import { type Abi, type AbiFunction, concat, decodeErrorResult, type Hex, numberToHex, parseAbi, size } from "viem";
import { beforeEach, describe, expect, test } from "vitest";
import { type Challenge, challengeCall } from "../../attribution/challenge.ts";
import { ATTRIBUTION_ADDRESS, TREASURY_ADDRESS } from "../../core/addresses.ts";
import { bytesToHex, concatBytes, hexToBytes } from "../../core/bytes.ts";
import type { Span } from "../../core/span-rule.ts";
import { bytesKey } from "../../execution/state/keys.ts";
import type { OverlayLayer } from "../../execution/state/layer.ts";
import { createdAddress } from "../../execution/tx/derive.ts";
import {
  claimOf,
  commitArgs,
  commitmentOf,
  contribute,
  createDatanet,
  modelArgs,
  REQUEST_ROOT,
  registerModel,
  request,
  revealArgs,
  rootOf,
  SALT,
  settleArgs,
  sign,
  spansHashOf,
  submit,
  text,
} from "../helpers/precompile-story.ts";
import { type Actor, actor, calldata, type Outcome, TARGETS, type Target, World } from "../helpers/precompile-world.ts";

const [owner, alice, host, payer] = ["owner", "alice", "host", "payer"].map(actor) as [Actor, Actor, Actor, Actor];
const OUTPUT = text("quick brown fox with five dozen");
const FOX = text("the quick brown fox jumps over");
let world: World;

/** A prepared world in which each function succeeds when `from` calls it with `args`. */
interface Ready {
  readonly target: Target;
  readonly name: string;
  readonly from: Actor;
  readonly args: readonly unknown[];
  readonly value?: bigint;
  /** Blocks and seconds that must pass first. */
  readonly after?: bigint;
}
let ready: Ready[];

beforeEach(async () => {
  world = await World.create();
  for (const one of [owner, alice, host, payer]) await world.fund(one.address);
  const net = await createDatanet(world, owner, { bond: 5n });
  const fox = await contribute(world, owner, alice, net, text("the quick brown fox jumps over"), { value: 5n });
  const copy = await contribute(world, owner, alice, net, text("again a quick brown fox"), { value: 5n });
  await world.must(owner, "datanet", "publishVersion", [net]);
  await contribute(world, owner, alice, net, text("not published"), { value: 5n });
  const toAccept = await submit(world, alice, net, text("to accept"), { value: 5n });
  const toReject = await submit(world, alice, net, text("to reject"), { value: 5n });
  const toDuplicate = await submit(world, alice, net, text("to duplicate"), { value: 5n });
  const reveal = text("to reveal");
  const commitment = commitmentOf(net, alice.hex, rootOf(reveal), SALT);
  await world.must(alice, "datanet", "commitContribution", [net, commitment]);
  const model = await registerModel(world, owner, { data: [{ datanetId: net, version: 1 }] });
  await world.must(host, "models", "joinAsHost", [model, ""]);
  await world.must(host, "attribution", "depositStake", [], { value: 10_000_000n });
  const settled = await request(world, payer, host, model, 1_000_000n);
  const toSettle = await request(world, payer, host, model, 1_000_000n);
  const toExpire = await request(world, payer, host, model, 1_000_000n);
  world.advance();
  const spans = [{ outputStart: 0, length: 15, contribution: fox, contentOffset: 4n }];
  for (const id of [settled, toSettle]) {
    await world.must(host, "attribution", "commitOutputs", commitArgs(host, id, OUTPUT, spans));
  }
  world.advance(100n);
  await world.must(payer, "attribution", "settle", settleArgs(settled, OUTPUT, spans));
  const voided = await request(world, payer, host, model, 1_000_000n);
  const unavailable = await request(world, payer, host, model, 1_000_000n);
  const challenged: bigint[] = [];
  for (let i = 0; i < 5; i++) challenged.push(await request(world, payer, host, model, 1_000_000n));
  const [mismatched, omitting, later, contradicted, demanded] = challenged as [bigint, bigint, bigint, bigint, bigint];
  const hidden = await request(world, payer, host, model, 1_000_000n, { audience: 1 });
  for (const id of [voided, unavailable]) {
    await world.must(host, "attribution", "commitOutputs", commitArgs(host, id, OUTPUT, []));
    await world.must(payer, "attribution", "demandChunk", [id, fox, 0n], { value: 500n });
  }
  const omission = { kind: "omission", start: 0, length: 15, contribution: fox, contentOffset: 4n } as const;
  const prove = (challenge: Challenge, id: bigint, claimed: readonly Span[]) =>
    challengeCall(challenge, claimOf(id, OUTPUT, claimed), OUTPUT, FOX);
  await world.must(alice, "attribution", "proveOmission", prove(omission, voided, []).args);
  world.advance(16n);
  const wrong = [{ ...spans[0]!, contentOffset: 3n }];
  const copied = [{ ...spans[0]!, contribution: copy, contentOffset: 8n }];
  const inside = [{ ...spans[0]!, outputStart: 1, length: 13 }];
  const commitNow = (id: bigint, claimed: readonly Span[], isPrivate = false) =>
    world.must(host, "attribution", "commitOutputs", commitArgs(host, id, OUTPUT, claimed, { isPrivate }));
  await commitNow(mismatched, wrong);
  await commitNow(omitting, []);
  await commitNow(later, copied);
  await commitNow(contradicted, spans);
  await commitNow(demanded, spans);
  await commitNow(hidden, inside, true);
  await world.must(payer, "attribution", "demandChunk", [demanded, copy, 0n], { value: 500n });
  const other = text("another answer of the host");
  const contradiction = { inferenceId: contradicted, requestRoot: REQUEST_ROOT, spans: [] };
  const signedOther = sign(host, { ...contradiction, outputRoot: rootOf(other), outputBytes: other.length });
  const copyChunk = { first: 0n, data: bytesToHex(text("again a quick brown fox")), siblings: [] };
  // Private: of public answers the bytes must be in the transaction.
  const toCommit = await request(world, payer, host, model, 1_000_000n, { audience: 1 });
  world.advance();

  const root = rootOf(OUTPUT);
  const datanet = (name: string, from: Actor, args: readonly unknown[], value = 0n): Ready => ({
    target: "datanet",
    name,
    from,
    args,
    value,
  });
  const models = (name: string, from: Actor, args: readonly unknown[]): Ready => ({
    target: "models",
    name,
    from,
    args,
  });
  const attribution = (name: string, from: Actor, args: readonly unknown[], value = 0n): Ready => ({
    target: "attribution",
    name,
    from,
    args,
    value,
  });
  ready = [
    datanet("createDatanet", alice, ["A", "", "", 0, 7, 0, 0n]),
    datanet("setCurator", owner, [net, alice.hex, true]),
    datanet("setContributor", owner, [net, alice.hex, true]),
    datanet("setBuilder", owner, [net, alice.hex, true]),
    datanet("commitContribution", alice, [net, SALT]),
    datanet("submitContribution", alice, revealArgs(net, reveal), 5n),
    datanet("acceptContribution", owner, [toAccept, 1]),
    datanet("rejectContribution", owner, [toReject, "no"]),
    datanet("acceptDuplicate", owner, [toDuplicate, fox]),
    datanet("withdrawConsent", alice, [fox]),
    datanet("publishVersion", owner, [net]),
    datanet("datanetCount", payer, []),
    datanet("contributionCount", payer, []),
    datanet("datanet", payer, [net]),
    datanet("contribution", payer, [fox]),
    datanet("contributionByRoot", payer, [net, root]),
    datanet("version", payer, [net, 1]),
    datanet("acceptedIds", payer, [net, 0, 1]),
    datanet("isCurator", payer, [net, owner.hex]),
    datanet("isContributor", payer, [net, owner.hex]),
    datanet("isBuilder", payer, [net, owner.hex]),
    datanet("licenceAllows", payer, [1, 7]),
    models("registerModel", payer, modelArgs({ data: [{ datanetId: net, version: 1 }], parent: model })),
    models("setPrices", owner, [model, 1n, 1n]),
    models("joinAsHost", payer, [model, "http://x"]),
    models("leaveAsHost", host, [model]),
    models("modelCount", payer, []),
    models("model", payer, [model]),
    models("dataOf", payer, [model]),
    models("isHost", payer, [model, host.hex]),
    models("ancestors", payer, [model]),
    attribution("requestInference", payer, [model, host.hex, REQUEST_ROOT, 100, 0], 1_000_000n),
    attribution("commitOutputs", host, commitArgs(host, toCommit, OUTPUT, spans, { isPrivate: true })),
    attribution("settle", payer, settleArgs(toSettle, OUTPUT, spans)),
    attribution("setAuditor", payer, [hidden, alice.hex, true]),
    attribution(
      "proveMismatch",
      alice,
      prove({ kind: "mismatch", spanIndex: 0, at: 0, contribution: fox }, mismatched, wrong).args,
    ),
    attribution("proveBoundary", payer, prove({ kind: "boundary", spanIndex: 0 }, hidden, inside).args),
    attribution("proveOmission", alice, prove(omission, omitting, []).args),
    attribution(
      "proveEarlierHolder",
      alice,
      prove({ kind: "earlier-holder", spanIndex: 0, contribution: fox, contentOffset: 4n }, later, copied).args,
    ),
    attribution("proveContradiction", alice, [
      claimOf(contradicted, OUTPUT, spans),
      rootOf(other),
      other.length,
      spansHashOf([]),
      signedOther,
    ]),
    attribution("demandChunk", payer, [demanded, fox, 0n], 500n),
    attribution("showChunk", host, [demanded, copy, copyChunk]),
    attribution("proveUnavailable", alice, [claimOf(unavailable, OUTPUT, []), fox, 0n]),
    attribution("returnDemand", alice, [voided, fox, 0n]),
    attribution("batchRoot", payer, [1n]),
    attribution("isAuditor", payer, [hidden, alice.hex]),
    attribution("demand", payer, [demanded, copy, 0n]),
    attribution("expire", payer, [toExpire]),
    attribution("claim", payer, [alice.hex]),
    attribution("depositStake", payer, [], 7n),
    attribution("withdrawStake", host, [1n]),
    attribution("inferenceCount", payer, []),
    attribution("inference", payer, [settled]),
    attribution("accrued", payer, [alice.hex]),
    attribution("stakeOf", payer, [host.hex]),
    attribution("answerDigest", payer, [1n, root, root, 1, root]),
  ];
});

const mutability = ({ target, name }: Ready): string =>
  (TARGETS[target].abi as Abi).find((item): item is AbiFunction => item.type === "function" && item.name === name)!
    .stateMutability;
const isView = (call: Ready): boolean => mutability(call) === "view";

/** Runs `body`, answers its result, and puts the state back. */
async function trial<T>(body: () => Promise<T>): Promise<T> {
  const layer: OverlayLayer = world.layer;
  layer.checkpoint();
  try {
    return await body();
  } finally {
    layer.revert();
  }
}

/** What the layer holds, as text: equal texts, equal states. */
function snapshot(): string {
  const { accounts, storages } = world.layer;
  const balances = [...accounts].map(([key, account]) => `${key}:${account?.nonce}:${account?.balance}`).sort();
  const slots = [...storages].map(([key, { slots }]) =>
    [...slots]
      .filter(([, value]) => value.length > 0)
      .map(([slot, value]) => `${key}${slot}:${bytesToHex(value)}`)
      .sort()
      .join(),
  );
  return JSON.stringify([balances, slots.filter((text) => text !== "").sort()]);
}

/** As snapshot, without the caller's nonce, which a transaction spends in any case. */
async function stateOf(account: Actor): Promise<string> {
  const state = world.layer.account(account.address)!;
  world.layer.setAccount(account.address, { ...state, nonce: 0n });
  return snapshot();
}

const direct = (call: Ready, gas?: bigint): Promise<Outcome> =>
  world.call(call.from, call.target, call.name, call.args, {
    value: call.value ?? 0n,
    ...(gas === undefined ? {} : { gas }),
  });

test("the list has every function of every interface", () => {
  const names = Object.entries(TARGETS).flatMap(([target, { abi }]) =>
    (abi as Abi).filter((item) => item.type === "function").map((item) => `${target}.${(item as AbiFunction).name}`),
  );
  expect(ready.map(({ target, name }) => `${target}.${name}`).sort()).toEqual(names.sort());
});

test("every custom error has a test that meets it", () => {
  const source = (name: string) => readFileSync(new URL(`${name}.test.ts`, import.meta.url), "utf8");
  const tests = [
    source("datanet"),
    source("models"),
    source("attribution") + source("attribution-batches") + source("challenges") + source("safety"),
  ];
  Object.values(TARGETS).forEach(({ abi }, i) => {
    for (const item of abi) if (item.type === "error") expect(tests[i]).toContain(`"${item.name}"`);
  });
});

test("CALL succeeds, in the way that every case below refuses", async () => {
  for (const call of ready) {
    expect(await trial(() => direct(call)), call.name).toMatchObject({ ok: true });
  }
});

describe("direct calls", () => {
  test("STATICCALL: views answer, everything else reverts", async () => {
    for (const call of ready) {
      const outcome = await trial(() =>
        world.call(call.from, call.target, call.name, call.args, { isStatic: true, value: 0n }),
      );
      if (isView(call)) expect(outcome, call.name).toMatchObject({ ok: true });
      else
        expect(outcome, call.name).toMatchObject({
          ok: false,
          error: "Error",
          args: ["state change in a static call"],
        });
    }
  });

  test("value is refused where nothing is payable", async () => {
    for (const call of ready.filter((one) => mutability(one) !== "payable")) {
      const outcome = await trial(() => world.call(call.from, call.target, call.name, call.args, { value: 1n }));
      expect(outcome, call.name).toMatchObject({ ok: false, halt: "revert", args: ["function is not payable"] });
    }
  });

  test("calldata that is not canonical is refused, and so are unknown functions and bare transfers", async () => {
    for (const call of ready) {
      const data = calldata(call.target, call.name, call.args);
      const { address } = TARGETS[call.target];
      const options = { value: call.value ?? 0n };
      const run = (bytes: Uint8Array) => trial(() => world.raw(call.from.address, address, bytes, options));
      const reason = { ok: false, halt: "revert", args: ["calldata is not canonical ABI encoding"] };
      expect(await run(concatBytes(data, Uint8Array.of(0))), call.name).toMatchObject(reason);
      if (data.length > 4) expect(await run(data.subarray(0, -1)), call.name).toMatchObject(reason);
      expect(await run(data.subarray(0, 3))).toMatchObject({ ok: false, args: ["unknown function selector"] });
    }
    const bare = await world.raw(payer.address, ATTRIBUTION_ADDRESS, new Uint8Array(0), { value: 1n });
    expect(bare).toMatchObject({ ok: false, args: ["unknown function selector"] });
    expect(bare.gasUsed).toBeLessThan(1_000n);
  });
});

// Hand-written contracts. Each copies its calldata into memory and forwards it.
const CALLDATA_TO_MEMORY: Hex = "0x365f5f37"; // CALLDATACOPY(0, 0, CALLDATASIZE)
const RETURN_OR_REVERT: Hex = "0x3d5f5f3e"; // RETURNDATACOPY(0, 0, RETURNDATASIZE)
const push20 = (address: Uint8Array): Hex => concat(["0x73", bytesToHex(address)]);

/** Forwards everything with the given opcode and answers as the callee did. */
function forwarder(opcode: "call" | "callcode" | "delegatecall" | "staticcall", to: Uint8Array): Uint8Array {
  const code = { call: "0xf1", callcode: "0xf2", delegatecall: "0xf4", staticcall: "0xfa" } as const;
  const value: Hex = opcode === "call" || opcode === "callcode" ? "0x34" : "0x"; // CALLVALUE
  const head = concat([CALLDATA_TO_MEMORY, "0x5f5f365f", value, push20(to), "0x5a", code[opcode], RETURN_OR_REVERT]);
  const target = size(head) + 6;
  // PUSH1 target JUMPI RETURNDATASIZE PUSH0 REVERT JUMPDEST RETURNDATASIZE PUSH0 RETURN
  return hexToBytes(concat([head, "0x60", numberToHex(target, { size: 1 }), "0x573d5ffd5b3d5ff3"]));
}

/** Calls, then reverts with empty data whatever came back. */
const callThenRevert = (to: Uint8Array): Uint8Array =>
  hexToBytes(concat([CALLDATA_TO_MEMORY, "0x5f5f365f34", push20(to), "0x5af1505f5ffd"]));

/** Calls with value, ignores the answer, and returns 1 or 0 for success. */
const swallower = (to: Uint8Array): Uint8Array =>
  hexToBytes(concat([CALLDATA_TO_MEMORY, "0x5f5f365f34", push20(to), "0x5af15f5260205ff3"]));

/** Initcode that calls with `data` and the creation's value, and leaves success (1 byte) ‖ return data as the code. */
function callingInitcode(to: Uint8Array, data: Uint8Array): Uint8Array {
  const length = numberToHex(data.length, { size: 2 });
  const tail = concat(["0x5f5f61", length, "0x5f34", push20(to), "0x5af15f533d5f60013e3d6001015ff3"]);
  const offset = numberToHex(8 + size(tail), { size: 2 });
  return concatBytes(hexToBytes(concat(["0x61", length, "0x61", offset, "0x5f39", tail])), data);
}

/** Puts `code` where the caller of the function stands, so that roles and commitments of the story fit it. */
async function standIn(call: Ready, code: Uint8Array): Promise<Uint8Array> {
  const state = world.layer.account(call.from.address)!;
  world.layer.setAccount(call.from.address, { ...state, codeHash: world.layer.addCode(code) });
  return call.from.address;
}

describe("through contracts", () => {
  const through = (call: Ready, code: Uint8Array) =>
    trial(async () => {
      const router = await standIn(call, code);
      const before = await stateOf(call.from);
      const data = calldata(call.target, call.name, call.args);
      const outcome = await world.raw(router, router, data, { value: call.value ?? 0n });
      return { outcome, same: (await stateOf(call.from)) === before };
    });

  test("CALL through a router: the router is the caller", async () => {
    for (const call of ready) {
      const viaRouter = await through(call, forwarder("call", TARGETS[call.target].address));
      const plain = await trial(() => direct(call));
      expect(viaRouter.outcome, call.name).toMatchObject({ ok: true });
      if (viaRouter.outcome.ok && plain.ok) {
        expect(viaRouter.outcome.output).toBe(plain.output);
        expect(viaRouter.outcome.logs).toEqual(plain.logs);
      }
    }
  });

  test.each(["delegatecall", "callcode"] as const)("%s is refused and changes nothing", async (opcode) => {
    for (const call of ready) {
      const { outcome, same } = await through(call, forwarder(opcode, TARGETS[call.target].address));
      expect(outcome, call.name).toMatchObject({
        ok: false,
        halt: "revert",
        args: ["DELEGATECALL and CALLCODE to a precompile are refused"],
      });
      expect(same, call.name).toBe(true);
    }
  });

  test("a public answer through a router is refused, whoever signed it: its bytes would be nowhere to be read", async () => {
    const { modelId } = await world.view<{ modelId: bigint }>("attribution", "inference", [1n]);
    const id = await request(world, payer, host, modelId, 1_000_000n);
    const router = hexToBytes("0x00000000000000000000000000000000000000fe");
    await world.install(router, forwarder("call", ATTRIBUTION_ADDRESS));
    const data = calldata("attribution", "commitOutputs", commitArgs(host, id, OUTPUT, []));
    const refused = await world.raw(host.address, router, data);
    expect(refused).toMatchObject({ ok: false, error: "NotDirect", args: [id] });
    expect(await world.raw(host.address, ATTRIBUTION_ADDRESS, data)).toMatchObject({ ok: true });
  });

  test("STATICCALL through a router: views answer, everything else reverts", async () => {
    for (const call of ready) {
      const { outcome } = await through(call, forwarder("staticcall", TARGETS[call.target].address));
      if (isView(call)) expect(outcome, call.name).toMatchObject({ ok: true });
      else expect(outcome, call.name).toMatchObject({ ok: false, args: ["state change in a static call"] });
    }
  });

  test("state, logs and balances roll back with the frame around the call", async () => {
    for (const call of ready) {
      const { outcome, same } = await through(call, callThenRevert(TARGETS[call.target].address));
      expect(outcome, call.name).toMatchObject({ ok: false, halt: "revert", output: "0x" });
      expect(same, call.name).toBe(true);
    }
  });

  test("a revert behaves as a contract's: unused gas stays, revert data arrives, the value stays with the caller", async () => {
    const router = hexToBytes("0x00000000000000000000000000000000000000ff");
    await world.install(router, swallower(ATTRIBUTION_ADDRESS));
    const data = calldata("attribution", "requestInference", [9n, host.hex, REQUEST_ROOT, 100, 0]);
    const outcome = await world.raw(payer.address, router, data, { value: 77n, gas: 1_000_000n });
    expect(outcome).toMatchObject({ ok: true, output: `0x${"00".repeat(32)}`, logs: [] });
    expect(outcome.gasUsed).toBeLessThan(30_000n);
    expect(await world.balance(router)).toBe(77n);
    await world.install(router, forwarder("call", ATTRIBUTION_ADDRESS));
    const refused = await world.raw(payer.address, router, data, { value: 77n });
    expect(decodeErrorResult({ abi: TARGETS.attribution.abi, data: refused.output })).toMatchObject({
      errorName: "UnknownModel",
    });
  });

  test("from a constructor: the new contract is the caller", async () => {
    const args = ["Built", "", "", 0, 7, 0, 0n];
    const data = bytesToHex(calldata("datanet", "createDatanet", args));
    // CODECOPY the calldata behind the code, CALL, return 32 bytes of the answer as code.
    const length = numberToHex(size(data), { size: 2 });
    const body = (offset: Hex): Hex =>
      concat([
        concat(["0x61", length, "0x60", offset, "0x5f39"]),
        concat(["0x60205f61", length, "0x5f5f", push20(TARGETS.datanet.address), "0x5af15060205ff3"]),
      ]);
    const code = concat([body(numberToHex(size(body("0x00")), { size: 1 })), data]);
    const outcome = await world.raw(payer.address, undefined, hexToBytes(code));
    expect(outcome).toMatchObject({ ok: true, logs: [{ name: "DatanetCreated" }, { name: "CuratorSet" }] });
    if (!outcome.ok) return;
    const created = outcome.logs[0]!.args;
    expect(created.name).toBe("Built");
    expect((created.owner as string).toLowerCase()).not.toBe(payer.hex);
    const { owner: recorded } = await world.view<{ owner: Hex }>("datanet", "datanet", [created.datanetId]);
    expect(recorded).toBe(created.owner);
  });

  test("from a constructor every function does what it does for the same caller later", async () => {
    for (const call of ready) {
      const { address } = TARGETS[call.target];
      const data = calldata(call.target, call.name, call.args);
      const options = { value: call.value ?? 0n };
      const created = createdAddress(payer.address, world.layer.account(payer.address)!.nonce);
      const inside = await trial(() => world.raw(payer.address, undefined, callingInitcode(address, data), options));
      const later = await trial(async () => {
        await world.fund(created);
        return world.raw(created, address, data, options);
      });
      if (!inside.ok) throw new Error(`${call.name}: the creation failed`);
      const expected = concat([later.ok ? "0x01" : "0x00", later.output]);
      expect(inside.output, call.name).toBe(expected);
      expect(inside.logs, call.name).toEqual(later.ok ? later.logs : []);
    }
  });

  test("an EIP-7702 account delegated to a precompile runs empty code, called directly or by a contract", async () => {
    for (const call of ready) {
      const result = await trial(async () => {
        await standIn(call, concatBytes(Uint8Array.of(0xef, 0x01, 0x00), TARGETS[call.target].address));
        const router = hexToBytes("0x00000000000000000000000000000000000000fe");
        await world.install(router, forwarder("call", call.from.address));
        const data = calldata(call.target, call.name, call.args);
        const precompile = TARGETS[call.target].address;
        const slots = () => JSON.stringify([...world.layer.storages.get(bytesKey(precompile))!.slots]);
        const before = slots();
        const outcomes = [
          await world.raw(call.from.address, call.from.address, data),
          await world.raw(owner.address, router, data),
        ];
        return { outcomes, same: slots() === before };
      });
      for (const outcome of result.outcomes) {
        expect(outcome, call.name).toMatchObject({ ok: true, output: "0x", logs: [] });
        expect(outcome.gasUsed).toBeLessThan(10_000n);
      }
      expect(result.same).toBe(true);
    }
  });

  test("an EIP-7702 account that delegates to a router is itself the caller", async () => {
    const router = hexToBytes("0x00000000000000000000000000000000000000fd");
    await world.install(router, forwarder("call", TARGETS.attribution.address));
    const call = ready.find(({ name }) => name === "withdrawStake")!;
    await standIn(call, concatBytes(Uint8Array.of(0xef, 0x01, 0x00), router));
    const data = calldata("attribution", "withdrawStake", [1n]);
    const outcome = await world.raw(payer.address, host.address, data);
    expect(outcome).toMatchObject({ ok: true, logs: [{ name: "StakeWithdrawn", args: { amount: 1n } }] });
  });
});

describe("gas", () => {
  test("at every gas limit the call either has its whole effect or none; it never uses more than the limit", async () => {
    for (const call of ready) {
      const full = await trial(() => direct(call));
      expect(full.ok).toBe(true);
      const enough = await trial(async () => {
        // SSTORE's sentry needs 2,300 more than is used in the end.
        for (let gas = full.gasUsed; ; gas += 100n) {
          if ((await trial(() => direct(call, gas))).ok) return gas;
        }
      });
      expect(enough).toBeLessThanOrEqual(full.gasUsed + 2_400n);
      const steps = 40n;
      for (let i = 0n; i < steps; i++) {
        const gas = ((enough - 100n) * i) / steps;
        await trial(async () => {
          const before = await stateOf(call.from);
          const outcome = await direct(call, gas);
          expect(outcome, `${call.name} with ${gas}`).toMatchObject({ ok: false, halt: "out of gas", gasUsed: gas });
          expect(await stateOf(call.from), `${call.name} with ${gas}`).toBe(before);
        });
      }
    }
  });

  test("every gas limit of one call, one by one", async () => {
    const call = ready.find(({ name }) => name === "withdrawStake")!;
    const full = await trial(() => direct(call));
    for (let gas = 0n; gas <= full.gasUsed; gas += 7n) {
      const outcome = await trial(() => direct(call, gas));
      expect(outcome.gasUsed).toBeLessThanOrEqual(gas);
      if (!outcome.ok) expect(outcome.gasUsed).toBe(gas);
    }
  });

  test("input is paid for before it is looked at", async () => {
    const data = concatBytes(calldata("attribution", "claim", [alice.hex]), new Uint8Array(100_000));
    const poor = await world.raw(payer.address, ATTRIBUTION_ADDRESS, data, { gas: 18_000n });
    expect(poor).toMatchObject({ ok: false, halt: "out of gas" });
    const rich = await world.raw(payer.address, ATTRIBUTION_ADDRESS, data, { gas: 100_000n });
    expect(rich).toMatchObject({ ok: false, halt: "revert" });
    expect(rich.gasUsed).toBeGreaterThan((6n * 100_000n) / 32n);
  });

  test("clearing storage earns the EIP-3529 refund, also through a contract, and a revert forfeits it", async () => {
    const claim = ready.find(({ name }) => name === "claim")!;
    expect(await trial(() => direct(claim))).toMatchObject({ ok: true, refund: 4_800n });
    const router = hexToBytes("0x00000000000000000000000000000000000000ff");
    const data = calldata("attribution", "claim", claim.args);
    await world.install(router, swallower(ATTRIBUTION_ADDRESS));
    expect(await trial(() => world.raw(payer.address, router, data))).toMatchObject({ ok: true, refund: 4_800n });
    await world.install(router, callThenRevert(ATTRIBUTION_ADDRESS));
    const outer = hexToBytes("0x00000000000000000000000000000000000000fe");
    await world.install(outer, swallower(router));
    expect(await trial(() => world.raw(payer.address, outer, data))).toMatchObject({ ok: true, refund: 0n });
  });

  test("a slot set and cleared again within one transaction is refunded but for the access", async () => {
    // Deposit 5 and withdraw 5 in one transaction: the stake slot goes 0, 5, 0.
    const router = hexToBytes("0x00000000000000000000000000000000000000ff");
    const deposit = bytesToHex(calldata("attribution", "depositStake", [])) as Hex;
    const withdraw = bytesToHex(calldata("attribution", "withdrawStake", [5n])) as Hex;
    const mstore = (data: Hex): Hex => {
      // Left-aligned words from memory 0.
      let out: Hex = "0x";
      for (let at = 0; at < size(data); at += 32) {
        const word = `0x${data.slice(2 + at * 2, 66 + at * 2).padEnd(64, "0")}` as Hex;
        out = concat([out, "0x7f", word, "0x60", numberToHex(at, { size: 1 }), "0x52"]);
      }
      return out;
    };
    const invoke = (data: Hex, value: Hex): Hex =>
      concat([
        mstore(data),
        concat([
          "0x5f5f60",
          numberToHex(size(data), { size: 1 }),
          "0x5f",
          value,
          push20(ATTRIBUTION_ADDRESS),
          "0x5af150",
        ]),
      ]);
    await world.install(router, hexToBytes(concat([invoke(deposit, "0x34"), invoke(withdraw, "0x5f")])));
    const outcome = await world.raw(payer.address, router, new Uint8Array(0), { value: 5n });
    expect(outcome).toMatchObject({ ok: true, refund: 19_900n });
    expect(await world.balance(router)).toBe(5n);
    expect(await world.view("attribution", "stakeOf", [bytesToHex(router)])).toEqual([0n, 0n]);
  });
});

test("Error(string) of the host decodes without an ABI", async () => {
  const outcome = await world.raw(payer.address, ATTRIBUTION_ADDRESS, Uint8Array.of(1, 2, 3, 4));
  const decoded = decodeErrorResult({ abi: parseAbi(["error Error(string)"]), data: outcome.output });
  expect(decoded.args).toEqual(["unknown function selector"]);
});

test("a credit to an account that does not exist creates it, at the price of a new account", async () => {
  world.layer.setAccount(TREASURY_ADDRESS, undefined);
  const reject = ready.find(({ name }) => name === "rejectContribution")!;
  const created = await trial(() => direct(reject));
  await world.fund(TREASURY_ADDRESS, 1n);
  const existing = await trial(() => direct(reject));
  expect(created.gasUsed - existing.gasUsed).toBe(25_000n);
});
