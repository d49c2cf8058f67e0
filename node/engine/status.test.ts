import { describe, expect, test } from "vitest";
import { Simplex } from "../../consensus/simplex.ts";
import { baseView, type Certificate, KIND, type VoteKind } from "../../consensus/types.ts";
import { bigIntToFixed, ZERO_32 } from "../../core/bytes.ts";
import { testValidator } from "../../genesis/testing/validators.ts";
import { VirtualClock } from "../testing/clock.ts";
import { setOfMembers } from "../testing/cluster.ts";
import { TEST_SCHEME, TEST_TIMING } from "../testing/node.ts";
import { Statistics } from "./status.ts";

const block = (index: number): Uint8Array => bigIntToFixed(BigInt(index), 32);
const certificate = (kind: VoteKind): Certificate => ({
  kind,
  epoch: 0,
  view: 1,
  parentView: 0,
  block: block(1),
  bitmap: Uint8Array.of(7),
  signature: new Uint8Array(96),
});

function setup() {
  const clock = new VirtualClock();
  const statistics = new Statistics(clock);
  const epoch = 3;
  const base = { view: baseView(epoch), height: 29, block: ZERO_32 };
  const core = new Simplex(
    {
      domain: { chainId: 1n, l1Contract: new Uint8Array(20) },
      scheme: TEST_SCHEME,
      epochBlocks: 10,
      timing: TEST_TIMING,
      publicKey: testValidator(1).publicKey,
    },
    { epoch, set: setOfMembers(0, 1, 2, 3), base, tip: base, votes: [], certificates: [], blocks: [] },
    clock.nowMs(),
  );
  const status = () => statistics.status(core, "validate", undefined, 3);
  return { clock, statistics, status };
}

describe("latency", () => {
  test("from the beginning of a proposal to its commit; the first word of it counts", async () => {
    const { clock, statistics, status } = setup();
    expect(status().commitLatency).toEqual({ p50Ms: 0, p99Ms: 0, count: 0 });
    statistics.proposed(block(1), clock.nowMs());
    await clock.pass(30);
    statistics.proposed(block(1), clock.nowMs());
    await clock.pass(12);
    statistics.committed(block(1), 0);
    expect(status().commitLatency).toEqual({ p50Ms: 42, p99Ms: 42, count: 1 });
  });

  test("not of what was never proposed here, as what sync brings, and of each block once", async () => {
    const { clock, statistics, status } = setup();
    statistics.committed(block(1), 2);
    statistics.proposed(block(2), clock.nowMs());
    statistics.committed(block(2), 1);
    statistics.committed(block(2), 1);
    expect(status().commitLatency.count).toBe(1);
    expect(status()).toMatchObject({ blocksCommitted: 3, transactionsCommitted: 4 });
  });

  test("quantiles are of the last 512", () => {
    const { clock, statistics, status } = setup();
    const sample = (index: number, latencyMs: number) => {
      statistics.proposed(block(index), clock.nowMs() - latencyMs);
      statistics.committed(block(index), 0);
    };
    for (let index = 0; index < 100; index++) sample(index, 1_000);
    expect(status().commitLatency).toEqual({ p50Ms: 1_000, p99Ms: 1_000, count: 100 });
    for (let index = 0; index < 512; index++) sample(1_000 + index, index);
    expect(status().commitLatency).toEqual({ p50Ms: 256, p99Ms: 506, count: 612 });
  });

  test("64 proposals are awaited: of the oldest the beginning is forgotten", () => {
    const { clock, statistics, status } = setup();
    for (let index = 0; index < 65; index++) statistics.proposed(block(index), clock.nowMs());
    statistics.committed(block(0), 0);
    expect(status().commitLatency.count).toBe(0);
    statistics.committed(block(1), 0);
    expect(status().commitLatency.count).toBe(1);
  });
});

test("counts since the start, and where consensus is", async () => {
  const { clock, statistics, status } = setup();
  for (const kind of [KIND.notarize, KIND.nullify, KIND.finalize, KIND.finalize]) {
    statistics.certified(certificate(kind));
  }
  statistics.voted();
  statistics.evidence++;
  await clock.pass(500);
  statistics.committed(block(1), 7);
  await clock.pass(250);
  expect(status()).toMatchObject({
    mode: "validate",
    epoch: 3,
    viewInEpoch: 1,
    validatorIndex: 1,
    validators: 4,
    peers: 3,
    sinceBlockMs: 250,
    notarizations: 1,
    nullifications: 1,
    finalizations: 2,
    votesCast: 1,
    evidence: 1,
    transactionsCommitted: 7,
  });
});
