import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DATANET_ADDRESS, MODELS_ADDRESS } from "../core/addresses.ts";
import { hexToBytes } from "../core/bytes.ts";
import { attributionAbi } from "../precompiles/interfaces/attribution.abi.ts";
import { datanetAbi } from "../precompiles/interfaces/datanet.abi.ts";
import { modelsAbi } from "../precompiles/interfaces/models.abi.ts";
import type { Change } from "./changes.ts";
import { decodeBlock, decodeLog, type LedgerEvent } from "./decode.ts";
import { IndexError } from "./errors.ts";
import { project } from "./project.ts";
import { encodeEvent, FakeChain, testAddress, testHash } from "./testing/fake-chain.ts";
import { chainOf, challengedChain, STEP_KINDS, type Step } from "./testing/histories.ts";
import { MIN_SPAN } from "./testing/ledger.ts";

function projected(events: LedgerEvent[]): Change[] {
  const block = new FakeChain().append([events]);
  return project(block, decodeBlock(block));
}

const rowsOf = (changes: readonly Change[], table: Change["table"]) =>
  changes.filter((change) => change.table === table);

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({ kind: fc.nat(STEP_KINDS - 1), a: fc.nat(40), b: fc.nat(40), seal: fc.boolean() }),
  { minLength: 30, maxLength: 120 },
);

describe("decode", () => {
  test("what the interfaces encode, the decoder reads back", () => {
    fc.assert(
      fc.property(steps, (history) => {
        for (const block of chainOf(history).blocks) {
          for (const { txHash, logIndex, ...event } of decodeBlock(block)) {
            expect(txHash).toHaveLength(32);
            const log = block.receipts.flatMap((receipt) => receipt.logs)[logIndex];
            expect(encodeEvent(event as LedgerEvent)).toEqual(log);
          }
        }
      }),
      { numRuns: 20 },
    );
  });

  test("the test history holds every event of the three interfaces", () => {
    const seen = new Set(
      challengedChain().chain.blocks.flatMap((block) => decodeBlock(block).map((event) => event.eventName)),
    );
    // These two follow a host's leaving, which the standard history does not have.
    seen.add("HostLeft").add("StakeWithdrawn");
    const declared = [...datanetAbi, ...modelsAbi, ...attributionAbi].flatMap((item) =>
      item.type === "event" ? [item.name] : [],
    );
    expect([...seen].toSorted()).toEqual(declared.toSorted());
  });

  test("log indices count every log of the block, those of other accounts too", () => {
    const chain = new FakeChain();
    const log = encodeEvent({
      eventName: "VersionPublished",
      args: { datanetId: 1n, version: 1, count: 1, root: testHash("v") },
    });
    const other = { ...log, address: new Uint8Array(20).fill(1) };
    const block = chain.appendLogs([
      [other, log],
      [other, other, log],
    ]);
    expect(
      decodeBlock(block).map(({ logIndex, txHash }) => [
        logIndex,
        block.transactions.findIndex(({ hash }) => hash === txHash),
      ]),
    ).toEqual([
      [1, 0],
      [4, 1],
    ]);
  });

  test("an event counts only from the precompile that declares it", () => {
    const log = encodeEvent({ eventName: "HostLeft", args: { modelId: 1n, host: testAddress(1) } });
    expect(decodeLog({ ...log, address: new Uint8Array(20) })).toBeUndefined();
    expect(() => decodeLog({ ...log, address: DATANET_ADDRESS })).toThrow(IndexError);
    expect(() => decodeLog({ address: MODELS_ADDRESS, topics: [], data: new Uint8Array(0) })).toThrow(IndexError);
    expect(decodeLog(log)?.eventName).toBe("HostLeft");
  });
});

describe("project", () => {
  const spans = [
    { outputStart: 0, length: 40, contribution: 3n, contentOffset: 2n ** 63n },
    { outputStart: 30, length: 20, contribution: 1n, contentOffset: 0n },
    { outputStart: 60, length: MIN_SPAN, contribution: 3n, contentOffset: 9n },
  ];
  const committed: LedgerEvent = {
    eventName: "OutputCommitted",
    args: {
      inferenceId: 4n,
      modelId: 2n,
      host: testAddress(1),
      outputRoot: testHash("output"),
      outputBytes: 90,
      coveredBytes: 66,
      fee: 10n,
      stakeLocked: 20n,
      settleAfter: 5n,
      batchId: 1n,
      index: 0,
      spans,
    },
  };

  test("a span weighs the bytes that it owns; an edge carries the sum of a contribution's spans", () => {
    const changes = projected([committed]);
    expect(
      rowsOf(changes, "spans").map((change) => change.op === "insert" && "weight" in change.row && change.row.weight),
    ).toEqual([30, 20, 16]);
    expect(rowsOf(changes, "edges")).toMatchObject([
      { row: { kind: 2, to_kind: 3, to_id: 2, weight: null } },
      { row: { kind: 1, to_kind: 2, to_id: 3, weight: 46 } },
      { row: { kind: 1, to_kind: 2, to_id: 1, weight: 20 } },
    ]);
  });

  test("values that the protocol allows never stop the index", () => {
    const [datanet] = rowsOf(
      projected([
        {
          eventName: "DatanetCreated",
          args: {
            datanetId: 1n,
            owner: testAddress(1),
            name: "a\u0000b",
            domain: "💡",
            metadataURI: "",
            modality: 0,
            licence: 255,
            access: 1,
            bond: 2n ** 128n - 1n,
          },
        },
      ]),
      "datanets",
    );
    expect(datanet).toMatchObject({ row: { name: "a\ufffdb", domain: "💡", bond: 2n ** 128n - 1n } });
  });

  test("an id that is no sequence number is a contradiction", () => {
    const left: LedgerEvent = { eventName: "HostLeft", args: { modelId: 2n ** 200n, host: testAddress(1) } };
    expect(() => projected([left])).toThrow(/is not a sequence number/);
  });

  test("a reward adds to the account, its kind and its contribution", () => {
    const args = {
      inferenceId: 1n,
      account: testAddress(1),
      kind: 0,
      source: 7n,
      weight: 3n,
      amount: 2n ** 200n,
    } as const;
    const changes = projected([{ eventName: "RewardAccrued", args }]);
    const account = hexToBytes(testAddress(1));
    expect(changes.slice(1)).toMatchObject([
      { op: "insert", table: "rewards", row: { inference: 1, account, source: 7, amount: 2n ** 200n, log_index: 0 } },
      { op: "revise", table: "accounts", key: { address: account }, add: { accrued: 2n ** 200n, rewards: 1 } },
      { op: "revise", table: "reward_totals", key: { account, kind: 0 }, add: { accrued: 2n ** 200n } },
      {
        op: "revise",
        table: "contribution_totals",
        key: { contribution: 7 },
        add: { accrued: 2n ** 200n, weight: 3n },
      },
    ]);
    // The treasury's share has no source, the host's is a model.
    expect(
      rowsOf(projected([{ eventName: "RewardAccrued", args: { ...args, kind: 5, source: 0n } }]), "rewards"),
    ).toMatchObject([{ row: { source: null } }]);
    expect(
      rowsOf(projected([{ eventName: "RewardAccrued", args: { ...args, kind: 3 } }]), "contribution_totals"),
    ).toEqual([]);
  });
});
