/** The life of an inference on the attribution precompile, alone: request, commitment, settlement, expiry, claims, stake. */
import { beforeEach, describe, expect, test } from "vitest";
import { ATTRIBUTION_ADDRESS, STAKERS_ESCROW_ADDRESS, TREASURY_ADDRESS } from "../../core/addresses.ts";
import { bytesToHex, hexToBytes } from "../../core/bytes.ts";
import { settlement } from "../../core/settlement.ts";
import type { Span } from "../../core/span-rule.ts";
import {
  type AttributionWorld,
  alice,
  bob,
  ESCROW,
  host,
  OUTPUT,
  openAttributionWorld,
  owner,
  payer,
} from "../helpers/attribution-world.ts";
import {
  answerDigestOf,
  batchRootOf,
  type CommitOptions,
  commit,
  commitArgs,
  contribute,
  createDatanet,
  REQUEST_ROOT,
  registerModel,
  request,
  rootOf,
  settleArgs,
  sign,
  spansHashOf,
  text,
} from "../helpers/precompile-story.ts";

let { world, datanetId, modelId, fox, jugs, foxSpan, jugsSpan, refused } = {} as AttributionWorld;

beforeEach(async () => {
  ({ world, datanetId, modelId, fox, jugs, foxSpan, jugsSpan, refused } = await openAttributionWorld());
});

async function refusedCommit(id: bigint, output: Uint8Array, spans: readonly Span[], options?: CommitOptions) {
  return refused(host, "commitOutputs", commitArgs(host, id, output, spans, options));
}

const requestArgs = (overrides: Record<number, unknown> = {}) =>
  [modelId, host.hex, REQUEST_ROOT, 100, 0].map((value, i) => (i in overrides ? overrides[i] : value));

describe("request", () => {
  test("fixes prices and parameters and holds the escrow", async () => {
    const { result, logs } = await world.must(payer, "attribution", "requestInference", requestArgs(), {
      value: ESCROW,
    });
    expect(result).toBe(1n);
    expect(logs[0]!.args).toMatchObject({
      escrow: ESCROW,
      commitDeadline: world.timestamp + 60n,
      minSpan: 8,
      requestPrice: 1_000_000n,
      outputPrice: 5_000_000n,
      platformFee: 1_000n,
    });
    expect(await world.balance(ATTRIBUTION_ADDRESS)).toBe(10_000_000n + ESCROW);
    expect(await world.view("attribution", "inference", [1n])).toMatchObject({
      state: 1,
      audience: 0,
      modelId,
      requestedAt: world.number,
      commitDeadline: world.timestamp + 60n,
      settleAfter: 0n,
      requestBytes: 100,
      minSpan: 8,
      escrow: ESCROW,
      requestPrice: 1_000_000n,
      outputPrice: 5_000_000n,
      platformFee: 1_000n,
      batchId: 0n,
      committedAt: 0n,
      openDemands: 0,
      requestRoot: REQUEST_ROOT,
    });
    expect(await world.view("attribution", "inferenceCount", [])).toBe(1n);
  });

  test("is refused", async () => {
    const ask = (overrides: Record<number, unknown>, value = ESCROW) =>
      refused(payer, "requestInference", requestArgs(overrides), { value });
    expect(await ask({ 3: 0 })).toEqual(["EmptyRequest"]);
    expect(await ask({ 3: 2 ** 20 + 1 })).toEqual(["RequestTooLong", 2n ** 20n + 1n, 2n ** 20n]);
    expect(await ask({ 0: 9n })).toEqual(["UnknownModel", 9n]);
    expect((await ask({ 1: bob.hex })).slice(0, 2)).toEqual(["NotHost", modelId]);
    expect(await ask({}, 100_999n)).toEqual(["EscrowTooSmall", 100_999n, 101_000n]);
    await world.fund(payer.address, 2n ** 130n);
    expect(await ask({}, 2n ** 128n)).toEqual(["EscrowTooLarge", 2n ** 128n]);
    await world.must(payer, "attribution", "requestInference", requestArgs(), { value: 2n ** 128n - 1n });
  });

  test("governed parameters that an inference cannot hold stop requests", async () => {
    for (const [name, value] of [
      ["minSpanBytes", 0n],
      ["platformFeeWei", 2n ** 128n],
      ["modelPpm", 1_000_001n],
      ["contributorsPpm", 700_000n],
      ["settleWindowSeconds", 2n ** 24n],
    ] as const) {
      const fresh = await world.view<bigint>("attribution", "inferenceCount", []);
      await world.setParameters({ minSpanBytes: 8n, platformFeeWei: 1_000n, modelPpm: 200_000n });
      await world.setParameters({ contributorsPpm: 500_000n, settleWindowSeconds: 30n, [name]: value });
      const [error, reason] = await refused(payer, "requestInference", requestArgs(), { value: ESCROW });
      expect([error, reason]).toEqual(["Error", `governed parameter ${name} is out of range`]);
      expect(await world.view("attribution", "inferenceCount", [])).toBe(fresh);
    }
  });
});

describe("commitment", () => {
  test("fixes the fee, locks stake, announces the spans", async () => {
    const id = await request(world, payer, host, modelId, ESCROW);
    world.advance();
    const spans = [foxSpan, jugsSpan];
    const outcome = await commit(world, host, id, OUTPUT, spans);
    const fee = 1_000n + 100_000n + 155_000n;
    expect(outcome).toMatchObject({
      ok: true,
      logs: [
        { name: "OutputCommitted", args: { fee, stakeLocked: fee * 2n, coveredBytes: 30, outputBytes: 31, spans } },
        {
          name: "BatchCommitted",
          args: { batchId: 1n, root: batchRootOf([{ inferenceId: id, output: OUTPUT, spans }]) },
        },
      ],
    });
    expect(await world.view("attribution", "inference", [id])).toMatchObject({
      state: 2,
      batchId: 1n,
      committedAt: world.timestamp,
      settleAfter: world.timestamp + 30n,
    });
    expect(await world.view("attribution", "batchRoot", [1n])).toBe(
      batchRootOf([{ inferenceId: id, output: OUTPUT, spans }]),
    );
    expect(await world.view("attribution", "batchRoot", [2n])).toBe(`0x${"00".repeat(32)}`);
    expect(await world.view("attribution", "stakeOf", [host.hex])).toEqual([10_000_000n, fee * 2n]);
  });

  test("may be submitted by anyone who holds the signed answer", async () => {
    const id = await request(world, payer, host, modelId, ESCROW);
    await world.must(payer, "attribution", "commitOutputs", commitArgs(host, id, OUTPUT, []));
  });

  test("prices and parameters are those of the request", async () => {
    const id = await request(world, payer, host, modelId, ESCROW);
    await world.must(owner, "models", "setPrices", [modelId, 0n, 0n]);
    await world.setParameters({ platformFeeWei: 5n, minSpanBytes: 1_000n, stakeMultiple: 9n, settleWindowSeconds: 1n });
    const { logs } = await world.must(
      host,
      "attribution",
      "commitOutputs",
      commitArgs(host, id, OUTPUT, [foxSpan, jugsSpan]),
    );
    expect(logs[0]!.args).toMatchObject({ fee: 256_000n, stakeLocked: 512_000n, settleAfter: world.timestamp + 30n });
  });

  test("wrong state, deadline, unknown", async () => {
    expect(await refusedCommit(1n, OUTPUT, [])).toEqual(["UnknownInference", 1n]);
    const id = await request(world, payer, host, modelId, ESCROW);
    const deadline = world.timestamp + 60n;
    world.advance(61n);
    expect(await refusedCommit(id, OUTPUT, [])).toEqual(["DeadlinePassed", id, deadline]);
    world.timestamp = deadline;
    expect(await commit(world, host, id, OUTPUT, [])).toMatchObject({ ok: true });
    expect(await refusedCommit(id, OUTPUT, [])).toEqual(["WrongState", id, 2]);
  });

  test("the output must be what its root says", async () => {
    const id = await request(world, payer, host, modelId, ESCROW);
    const other = text("something else, as long as that");
    expect(await refusedCommit(id, OUTPUT, [], { outputBytes: 0 })).toEqual(["EmptyOutput"]);
    expect(await refusedCommit(id, OUTPUT, [], { output: other })).toEqual([
      "OutputMismatch",
      rootOf(other),
      rootOf(OUTPUT),
    ]);
    expect(await refusedCommit(id, OUTPUT, [], { outputBytes: 30 })).toEqual(["OutputLengthMismatch", 31n, 30n]);
    const huge = new Uint8Array(16_385).fill(65);
    expect(await refusedCommit(id, huge, [])).toEqual(["OutputTooLong", 16_385n, 16_384n]);
    const hidden = await request(world, payer, host, modelId, ESCROW, { audience: 1 });
    expect(await refusedCommit(hidden, OUTPUT, [])).toEqual(["OutputLengthMismatch", 31n, 32n]);
    // The tree root binds the length: a host cannot charge for more bytes than it answered with.
    expect((await refusedCommit(hidden, OUTPUT, [], { isPrivate: true, outputBytes: 40 }))[0]).toBe("OutputMismatch");
    const tooLong = { isPrivate: true, outputBytes: 2 ** 20 + 1 };
    expect(await refusedCommit(hidden, OUTPUT, [], tooLong)).toEqual(["OutputTooLong", 2n ** 20n + 1n, 2n ** 20n]);
    // Word boundaries cannot be checked on what the chain does not see.
    const spans = [{ ...foxSpan, outputStart: 1, length: 13 }];
    expect(await commit(world, host, hidden, OUTPUT, spans, { isPrivate: true })).toMatchObject({ ok: true });
  });

  test("spans must follow span-v1", async () => {
    const id = await request(world, payer, host, modelId, ESCROW);
    const bad = (...spans: Partial<Span>[]) =>
      refusedCommit(
        id,
        OUTPUT,
        spans.map((span) => ({ ...foxSpan, ...span })),
      );
    expect(await bad({ length: 7 })).toEqual(["SpanTooShort", 0n, 7n, 8n]);
    expect(await bad({ outputStart: 17 })).toEqual(["SpanOutOfOutput", 0n]);
    expect(await bad({}, {})).toEqual(["SpansNotRising", 1n]);
    expect(await bad({ outputStart: 1, length: 14 })).toEqual(["SpanNotAtWord", 0n, 1n]);
    expect(await bad({ length: 14 })).toEqual(["SpanNotAtWord", 0n, 14n]);
    expect(await bad({ contentOffset: 29n })).toEqual(["SpanOutOfContent", 0n]);
    expect(await bad({ contentOffset: 2n ** 64n - 1n })).toEqual(["SpanOutOfContent", 0n]);
    expect(await refusedCommit(id, OUTPUT, new Array(65).fill(foxSpan))).toEqual(["TooManySpans", 65n, 64n]);
    // Exactly to the end of the content.
    expect(await commit(world, host, id, OUTPUT, [{ ...foxSpan, contentOffset: 28n }])).toMatchObject({ ok: true });
  });

  test("only the model's live data is paid", async () => {
    const outside = await createDatanet(world, owner);
    const foreign = await contribute(world, owner, alice, outside, text("content of another Datanet"));
    const late = await contribute(world, owner, alice, datanetId, text("accepted after the version"));
    const id = await request(world, payer, host, modelId, ESCROW);
    const wrong = (contribution: bigint) => refusedCommit(id, OUTPUT, [{ ...foxSpan, contribution }]);
    for (const contribution of [foreign, late, 0n, 99n, 2n ** 64n - 1n]) {
      expect(await wrong(contribution)).toEqual(["ContributionNotInModel", 0n, contribution]);
    }
  });

  test("consent counts by blocks: withdrawn in the request's block it is gone, withdrawn later it is not", async () => {
    const first = await request(world, payer, host, modelId, ESCROW);
    await world.must(alice, "datanet", "withdrawConsent", [fox]);
    expect(await refusedCommit(first, OUTPUT, [foxSpan])).toEqual(["ContributionNotInModel", 0n, fox]);
    const second = await request(world, payer, host, modelId, ESCROW);
    world.advance();
    await world.must(bob, "datanet", "withdrawConsent", [jugs]);
    expect(await commit(world, host, second, OUTPUT, [jugsSpan])).toMatchObject({ ok: true });
    const third = await request(world, payer, host, modelId, ESCROW);
    world.advance();
    expect(await refusedCommit(third, OUTPUT, [jugsSpan])).toEqual(["ContributionNotInModel", 0n, jugs]);
  });

  test("the signature must be the host's, canonical, over exactly this answer", async () => {
    const id = await request(world, payer, host, modelId, ESCROW);
    const answer = {
      inferenceId: id,
      requestRoot: REQUEST_ROOT,
      outputRoot: rootOf(OUTPUT),
      outputBytes: 31,
      spans: [],
    };
    const signature = sign(host, answer);
    const with_ = (changed: string) => refusedCommit(id, OUTPUT, [], { signature: changed as `0x${string}` });
    const nobody = "0x0000000000000000000000000000000000000000";
    const [name, recovered, expected] = await with_(sign(bob, answer));
    expect([name, `${recovered}`.toLowerCase(), `${expected}`.toLowerCase()]).toEqual([
      "BadSignature",
      bob.hex,
      host.hex,
    ]);
    for (const changed of [
      "0x",
      signature.slice(0, -2),
      `${signature}00`,
      `${signature.slice(0, -2)}${signature.endsWith("1b") ? "00" : "01"}`,
      `0x${"00".repeat(65)}`,
      `0x${"ff".repeat(64)}1b`,
    ]) {
      expect((await with_(changed)).slice(0, 2)).toEqual(["BadSignature", nobody]);
    }
    // The same signature with the high s and the other v is refused.
    const bytes = hexToBytes(signature);
    const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
    const high = (order - BigInt(bytesToHex(bytes.subarray(32, 64)))).toString(16).padStart(64, "0");
    const malleable = `${signature.slice(0, 66)}${high}${bytes[64] === 27 ? "1c" : "1b"}`;
    expect((await with_(malleable)).slice(0, 2)).toEqual(["BadSignature", nobody]);
    for (const changed of [
      { ...answer, inferenceId: 2n },
      { ...answer, requestRoot: rootOf(OUTPUT) },
      { ...answer, outputRoot: REQUEST_ROOT },
      { ...answer, outputBytes: 30 },
      { ...answer, spans: [foxSpan] },
    ]) {
      expect((await with_(sign(host, changed)))[0]).toBe("BadSignature");
    }
    const digest = await world.view("attribution", "answerDigest", [
      id,
      REQUEST_ROOT,
      rootOf(OUTPUT),
      31,
      spansHashOf([]),
    ]);
    expect(digest).toBe(answerDigestOf(answer));
  });

  test("the fee must fit the escrow and the host's free stake", async () => {
    const poor = await request(world, payer, host, modelId, 255_999n);
    expect(await refusedCommit(poor, OUTPUT, [])).toEqual(["FeeExceedsEscrow", 256_000n, 255_999n]);
    await world.must(host, "attribution", "withdrawStake", [10_000_000n - 511_999n]);
    const id = await request(world, payer, host, modelId, ESCROW);
    expect(await refusedCommit(id, OUTPUT, [])).toEqual(["InsufficientStake", 511_999n, 512_000n]);
    await world.must(host, "attribution", "depositStake", [], { value: 1n });
    expect(await commit(world, host, id, OUTPUT, [])).toMatchObject({ ok: true });
    expect(await refused(host, "withdrawStake", [1n])).toEqual(["InsufficientStake", 0n, 1n]);
  });

  test("16 KiB of output and 64 spans are taken", async () => {
    const words = "abcdefg ".repeat(2_048);
    const large = await contribute(world, owner, alice, datanetId, text(`${words}!`));
    await world.must(owner, "datanet", "publishVersion", [datanetId]);
    const model = await registerModel(world, owner, { data: [{ datanetId, version: 2 }], outputPrice: 1n });
    await world.must(host, "models", "joinAsHost", [model, ""]);
    const id = await request(world, payer, host, model, ESCROW);
    const spans = Array.from({ length: 64 }, (_, i) => ({
      outputStart: i * 256,
      length: 256,
      contribution: large,
      contentOffset: BigInt(i * 256),
    }));
    expect(await commit(world, host, id, text(words), spans)).toMatchObject({ ok: true });
    world.advance(30n);
    await world.must(payer, "attribution", "settle", settleArgs(id, text(words), spans));
  });

  test("a span stays within a window of the output", async () => {
    await world.must(host, "attribution", "depositStake", [], { value: 10_000_000n });
    const id = await request(world, payer, host, modelId, 10n * ESCROW);
    const output = text("word ".repeat(300));
    const across = { ...foxSpan, outputStart: 1_020, length: 15 };
    expect(await refusedCommit(id, output, [across])).toEqual(["SpanAcrossWindows", 0n]);
    // The window's edge is a boundary, although it lies inside a word.
    expect(await commit(world, host, id, output, [{ ...across, outputStart: 1_024, length: 10 }])).toMatchObject({
      ok: true,
    });
  });
});

describe("settlement", () => {
  test("after the window, with the committed spans, once", async () => {
    const id = await request(world, payer, host, modelId, ESCROW);
    const spans = [foxSpan, jugsSpan];
    expect(await refused(bob, "settle", settleArgs(id, OUTPUT, spans))).toEqual(["WrongState", id, 1]);
    await commit(world, host, id, OUTPUT, spans);
    const settleAfter = world.timestamp + 30n;
    world.advance(29n);
    expect(await refused(bob, "settle", settleArgs(id, OUTPUT, spans))).toEqual(["WindowOpen", id, settleAfter]);
    world.advance();
    const root = batchRootOf([{ inferenceId: id, output: OUTPUT, spans }]);
    const other = batchRootOf([{ inferenceId: id, output: OUTPUT, spans: [spans[0]!] }]);
    expect(await refused(bob, "settle", settleArgs(id, OUTPUT, [spans[0]!]))).toEqual(["ClaimMismatch", other, root]);
    await world.must(bob, "attribution", "settle", settleArgs(id, OUTPUT, spans));
    expect(await refused(bob, "settle", settleArgs(id, OUTPUT, spans))).toEqual(["WrongState", id, 3]);
    expect(await refused(bob, "settle", settleArgs(9n, OUTPUT, spans))).toEqual(["UnknownInference", 9n]);
    expect(await world.view("attribution", "stakeOf", [host.hex])).toEqual([10_000_000n, 0n]);
  });

  test("pays the lineage, the host, the stakers and the treasury as docs/spec.md says", async () => {
    const middle = await registerModel(world, alice, { parent: modelId, royaltyPpm: 50_000 });
    const top = await registerModel(world, bob, { parent: middle, hostPpm: 333_333 });
    await world.must(host, "models", "joinAsHost", [top, ""]);
    const id = await request(world, payer, host, top, ESCROW);
    const spans = [foxSpan, jugsSpan];
    await commit(world, host, id, OUTPUT, spans);
    world.advance(30n);
    const { logs } = await world.must(bob, "attribution", "settle", settleArgs(id, OUTPUT, spans));
    const expected = settlement({
      feeWei: 256_000n,
      platformFeeWei: 1_000n,
      modelPpm: 200_000n,
      stakersPpm: 200_000n,
      contributorsPpm: 500_000n,
      outputBytes: 31,
      spans,
      hostPpm: 333_333n,
      royaltyPpm: [50_000n, 100_000n],
    });
    const rewards = logs.filter((log) => log.name === "RewardAccrued").map(({ args }) => args);
    const of = (kind: number, account: Uint8Array, source: bigint, weight: bigint, amount: bigint) => ({
      inferenceId: id,
      account: expect.stringMatching(new RegExp(bytesToHex(account), "i")),
      kind,
      source,
      weight,
      amount,
    });
    expect(rewards).toEqual([
      of(0, alice.address, fox, 15n, expected.contributors[0]!.amountWei),
      of(0, bob.address, jugs, 15n, expected.contributors[1]!.amountWei),
      of(1, bob.address, top, 0n, expected.modelOwnerWei),
      of(2, alice.address, middle, 0n, expected.royaltiesWei[0]!),
      of(2, owner.address, modelId, 0n, expected.royaltiesWei[1]!),
      of(3, host.address, top, 0n, expected.hostWei),
      of(4, STAKERS_ESCROW_ADDRESS, 0n, 0n, expected.stakersWei),
      of(5, TREASURY_ADDRESS, 0n, 0n, expected.treasuryWei),
    ]);
    expect(logs.at(-1)).toMatchObject({
      name: "InferenceSettled",
      args: { fee: 256_000n, refund: ESCROW - 256_000n, platformFee: 1_000n, modelPaid: expected.modelWei },
    });
    expect(await world.view("attribution", "accrued", [alice.hex])).toBe(
      expected.contributors[0]!.amountWei + expected.royaltiesWei[0]!,
    );
  });
});

describe("expiry, claims, stake", () => {
  test("an unanswered request is refunded after the deadline, once", async () => {
    const before = await world.balance(payer.address);
    const id = await request(world, payer, host, modelId, ESCROW);
    const deadline = world.timestamp + 60n;
    world.timestamp = deadline;
    expect(await refused(bob, "expire", [id])).toEqual(["DeadlineNotPassed", id, deadline]);
    world.advance();
    await world.must(bob, "attribution", "expire", [id]);
    expect(await world.balance(payer.address)).toBe(before);
    expect(await refused(bob, "expire", [id])).toEqual(["WrongState", id, 4]);
    expect(await refused(bob, "expire", [9n])).toEqual(["UnknownInference", 9n]);
  });

  test("a committed request does not expire", async () => {
    const id = await request(world, payer, host, modelId, ESCROW);
    await commit(world, host, id, OUTPUT, []);
    world.advance(1_000n);
    expect(await refused(bob, "expire", [id])).toEqual(["WrongState", id, 2]);
  });

  test("claims pay the account, whoever sends them, once", async () => {
    const id = await request(world, payer, host, modelId, ESCROW);
    await commit(world, host, id, OUTPUT, [foxSpan, jugsSpan]);
    world.advance(30n);
    await world.must(bob, "attribution", "settle", settleArgs(id, OUTPUT, [foxSpan, jugsSpan]));
    const due = await world.view<bigint>("attribution", "accrued", [alice.hex]);
    const before = await world.balance(alice.address);
    const { result, logs } = await world.must(payer, "attribution", "claim", [alice.hex]);
    expect(result).toBe(due);
    expect(logs[0]!.args).toMatchObject({ amount: due });
    expect(await world.balance(alice.address)).toBe(before + due);
    expect((await refused(payer, "claim", [alice.hex]))[0]).toBe("NothingToClaim");
  });

  test("stake goes in and out; nothing is not an amount", async () => {
    expect(await refused(bob, "depositStake", [])).toEqual(["ZeroAmount"]);
    expect(await refused(bob, "withdrawStake", [0n])).toEqual(["ZeroAmount"]);
    expect(await refused(bob, "withdrawStake", [2n ** 255n])).toEqual(["InsufficientStake", 0n, 2n ** 255n]);
    await world.must(bob, "attribution", "depositStake", [], { value: 5n });
    const { logs } = await world.must(bob, "attribution", "withdrawStake", [3n]);
    expect(logs[0]!.args).toMatchObject({ amount: 3n, total: 2n });
    await world.fund(bob.address, 2n ** 130n);
    const value = 2n ** 128n - 2n;
    expect(await refused(bob, "depositStake", [], { value })).toEqual(["StakeTooLarge", 2n ** 128n]);
  });

  test("unknown inferences cannot be read", async () => {
    expect(await refused(bob, "inference", [1n])).toEqual(["UnknownInference", 1n]);
  });
});
