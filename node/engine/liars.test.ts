/** One of four validators lies: what it proposes is never voted for where it is wrong, and nobody else suffers. */
import { describe, expect, test } from "vitest";
import { encodeVote } from "../../consensus/codec.ts";
import { voteDigest } from "../../consensus/scheme.ts";
import { KIND } from "../../consensus/types.ts";
import { blsVerify } from "../../core/bls.ts";
import { bytesToHex, EMPTY_BYTES, equalsBytes, ZERO_32 } from "../../core/bytes.ts";
import { decodeBlock, encodeBlock } from "../../execution/block/block-codec.ts";
import { hashHeader } from "../../execution/block/header.ts";
import { Cluster, type Member } from "../testing/cluster.ts";
import { Liar, type LiarBlock } from "../testing/liar.ts";
import { testDomain } from "../testing/node.ts";
import { CHAIN_ID, signed } from "../testing/world.ts";
import { decodeBlockMessage, encodeBlockMessage } from "./messages.ts";

/** What only the liar has: without it another leader makes the same block. */
const OWN = [signed(4, 0n)];
const HONEST = ["0", "1", "2"];

async function setup() {
  const cluster = await Cluster.start({ members: [0, 1, 2, 3] });
  // Nobody else has its key from here on.
  await cluster.stop("3");
  const liar = await Liar.join(cluster, 3);
  await liar.turn();
  const honest = HONEST.map((id) => cluster.node(id));
  const nowSeconds = () => BigInt(Math.floor(cluster.clock.nowMs() / 1_000));
  const votesFor = (hash: Uint8Array) =>
    honest.flatMap(({ validating }) => validating!.signed.filter(({ block }) => equalsBytes(block, hash)));
  /** Until the view is over, and the others have made two blocks more. */
  const goOn = () => cluster.reach(Number(honest[0]!.chain.head.number) + 2, honest);
  return { cluster, liar, honest, nowSeconds, votesFor, goOn };
}

/** The block with another header, whose body still is the one that it names. */
function reheaded({ raw }: LiarBlock, change: { stateRoot?: Uint8Array; gasUsed?: bigint }): LiarBlock {
  const decoded = decodeBlock(raw, CHAIN_ID);
  if (!decoded.ok) throw new Error(decoded.reason);
  const { transactions } = decoded.block;
  const header = { ...decoded.block.header, ...change };
  return { hash: hashHeader(header), raw: encodeBlock({ header, transactions }) };
}

describe("an honest proposal of it", () => {
  test("is voted for like any other", async () => {
    const { cluster, liar, honest, nowSeconds, votesFor, goOn } = await setup();
    const tx = signed(0, 0n);
    const block = await liar.block([tx], nowSeconds());
    await liar.port("p", ...honest).publish("block", liar.proposal(block));
    await goOn();
    expect(votesFor(block.hash).filter(({ kind }) => kind === KIND.notarize)).toHaveLength(3);
    for (const { chain } of honest) expect(chain.isCommitted(block.hash)).toBe(true);
    await cluster.end();
  });
});

describe("its vote that comes before its proposal, or is all that comes", () => {
  test("keeps nobody from taking the proposal", async () => {
    const { cluster, liar, honest, nowSeconds, goOn } = await setup();
    const block = await liar.block(OWN, nowSeconds());
    const message = liar.proposal(block);
    const port = liar.port("p", ...honest);
    await port.publish("vote", encodeVote(decodeBlockMessage(message).proposal.vote));
    await cluster.clock.pass(50);
    await port.publish("block", message);
    await goOn();
    for (const { chain } of honest) expect(chain.isCommitted(block.hash)).toBe(true);
    await cluster.end();
  });

  test("does not hold up the others when the proposal never comes", async () => {
    const { cluster, liar, honest, nowSeconds, votesFor, goOn } = await setup();
    const block = await liar.block(OWN, nowSeconds());
    const { vote } = decodeBlockMessage(liar.proposal(block)).proposal;
    await liar.port("p", ...honest).publish("vote", encodeVote(vote));
    await goOn();
    expect(votesFor(block.hash)).toEqual([]);
    await cluster.end();
  });

  test("stripped of its block by a stranger: refused, and the true one counts", async () => {
    const { cluster, liar, honest, nowSeconds, goOn } = await setup();
    const block = await liar.block(OWN, nowSeconds());
    const { proposal } = decodeBlockMessage(liar.proposal(block));
    // Its height is not signed: one of another epoch would have the view skipped.
    const stripped = { proposal: { ...proposal, height: proposal.height + 1_000_000 }, raw: EMPTY_BYTES };
    await liar.port("stranger", ...honest).publish("block", encodeBlockMessage(stripped));
    await liar.port("p", ...honest).publish("block", liar.proposal(block));
    await goOn();
    for (const { chain } of honest) expect(chain.isCommitted(block.hash)).toBe(true);
    await cluster.end();
  });

  test("without its block: no vote is for it", async () => {
    const { cluster, liar, honest, nowSeconds, votesFor, goOn } = await setup();
    const block = await liar.block(OWN, nowSeconds());
    await liar.port("p", ...honest).publish("block", liar.proposal({ ...block, raw: EMPTY_BYTES }));
    await goOn();
    expect(votesFor(block.hash)).toEqual([]);
    await cluster.end();
  });
});

describe("two proposals in one view", () => {
  test("are evidence against it, and no fork", async () => {
    const { cluster, liar, honest, nowSeconds, goOn } = await setup();
    const [one, two] = [await liar.block(OWN, nowSeconds()), await liar.block([signed(0, 0n)], nowSeconds())];
    await liar.port("a", honest[0]!, honest[1]!).publish("block", liar.proposal(one));
    await liar.port("b", honest[2]!).publish("block", liar.proposal(two));
    await goOn();
    const domain = testDomain(cluster.genesis);
    for (const { chain, evidence, engine } of honest) {
      expect(evidence).toHaveLength(1);
      expect(engine.status.evidence).toBe(1);
      const { signer, first, second } = evidence[0]!;
      const set = chain.validatorSet(0)!;
      expect(signer).toBe(3);
      expect([first.block, second.block].map(bytesToHex).sort()).toEqual([one.hash, two.hash].map(bytesToHex).sort());
      for (const vote of [first, second]) {
        const { publicKey } = set.validators[signer]!;
        expect(blsVerify([publicKey], voteDigest(domain, set.hash, vote), vote.signature)).toBe(true);
      }
      expect([one, two].filter(({ hash }) => chain.isCommitted(hash)).length).toBeLessThanOrEqual(1);
    }
    await cluster.end();
  });
});

describe("a proposal that is wrong is nullified and never voted for", () => {
  const wrong: readonly [string, (world: Awaited<ReturnType<typeof setup>>) => Promise<LiarBlock>][] = [
    [
      "state root",
      async ({ liar, nowSeconds }) =>
        reheaded(await liar.block([signed(0, 0n)], nowSeconds()), { stateRoot: new Uint8Array(32).fill(7) }),
    ],
    ["gas", async ({ liar, nowSeconds }) => reheaded(await liar.block(OWN, nowSeconds()), { gasUsed: 1n })],
    ["time in the future", ({ liar, nowSeconds }) => liar.block(OWN, nowSeconds() + 3n)],
  ];
  for (const [name, make] of wrong) {
    test(name, async () => {
      const world = await setup();
      const { cluster, liar, honest, votesFor, goOn } = world;
      const before = honest.map(({ engine }) => engine.status.nullifications);
      const block = await make(world);
      const port = liar.port("p", ...honest);
      await port.publish("block", liar.proposal(block));
      await goOn();
      expect(votesFor(block.hash)).toEqual([]);
      for (const [index, { chain, engine, lines, net }] of honest.entries()) {
        expect(chain.isCommitted(block.hash)).toBe(false);
        expect(engine.status.nullifications).toBeGreaterThan(before[index]!);
        expect(lines.filter(({ msg }) => msg.startsWith("proposal refused"))).toHaveLength(1);
        // Whoever passes on what a leader signed is not to blame for it.
        expect(net.scoreOf(port.id)).toBe(0);
      }
      await cluster.end();
    });
  }

  test("a time that is only a little ahead is none of the wrong", async () => {
    const { cluster, liar, honest, nowSeconds, goOn } = await setup();
    const block = await liar.block(OWN, nowSeconds() + 1n);
    await liar.port("p", ...honest).publish("block", liar.proposal(block));
    await goOn();
    for (const { chain } of honest) expect(chain.isCommitted(block.hash)).toBe(true);
    await cluster.end();
  });
});

describe("a message that is wrong costs its sender, and the proposal is taken from another", () => {
  const scores = (honest: readonly Member[], id: string) => honest.map(({ net }) => net.scoreOf(id));

  test("another body under the right header", async () => {
    const { cluster, liar, honest, nowSeconds, votesFor, goOn } = await setup();
    const block = await liar.block([signed(0, 0n)], nowSeconds());
    const other = await liar.block([signed(0, 0n), signed(1, 0n)], nowSeconds());
    const [header, body] = [block, other].map(({ raw }) => {
      const decoded = decodeBlock(raw, CHAIN_ID);
      if (!decoded.ok) throw new Error(decoded.reason);
      return decoded.block;
    });
    const mixed = { hash: block.hash, raw: encodeBlock({ header: header!.header, transactions: body!.transactions }) };
    const bad = liar.port("bad", ...honest);
    await bad.publish("block", liar.proposal(mixed));
    await cluster.clock.pass(20);
    expect(scores(honest, "bad").every((score) => score < 0)).toBe(true);
    expect(votesFor(block.hash)).toEqual([]);
    await liar.port("good", ...honest).publish("block", liar.proposal(block));
    await goOn();
    expect(scores(honest, "good")).toEqual([0, 0, 0]);
    for (const { chain } of honest) expect(chain.isCommitted(block.hash)).toBe(true);
    await cluster.end();
  });

  test("a leader's name under what it did not sign", async () => {
    const { cluster, liar, honest, nowSeconds, votesFor, goOn } = await setup();
    const block = await liar.block(OWN, nowSeconds());
    const vote = { ...liar.sign({ kind: KIND.notarize, view: 1, parentView: 0, block: block.hash }) };
    const bad = liar.port("bad", ...honest);
    const message = liar.proposal(block);
    // The signature of another vote: its place is at the end of the vote, 4 + 59 bytes into the message.
    message.set(vote.signature, 4 + 59);
    await bad.publish("block", message);
    await cluster.clock.pass(20);
    expect(scores(honest, "bad").every((score) => score < 0)).toBe(true);
    await goOn();
    expect(votesFor(block.hash)).toEqual([]);
    expect(honest.flatMap(({ evidence }) => evidence)).toEqual([]);
    await cluster.end();
  });

  test("a vote in the name of one who did not cast it: its sender alone pays", async () => {
    const { cluster, liar, honest, goOn } = await setup();
    // The third hears of it through the others only.
    const bad = liar.port("bad", honest[0]!, honest[1]!);
    for (const signer of [0, 1, 2]) {
      const vote = liar.sign({ kind: KIND.nullify, view: honest[0]!.engine.view, parentView: 0, block: ZERO_32 });
      await bad.publish("vote", encodeVote({ ...vote, signer }));
    }
    await cluster.clock.pass(100);
    expect(
      scores(honest, "bad")
        .slice(0, 2)
        .every((score) => score < 0),
    ).toBe(true);
    await goOn();
    // What the end of the cluster looks at too: nobody else is held for a liar.
    expect(honest.flatMap(({ net }) => HONEST.map((id) => net.scoreOf(id)))).toEqual(Array(9).fill(0));
    await cluster.end();
  });

  test("bytes that are no message", async () => {
    const { cluster, liar, honest, goOn } = await setup();
    const bad = liar.port("bad", ...honest);
    await bad.publish("block", new Uint8Array(400).fill(9));
    await bad.publish("vote", new Uint8Array(155));
    await bad.publish("cert", new Uint8Array(3));
    await cluster.clock.pass(20);
    // Three rejections of 25 each.
    expect(scores(honest, "bad")).toEqual([-75, -75, -75]);
    await goOn();
    await cluster.end();
  });
});
