/** Every challenge: what upholds it, what it pays, and each way in which it is refused. */
import { beforeEach, describe, expect, test } from "vitest";
import { type Challenge, challengeCall, chunksOf } from "../../attribution/challenge.ts";
import { ATTRIBUTION_ADDRESS, TREASURY_ADDRESS } from "../../core/addresses.ts";
import { bytesToHex, concatBytes } from "../../core/bytes.ts";
import type { Span } from "../../core/span-rule.ts";
import {
  type Claim,
  claimOf,
  commit,
  contribute,
  createDatanet,
  REQUEST_ROOT,
  registerModel,
  request,
  rootOf,
  sign,
  spansHashOf,
  text,
} from "../helpers/precompile-story.ts";
import { type Actor, actor, World } from "../helpers/precompile-world.ts";

const [owner, alice, bob, host, payer, watcher] = ["owner", "alice", "bob", "host", "payer", "watcher"].map(actor) as [
  Actor,
  Actor,
  Actor,
  Actor,
  Actor,
  Actor,
];
const ESCROW = 20_000_000n;
const STAKE = 100_000_000n;
/** 3,000 bytes: several chunks and windows. */
const BOOK = text(Array.from({ length: 500 }, (_, i) => `w${i} `.padStart(6, "z")).join(""));
const OUTPUT = concatBytes(
  text("as it says: "),
  BOOK.subarray(90, 690),
  text("and so on, and so forth "),
  BOOK.subarray(0, 600),
);
let world: World;
let datanetId: bigint;
let modelId: bigint;
let book: bigint;
let copy: bigint;
let outside: bigint;

beforeEach(async () => {
  world = await World.create();
  for (const one of [owner, alice, bob, host, payer, watcher]) await world.fund(one.address);
  datanetId = await createDatanet(world, owner);
  book = await contribute(world, owner, alice, datanetId, BOOK);
  copy = await contribute(world, owner, bob, datanetId, concatBytes(text("copied: "), BOOK));
  await world.must(owner, "datanet", "publishVersion", [datanetId]);
  outside = await contribute(world, owner, bob, datanetId, concatBytes(text("too late: "), BOOK));
  modelId = await registerModel(world, owner, { data: [{ datanetId, version: 1 }] });
  await world.must(host, "models", "joinAsHost", [modelId, ""]);
  await world.must(host, "attribution", "depositStake", [], { value: STAKE });
});

/** What span-v1 gives for OUTPUT: 600 bytes at 12, and 600 at 636 that the window's edge at 1,024 cuts. */
const RIGHT: readonly Span[] = [
  { outputStart: 12, length: 600, contribution: 1n, contentOffset: 90n },
  { outputStart: 636, length: 388, contribution: 1n, contentOffset: 0n },
  { outputStart: 1_024, length: 212, contribution: 1n, contentOffset: 388n },
];

async function committed(spans: readonly Span[], options: { isPrivate?: boolean } = {}): Promise<Claim> {
  const id = await request(world, payer, host, modelId, ESCROW, { audience: options.isPrivate ? 1 : 0 });
  expect(await commit(world, host, id, OUTPUT, spans, options)).toMatchObject({ ok: true });
  return claimOf(id, OUTPUT, spans);
}

async function prove(challenge: Challenge, claim: Claim, from: Actor = watcher) {
  const content = "contribution" in challenge && challenge.contribution === copy ? copied() : BOOK;
  const { functionName, args } = challengeCall(challenge, claim, OUTPUT, content);
  return call(functionName, args, from);
}
const copied = () => concatBytes(text("copied: "), BOOK);

async function call(name: string, args: readonly unknown[], from: Actor = watcher, value = 0n) {
  const outcome = await world.call(from, "attribution", name, args, { value });
  if (outcome.ok) return outcome.logs;
  expect(outcome.halt).toBe("revert");
  return [outcome.error, ...outcome.args];
}

const FEE = 1_000n + 100_000n + BigInt(OUTPUT.length) * 5_000n;
const shares = (logs: readonly unknown[]) =>
  (logs as { name: string; args: Record<string, unknown> }[])
    .filter(({ name }) => name === "RewardAccrued")
    .map(({ args: { account, kind, source, amount } }) => [`${account}`.toLowerCase(), kind, source, amount]);

const omitted: Challenge = { kind: "omission", start: 12, length: 600, contribution: 1n, contentOffset: 90n };

test("a proven challenge voids the claim, refunds the payer, slashes the host and pays whom it names", async () => {
  const before = await world.balance(payer.address);
  const claim = await committed(RIGHT.slice(1));
  const logs = await prove(omitted, claim);
  const slashed = 2n * FEE;
  const bounty = slashed / 2n;
  expect(logs).toMatchObject([
    { name: "InferenceVoided", args: { fault: 2, contributionId: book, refund: ESCROW, slashed } },
    { name: "StakeSlashed", args: { amount: slashed, total: STAKE - slashed } },
    {},
    {},
    {},
  ]);
  expect(shares(logs)).toEqual([
    [bytesToHex(TREASURY_ADDRESS), 5, 0n, slashed - bounty],
    [alice.hex, 7, book, bounty / 2n],
    [watcher.hex, 6, 0n, bounty - bounty / 2n],
  ]);
  expect(await world.balance(payer.address)).toBe(before);
  expect(await world.view("attribution", "stakeOf", [host.hex])).toEqual([STAKE - slashed, 0n]);
  expect(await world.balance(ATTRIBUTION_ADDRESS)).toBe(STAKE);
  expect(await world.view("attribution", "inference", [claim.inferenceId])).toMatchObject({ state: 5 });
  expect(await prove(omitted, claim)).toEqual(["WrongState", claim.inferenceId, 5]);
  world.advance(100n);
  expect(await call("settle", [[claim]])).toEqual(["WrongState", claim.inferenceId, 5]);
  expect(await call("expire", [claim.inferenceId])).toEqual(["WrongState", claim.inferenceId, 5]);
});

test("an odd stake is split to the wei, and a host without locked stake loses none", async () => {
  await world.setParameters({ stakeMultiple: 3n });
  const id = await request(world, payer, host, modelId, ESCROW, { requestBytes: 1 });
  expect(await commit(world, host, id, OUTPUT, [])).toMatchObject({ ok: true });
  const paid = shares(await prove(omitted, claimOf(id, OUTPUT, []))).map(([, , , amount]) => amount as bigint);
  expect(paid.reduce((sum, amount) => sum + amount, 0n)).toBe(3n * (FEE - 99_000n));

  await world.setParameters({ stakeMultiple: 0n });
  const free = await committed([]);
  const logs = await prove(omitted, free);
  expect(logs).toMatchObject([{ name: "InferenceVoided", args: { slashed: 0n, refund: ESCROW } }]);
});

test("the window: open until its last second, closed after", async () => {
  const claim = await committed([]);
  const { settleAfter } = await world.view<{ settleAfter: bigint }>("attribution", "inference", [claim.inferenceId]);
  world.timestamp = settleAfter;
  expect(await prove(omitted, claim)).toEqual(["WindowClosed", claim.inferenceId, settleAfter]);
  world.timestamp = settleAfter - 1n;
  expect(await prove(omitted, claim)).toMatchObject([{ name: "InferenceVoided" }, {}, {}, {}, {}]);
  const open = await request(world, payer, host, modelId, ESCROW);
  expect(await prove(omitted, claimOf(open, OUTPUT, []))).toEqual(["WrongState", open, 1]);
  expect((await prove(omitted, claimOf(99n, OUTPUT, [])))[0]).toBe("UnknownInference");
});

test("only the committed claim can be challenged", async () => {
  const claim = await committed(RIGHT);
  for (const other of [
    { ...claim, spans: [] },
    { ...claim, outputBytes: claim.outputBytes - 1 },
    { ...claim, outputRoot: REQUEST_ROOT },
    { ...claim, proof: [REQUEST_ROOT] },
  ]) {
    expect((await prove(omitted, other))[0]).toBe("ClaimMismatch");
  }
});

test("a private answer is challenged by its payer and the auditors it names, nobody else", async () => {
  const claim = await committed([], { isPrivate: true });
  const id = claim.inferenceId;
  const [error, inference, caller] = await prove(omitted, claim);
  expect([error, inference, `${caller}`.toLowerCase()]).toEqual(["NotAuditor", id, watcher.hex]);
  expect((await call("setAuditor", [id, watcher.hex, true]))[0]).toBe("NotPayer");
  expect((await call("demandChunk", [id, book, 0n], watcher, 500n))[0]).toBe("NotAuditor");
  expect(await call("setAuditor", [id, watcher.hex, true], payer)).toMatchObject([{ name: "AuditorSet" }]);
  expect(await world.view("attribution", "isAuditor", [id, watcher.hex])).toBe(true);
  await call("setAuditor", [id, watcher.hex, false], payer);
  expect((await prove(omitted, claim))[0]).toBe("NotAuditor");
  await call("setAuditor", [id, watcher.hex, true], payer);
  expect(await prove(omitted, claim)).toMatchObject([{ name: "InferenceVoided" }, {}, {}, {}, {}]);
  const second = await committed([], { isPrivate: true });
  expect(await prove(omitted, second, payer)).toMatchObject([{ name: "InferenceVoided" }, {}, {}, {}, {}]);
});

describe("mismatch", () => {
  const shifted: Span[] = [{ ...RIGHT[0]!, contentOffset: 91n }, ...RIGHT.slice(1)];
  const shown: Challenge = { kind: "mismatch", spanIndex: 0, at: 599, contribution: 1n };

  test("one byte that differs is enough, wherever it is", async () => {
    const differing = [...Array(600).keys()].filter((i) => BOOK[90 + i] !== BOOK[91 + i]);
    for (const at of [differing[0]!, differing[100]!, differing.at(-1)!]) {
      const claim = await committed(shifted);
      const logs = await prove({ ...shown, at }, claim);
      expect(logs).toMatchObject([{ name: "InferenceVoided", args: { fault: 0, contributionId: 0n } }, {}, {}, {}]);
      const paid = shares(logs);
      expect(paid).toEqual([
        [bytesToHex(TREASURY_ADDRESS), 5, 0n, FEE],
        [watcher.hex, 6, 0n, FEE],
      ]);
      await world.must(host, "attribution", "depositStake", [], { value: 2n * FEE });
    }
  });

  test("is refused where the span holds, or the proof is none", async () => {
    const claim = await committed(RIGHT);
    expect(await prove(shown, claim)).toEqual(["SpanHolds", 0n]);
    expect(await prove({ ...shown, at: 600 }, claim)).toEqual(["IndexOutOfRange", 600n, 600n]);
    const at = (byte: number, content: Uint8Array, output: Uint8Array = OUTPUT) => [
      chunksOf(output, byte + 12, byte + 13),
      chunksOf(content, byte + 90, byte + 91),
    ];
    const args = (spanIndex: bigint, byte: number, chunks: readonly unknown[]) => [claim, spanIndex, byte, ...chunks];
    expect(await call("proveMismatch", args(3n, 0, at(0, BOOK)))).toEqual(["IndexOutOfRange", 3n, 3n]);
    expect(await call("proveMismatch", args(2n ** 200n, 0, at(0, BOOK)))).toEqual(["IndexOutOfRange", 2n ** 200n, 3n]);
    expect((await call("proveMismatch", args(0n, 0, at(0, copied()))))[0]).toBe("InvalidProof");
    expect((await call("proveMismatch", args(0n, 0, at(0, BOOK, BOOK))))[0]).toBe("InvalidProof");
    expect(await call("proveMismatch", args(0n, 300, at(0, BOOK)))).toEqual(["ChunksMissing", 390n, 391n]);
    const [output, content] = at(0, BOOK) as [ReturnType<typeof chunksOf>, ReturnType<typeof chunksOf>];
    for (const wrong of [
      { ...content, siblings: [] },
      { ...content, siblings: [...content.siblings, REQUEST_ROOT] },
      { ...content, data: `${content.data.slice(0, -2)}00` },
      { ...content, data: content.data.slice(0, -2) },
    ]) {
      expect((await call("proveMismatch", args(0n, 0, [output, wrong])))[0]).toBe("InvalidProof");
    }
    const far = { ...content, first: 2n ** 64n - 1n };
    expect((await call("proveMismatch", args(0n, 0, [output, far])))[0]).toBe("ChunksMissing");
  });

  test("consent withdrawn in the block of request and commitment does not shield a lie", async () => {
    const claim = await committed(shifted);
    await world.must(alice, "datanet", "withdrawConsent", [book]);
    expect(await prove(shown, claim)).toMatchObject([{ name: "InferenceVoided" }, {}, {}, {}]);
  });
});

test("boundary: a private span that begins or ends inside a word", async () => {
  const inside = (start: number, end: number): Span => ({
    outputStart: 12 + start,
    length: end - start,
    contribution: 1n,
    contentOffset: BigInt(90 + start),
  });
  for (const [start, end] of [
    [2, 600],
    [0, 598],
  ] as const) {
    const claim = await committed([inside(start, end)], { isPrivate: true });
    const logs = await prove({ kind: "boundary", spanIndex: 0 }, claim, payer);
    expect(logs).toMatchObject([{ name: "InferenceVoided", args: { fault: 1 } }, {}, {}, {}]);
  }
  const claim = await committed(RIGHT, { isPrivate: true });
  // The third begins at a window's edge, inside a word: that is a boundary.
  for (const spanIndex of [0, 1, 2]) {
    expect(await prove({ kind: "boundary", spanIndex }, claim, payer)).toEqual(["SpanHolds", BigInt(spanIndex)]);
  }
});

describe("omission", () => {
  test("a shortened span, and a match beside the claimed ones", async () => {
    const short = [{ ...RIGHT[0]!, length: 594 }, ...RIGHT.slice(1)];
    expect(await prove(omitted, await committed(short))).toMatchObject([{ args: { fault: 2 } }, {}, {}, {}, {}]);
    // Any part of the match that is not covered will do.
    const part: Challenge = { ...omitted, start: 582, length: 30, contentOffset: 660n };
    expect(await prove(part, await committed(short))).toMatchObject([{ args: { fault: 2 } }, {}, {}, {}, {}]);
    // Also through a later holder's content.
    const later: Challenge = { ...omitted, contribution: copy, contentOffset: 98n };
    const logs = await prove(later, await committed(RIGHT.slice(1)));
    expect(logs).toMatchObject([{ args: { contributionId: copy } }, {}, {}, {}, {}]);
  });

  test("is refused where nothing was left out", async () => {
    const claim = await committed(RIGHT);
    const none = await committed([]);
    const tell = (change: Partial<typeof omitted>, of = none) => prove({ ...omitted, ...change } as Challenge, of);
    expect(await tell({}, claim)).toEqual(["RangeCovered", 0n]);
    expect(await tell({ start: 18, length: 12, contentOffset: 96n } as never, claim)).toEqual(["RangeCovered", 0n]);
    expect(await tell({ length: 6 } as never)).toEqual(["RangeTooShort", 6n, 8n]);
    expect(await tell({ start: 14, length: 598, contentOffset: 92n } as never)).toEqual(["RangeNotAtWord", 14n]);
    expect(await tell({ length: 598 } as never)).toEqual(["RangeNotAtWord", 610n]);
    expect(await tell({ contentOffset: 96n } as never)).toEqual(["ContentDiffers", 4n]);
    const window = [chunksOf(OUTPUT, 0, 1_024), chunksOf(BOOK, 90, 690)] as const;
    const args = (start: number, length: number, id = book, chunks: readonly unknown[] = window) => [
      none,
      start,
      length,
      id,
      90n,
      ...chunks,
    ];
    expect(await call("proveOmission", args(636, 600))).toEqual(["RangeNotInWindow", 636n, 1_236n]);
    expect(await call("proveOmission", args(636, 0))).toEqual(["RangeNotInWindow", 636n, 636n]);
    expect(await call("proveOmission", args(OUTPUT.length - 8, 9))).toEqual([
      "RangeNotInWindow",
      BigInt(OUTPUT.length - 8),
      BigInt(OUTPUT.length + 1),
    ]);
    for (const id of [outside, 0n, 99n]) {
      expect(await call("proveOmission", args(12, 600, id))).toEqual(["ContributionNotInModel", 0n, id]);
    }
    // The whole window, not a part of it: its edge decides about boundaries.
    const partial = [chunksOf(OUTPUT, 0, 612), window[1]];
    expect(await call("proveOmission", args(12, 600, book, partial))).toEqual(["ChunksMissing", 0n, 1_024n]);
    expect((await call("proveOmission", args(12, 600, copy)))[0]).toBe("InvalidProof");
  });

  test("withdrawn consent: not live for later requests, live for earlier ones", async () => {
    const before = await request(world, payer, host, modelId, ESCROW);
    world.advance();
    await world.must(alice, "datanet", "withdrawConsent", [book]);
    const after = await request(world, payer, host, modelId, ESCROW);
    for (const id of [before, after]) expect(await commit(world, host, id, OUTPUT, [])).toMatchObject({ ok: true });
    expect(await prove(omitted, claimOf(after, OUTPUT, []))).toEqual(["ContributionNotInModel", 0n, book]);
    expect(await prove(omitted, claimOf(before, OUTPUT, []))).toMatchObject([{ args: { fault: 2 } }, {}, {}, {}, {}]);
  });

  test("with 64 spans only a match that beats one of them counts", async () => {
    // 64 spans of 12 bytes and less, each a piece of the two long matches.
    const pieces = Array.from({ length: 64 }, (_, i): Span => {
      const start = 12 + 6 * i;
      return { outputStart: start, length: i === 63 ? 18 : 12, contribution: 1n, contentOffset: BigInt(start + 78) };
    });
    const claim = await committed(pieces);
    const tie: Challenge = { ...omitted, start: 702, length: 12, contentOffset: 66n };
    expect(await prove(tie, claim)).toEqual(["RangeNotLongest", 12n, 12n]);
    expect(await prove({ ...tie, length: 18 }, claim)).toMatchObject([{ args: { fault: 2 } }, {}, {}, {}, {}]);
    const late = await committed(
      pieces.map((span) => ({
        ...span,
        outputStart: span.outputStart + 102,
        contentOffset: span.contentOffset + 102n,
      })),
    );
    // As long as the shortest, and before it: it would have been taken.
    expect(await prove({ ...omitted, length: 12 }, late)).toMatchObject([{ args: { fault: 2 } }, {}, {}, {}, {}]);
  });
});

describe("earlier holder", () => {
  const byCopy: Span[] = RIGHT.map((span) => ({ ...span, contribution: 2n, contentOffset: span.contentOffset + 8n }));
  const first: Challenge = { kind: "earlier-holder", spanIndex: 0, contribution: 1n, contentOffset: 90n };

  test("the first holder is paid, and gets its part of the slashing", async () => {
    const logs = await prove(first, await committed(byCopy));
    expect(logs).toMatchObject([{ args: { fault: 3, contributionId: book } }, {}, {}, {}, {}]);
    expect(shares(logs)[1]!.slice(0, 3)).toEqual([alice.hex, 7, book]);
  });

  test("is refused of a later holder, of other bytes, of data that is not live", async () => {
    const right = await committed(RIGHT);
    expect(await prove({ ...first, contribution: copy, contentOffset: 98n }, right)).toEqual(["NotEarlier", 2n, 1n]);
    expect(await prove(first, right)).toEqual(["NotEarlier", 1n, 1n]);
    const claim = await committed(byCopy);
    expect(await prove({ ...first, contentOffset: 96n }, claim)).toEqual(["ContentDiffers", 4n]);
    expect((await prove({ ...first, contribution: 0n }, claim)).slice(0, 1)).toEqual(["ContributionNotInModel"]);
  });
});

describe("contradiction", () => {
  const other = text("something else");
  const signed = (inferenceId: bigint, by: Actor = host) => {
    const answer = { inferenceId, requestRoot: REQUEST_ROOT, outputRoot: rootOf(other), outputBytes: 14, spans: [] };
    return [answer.outputRoot, answer.outputBytes, spansHashOf([]), sign(by, answer)];
  };

  test("another output, or other spans for the same one", async () => {
    const claim = await committed(RIGHT);
    const logs = await call("proveContradiction", [claim, ...signed(claim.inferenceId)]);
    expect(logs).toMatchObject([{ args: { fault: 4, contributionId: 0n } }, {}, {}, {}]);
    const second = await committed(RIGHT);
    const { inferenceId, outputRoot, outputBytes } = second;
    const signature = sign(host, { inferenceId, requestRoot: REQUEST_ROOT, outputRoot, outputBytes, spans: [] });
    const args = [second, outputRoot, outputBytes, spansHashOf([]), signature];
    expect(await call("proveContradiction", args)).toMatchObject([{ args: { fault: 4 } }, {}, {}, {}]);
  });

  test("is refused of the same answer, another signer, another inference", async () => {
    const claim = await committed(RIGHT);
    const { inferenceId, outputRoot, outputBytes, spans } = claim;
    const same = sign(host, { inferenceId, requestRoot: REQUEST_ROOT, outputRoot, outputBytes, spans });
    expect(await call("proveContradiction", [claim, outputRoot, outputBytes, spansHashOf(spans), same])).toEqual([
      "SameAnswer",
    ]);
    expect((await call("proveContradiction", [claim, ...signed(inferenceId, bob)]))[0]).toBe("BadSignature");
    expect((await call("proveContradiction", [claim, ...signed(inferenceId + 1n)]))[0]).toBe("BadSignature");
  });
});

describe("availability", () => {
  const chunk = (index: number) => chunksOf(BOOK, index * 256, Math.min(BOOK.length, (index + 1) * 256));
  const demand = (id: bigint, index: bigint, from: Actor = watcher, value = 500n) =>
    call("demandChunk", [id, book, index], from, value);

  test("a chunk that is shown earns the bond and extends the window, at most twice", async () => {
    const claim = await committed(RIGHT);
    const id = claim.inferenceId;
    const end = world.timestamp + 30n;
    for (const index of [0n, 5n, 11n]) {
      expect(await demand(id, index)).toMatchObject([
        { name: "ChunkDemanded", args: { deadline: world.timestamp + 15n } },
      ]);
    }
    expect(await world.view("attribution", "inference", [id])).toMatchObject({ openDemands: 3, extensions: 0 });
    const before = await world.balance(host.address);
    for (const [shown, settleAfter] of [
      [0, end + 15n],
      [5, end + 30n],
      [11, end + 30n],
    ] as const) {
      world.timestamp = end - 15n;
      const logs = await call("showChunk", [id, book, chunk(shown)], host);
      expect(logs).toMatchObject([{ name: "ChunkShown", args: { settleAfter } }]);
    }
    expect(await world.balance(host.address)).toBe(before + 1_500n);
    expect(await world.view("attribution", "demand", [id, book, 5n])).toMatchObject([
      expect.anything(),
      end - 15n,
      true,
      500n,
    ]);
    world.timestamp = end + 29n;
    expect(await call("settle", [[claim]])).toEqual(["WindowOpen", id, end + 30n]);
    // What a shown chunk reveals can be used: the window is still open.
    expect((await prove(omitted, claim))[0]).toBe("RangeCovered");
    world.advance();
    expect(await call("settle", [[claim]])).toEqual(
      expect.arrayContaining([expect.objectContaining({ name: "InferenceSettled" })]),
    );
  });

  test("a demand that is not met voids the claim; the demander has bond and bounty", async () => {
    const claim = await committed(RIGHT);
    const id = claim.inferenceId;
    const before = await world.balance(watcher.address);
    await demand(id, 3n);
    const deadline = world.timestamp + 15n;
    expect(await call("proveUnavailable", [claim, book, 3n])).toEqual(["DemandOpen", book, 3n, deadline]);
    world.advance(100n);
    expect(await call("settle", [[claim]])).toEqual(["DemandsOpen", id, 1n]);
    expect(await call("showChunk", [id, book, chunk(3)], host)).toEqual(["DeadlinePassed", id, deadline]);
    expect((await call("proveUnavailable", [{ ...claim, spans: [] }, book, 3n]))[0]).toBe("ClaimMismatch");
    const logs = await call("proveUnavailable", [claim, book, 3n], bob);
    expect(logs).toMatchObject([
      { name: "DemandReturned", args: { bond: 500n } },
      { name: "InferenceVoided", args: { fault: 5, contributionId: book } },
      { name: "StakeSlashed" },
      {},
      {},
    ]);
    expect(shares(logs)[1]).toEqual([watcher.hex, 6, 0n, FEE]);
    expect(await world.balance(watcher.address)).toBe(before);
    expect(await call("proveUnavailable", [claim, book, 3n])).toEqual(["WrongState", id, 5]);
  });

  test("when another challenge voids the claim, bonds go back", async () => {
    const claim = await committed([]);
    const id = claim.inferenceId;
    await demand(id, 1n);
    expect(await call("returnDemand", [id, book, 1n])).toEqual(["WrongState", id, 2]);
    await prove(omitted, claim);
    expect(await call("showChunk", [id, book, chunk(1)], host)).toEqual(["WrongState", id, 5]);
    const before = await world.balance(watcher.address);
    expect(await call("returnDemand", [id, book, 1n], bob)).toMatchObject([{ name: "DemandReturned" }]);
    expect(await world.balance(watcher.address)).toBe(before + 500n);
    expect(await call("returnDemand", [id, book, 1n])).toEqual(["UnknownDemand", book, 1n]);
  });

  test("is refused: late, twice, for another bond, of what is no chunk or not the model's", async () => {
    const claim = await committed(RIGHT);
    const id = claim.inferenceId;
    const until = world.timestamp + 15n;
    expect(await demand(id, 0n, watcher, 499n)).toEqual(["WrongBond", 499n, 500n]);
    expect(await demand(id, 12n)).toEqual(["IndexOutOfRange", 12n, 12n]);
    expect(await call("demandChunk", [id, outside, 0n], watcher, 500n)).toEqual([
      "ContributionNotInModel",
      0n,
      outside,
    ]);
    await demand(id, 0n);
    expect(await demand(id, 0n, bob)).toEqual(["DemandExists", book, 0n]);
    expect(await call("showChunk", [id, book, chunk(1)], host)).toEqual(["UnknownDemand", book, 1n]);
    expect((await call("showChunk", [id, book, { ...chunk(1), first: 0n }], host))[0]).toBe("InvalidProof");
    await call("showChunk", [id, book, chunk(0)], host);
    expect(await demand(id, 0n)).toEqual(["DemandExists", book, 0n]);
    expect(await call("showChunk", [id, book, chunk(0)], host)).toEqual(["UnknownDemand", book, 0n]);
    world.timestamp = until;
    expect(await demand(id, 1n)).toEqual(["DemandTooLate", id, until]);
    const open = await request(world, payer, host, modelId, ESCROW);
    expect(await demand(open, 0n)).toEqual(["WrongState", open, 1]);
    await world.setParameters({ availabilityBondWei: 2n ** 128n });
    const last = await committed(RIGHT);
    expect(await demand(last.inferenceId, 1n)).toEqual([
      "Error",
      "governed parameter availabilityBondWei is out of range",
    ]);
  });

  test("at most 64 wait at once", async () => {
    const large = await contribute(world, owner, alice, datanetId, new Uint8Array(256 * 66).fill(7));
    await world.must(owner, "datanet", "publishVersion", [datanetId]);
    modelId = await registerModel(world, owner, { data: [{ datanetId, version: 2 }] });
    await world.must(host, "models", "joinAsHost", [modelId, ""]);
    const { inferenceId: id } = await committed(RIGHT);
    for (let i = 0n; i < 64n; i++)
      await world.must(watcher, "attribution", "demandChunk", [id, large, i], { value: 500n });
    expect(await call("demandChunk", [id, large, 64n], watcher, 500n)).toEqual(["TooManyDemands", 64n]);
  });
});
