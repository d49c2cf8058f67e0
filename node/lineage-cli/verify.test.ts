/** What `openledger lineage --verify` believes: nothing of GraphQL's record, nothing of JSON-RPC's answers. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { KIND } from "../../consensus/types.ts";
import { bigIntToFixed, bytesToHex, type Hex } from "../../core/bytes.ts";
import { encodeBlock } from "../../execution/block/block-codec.ts";
import { encodeHeader } from "../../execution/block/header.ts";
import { orderedRoot } from "../../execution/block/ordered-root.ts";
import { encodeReceipt } from "../../execution/block/receipt-codec.ts";
import { encodeEpochEnd } from "../sync/messages.ts";
import { encodeReceipts } from "../sync/receipts.ts";
import type { Check } from "./checks.ts";
import { type Ask, graphql } from "./endpoints.ts";
import { entities, LINEAGE, type Lineage } from "./record.ts";
import { LineageWorld, OUTPUT, validatorsOf } from "./testing/lineage-world.ts";
import { verify } from "./verify.ts";

let world: LineageWorld;
const lineages: Lineage[] = [];
/** Every answer of JSON-RPC that verifying them takes: what is replayed is quicker than what is proven again. */
const recorded = new Map<string, unknown>();

const remembering: Ask = async (method, params) => {
  const key = `${method} ${JSON.stringify(params)}`;
  if (!recorded.has(key)) recorded.set(key, await world.ask(method, params));
  return structuredClone(recorded.get(key));
};

beforeAll(async () => {
  world = await LineageWorld.open();
  await world.tell();
  const url = await world.serveGraphql();
  for (const id of [1, 2, 3, 4, 5, 6, 7]) {
    lineages.push((await graphql<{ lineage: Lineage }>(url, LINEAGE, { id: String(id) })).lineage);
  }
}, 60_000);
afterAll(() => world.close());

/** Of an output by its id. */
const lineageOf = (id: number): Lineage => structuredClone(lineages[id - 1]!);

async function verified(
  lineage: Lineage,
  { ask = remembering, output, checkpoint }: { ask?: Ask; output?: Uint8Array; checkpoint?: Hex } = {},
): Promise<readonly Check[]> {
  const trust = { genesis: world.genesis, checkpoint };
  return (await verify(lineage, { ask, trust, output, stores: [], onCheck() {} })).checks;
}

const failed = (checks: readonly Check[]): string[] => checks.filter(({ ok }) => !ok).map(({ name }) => name);

describe("an honest answer", () => {
  it.each([
    [1, "SETTLED"],
    [2, "SETTLED"],
    [3, "VOID"],
    [4, "EXPIRED"],
    [5, "COMMITTED"],
    [6, "REQUESTED"],
    [7, "COMMITTED"],
  ])("output %i, %s: every check holds", async (id, state) => {
    const lineage = lineageOf(id);
    expect(lineage.root.state).toBe(state);
    const checks = await verified(lineage);
    expect(checks.filter(({ ok }) => !ok)).toEqual([]);
  });

  it("follows validators over epochs, whoever joined and left", async () => {
    const [validators, certificate] = await verified(lineageOf(1));
    expect(validators).toMatchObject({
      ok: true,
      detail: expect.stringMatching(/^3 of epoch \d+, set 0x.* from genesis 0x/),
    });
    expect(certificate).toMatchObject({ ok: true, detail: expect.stringMatching(/signed by 3 of 3 validators$/) });
    expect(Number(lineageOf(1).asOf.number)).toBeGreaterThan(32);
  });

  it("begins with a trusted block instead of the genesis, of which later epochs follow", async () => {
    const checkpoint = bytesToHex(world.chain.hashAt(23n)!);
    const asked: unknown[] = [];
    const ask: Ask = (method, params) => {
      if (method === "openledger_getEpochEnds") asked.push(params[0]);
      return remembering(method, params);
    };
    const checks = await verified(lineageOf(1), { checkpoint, ask });
    expect(failed(checks)).toEqual([]);
    expect(checks[0]?.detail).toMatch(new RegExp(`from the trusted block 23 ${checkpoint}$`));
    expect(asked[0]).toBe(2);
    expect(asked[1]).toBe(3);
    const inside = await verified(lineageOf(1), { checkpoint: bytesToHex(world.chain.hashAt(22n)!) });
    expect(inside).toEqual([
      { name: "validators", ok: false, detail: expect.stringMatching(/not the last of an epoch: 23 is/) },
    ]);
  });

  it("holds the file against the record", async () => {
    expect(failed(await verified(lineageOf(1), { output: OUTPUT }))).toEqual([]);
    const other = OUTPUT.slice();
    other[20]! ^= 1;
    expect(failed(await verified(lineageOf(1), { output: other }))).toContain("file");
  });
});

it("a host that lied about a private output is found out by whoever has the file", async () => {
  expect(failed(await verified(lineageOf(7), { output: OUTPUT }))).toEqual(["spans"]);
});

type Path = readonly (string | number)[];

/** Of each kind of place in the record one path to a leaf, and the last of a list besides the first. */
function leaves(value: unknown, path: Path = []): Path[] {
  if (Array.isArray(value)) {
    const ends = value.length === 0 ? [] : [...new Set([0, value.length - 1])];
    return ends.flatMap((i) => leaves(value[i], [...path, i]));
  }
  if (typeof value === "object" && value !== null) {
    return Object.entries(value).flatMap(([key, item]) => leaves(item, [...path, key]));
  }
  return [path];
}

function withLeaf<T>(record: T, path: Path, change: (value: unknown) => unknown): T {
  const copy: unknown = structuredClone(record);
  let parent = copy as Record<string | number, unknown>;
  for (const key of path.slice(0, -1)) parent = parent[key] as typeof parent;
  const last = path.at(-1)!;
  parent[last] = change(parent[last]);
  return copy as T;
}

/** Another value of the same kind. */
function altered(value: unknown): unknown {
  if (typeof value === "boolean") return !value;
  if (typeof value === "number") return value + 1;
  if (value === null) return { id: "1", number: "1", tx: "0x1" };
  const text = String(value);
  const last = text.at(-1) === "1" ? "2" : "1";
  return text.slice(0, -1) + last;
}

describe("a GraphQL server that lies", () => {
  // Whether a server shows all is its own word: it is printed, and nothing more is made of it.
  const isFree = (path: Path) => path[0] === "truncated";

  it.each([1, 3, 4])("is caught whatever it changes of output %i", async (id) => {
    const lineage = lineageOf(id);
    const missed: string[] = [];
    // What it was made of is the same in all.
    const changed = leaves(lineage).filter((leaf) => !isFree(leaf) && (id === 1 || leaf[0] === "root"));
    for (const path of changed) {
      const checks = await verified(withLeaf(lineage, path, altered));
      if (failed(checks).length === 0) missed.push(path.join("."));
    }
    expect(missed).toEqual([]);
  });

  it.each([
    ["a weight", (lineage: Lineage) => withLeaf(lineage, ["attributions", 0, "weight"], altered), "weights"],
    ["a payment", (lineage: Lineage) => withLeaf(lineage, ["root", "rewards", 1, "amount"], altered), "payments"],
    ["a span", (lineage: Lineage) => withLeaf(lineage, ["root", "spans", 0, "length"], altered), "answer"],
    [
      "a licence",
      (lineage: Lineage) => withLeaf(lineage, ["attributions", 1, "licence"], () => "CC0-1.0"),
      "contribution 2",
    ],
    ["its block", (lineage: Lineage) => withLeaf(lineage, ["asOf", "hash"], altered), "index"],
  ])("%s is named", async (_what, lie, check) => {
    expect(failed(await verified(lie(lineageOf(1))))).toEqual([check]);
  });

  it("cannot leave out a source, add one, or swap two", async () => {
    const lineage = lineageOf(1);
    const without = (prefix: string): Lineage => ({
      ...lineage,
      nodes: lineage.nodes.filter(({ id }) => id !== prefix),
      edges: lineage.edges.filter(({ from, to }) => from !== prefix && to !== prefix),
    });
    for (const { id } of lineage.nodes) {
      expect(failed(await verified({ ...lineage, nodes: lineage.nodes.filter((node) => node.id !== id) }))).not.toEqual(
        [],
      );
      expect(failed(await verified(without(id)))).not.toEqual([]);
      // The walk may be cut short, but not before what is paid.
      if (id.startsWith("contribution"))
        expect(failed(await verified({ ...without(id), truncated: true }))).not.toEqual([]);
    }
    const [first, second, ...rest] = lineage.attributions;
    expect(failed(await verified({ ...lineage, attributions: [first!, first!, ...rest] }))).not.toEqual([]);
    expect(failed(await verified({ ...lineage, attributions: [second!, first!, ...rest] }))).toEqual([]);
    const rewards = [...lineage.root.rewards, lineage.root.rewards[0]!];
    expect(failed(await verified({ ...lineage, root: { ...lineage.root, rewards } }))).toEqual(["payments"]);
    const stranger = entities(lineageOf(2), "Contribution")[0]!;
    const nodes = [...lineage.nodes, { id: "contribution:9", entity: { ...stranger, id: "9" } }];
    expect(failed(await verified({ ...lineage, nodes }))).toEqual(["graph", "contribution 9"]);
  });

  it("that answers another output's record under this id is caught", async () => {
    const [one, two] = [lineageOf(1), lineageOf(2)];
    expect(failed(await verified({ ...two, root: { ...two.root, id: one.root.id } }))).toEqual(["inference"]);
  });
});

/** Replays what was recorded, with a lie in what `method` answers. */
const lying =
  (method: string, lie: (answer: never, params: readonly unknown[]) => unknown): Ask =>
  async (asked, params) => {
    const answer = await remembering(asked, params);
    return asked === method ? lie(answer as never, params) : answer;
  };

/** A block whose first payment is another, with receipts and header that agree with it. */
function forgedPayment(number: bigint) {
  const block = world.chain.block(number)!;
  const amount = 10n ** 18n;
  const receipts = structuredClone(block.receipts);
  // RewardAccrued: source, weight, amount.
  receipts[0]!.logs[0]!.data.set(bigIntToFixed(amount, 32), 64);
  const header = { ...block.header, receiptsRoot: orderedRoot(receipts.map(encodeReceipt)) };
  const raw = {
    block: bytesToHex(encodeBlock({ header, transactions: block.transactions })),
    receipts: bytesToHex(encodeReceipts(receipts)),
  };
  return { amount: String(amount), raw };
}

const flip = (hex: string, at: number): string => {
  const place = 2 + (at % (hex.length - 2));
  return hex.slice(0, place) + (hex[place] === "0" ? "1" : "0") + hex.slice(place + 1);
};

describe("a JSON-RPC server that lies", () => {
  const certified = (answer: { header: Hex; certificate: Hex }) => answer;

  it.each([
    [
      "a state root in the certified header",
      "openledger_getCertificate",
      (a: never) => ({ ...certified(a), header: flip(certified(a).header, 200) }),
    ],
    [
      "a certificate without a signer",
      "openledger_getCertificate",
      (a: never) => ({ ...certified(a), certificate: flip(certified(a).certificate, 119) }),
    ],
    [
      "a certificate of its own signature",
      "openledger_getCertificate",
      (a: never) => ({ ...certified(a), certificate: flip(certified(a).certificate, 200) }),
    ],
    ["no certificate", "openledger_getCertificate", () => null],
    ["no object at all", "openledger_getCertificate", () => 7],
    ["no ends of epochs", "openledger_getEpochEnds", () => []],
    ["an older epoch's end", "openledger_getEpochEnds", (a: string[]) => [a[0], a[0]]],
    ["more ends than asked for", "openledger_getEpochEnds", (a: string[]) => [...a, ...a]],
  ] as const)("%s proves nothing", async (_what, method, lie) => {
    const checks = await verified(lineageOf(1), { ask: lying(method, lie as never) });
    expect(failed(checks)).toHaveLength(1);
    expect(checks.at(-1)?.ok).toBe(false);
  });

  it("signatures of another set, or of less than two thirds, certify nothing", async () => {
    const number = Number(lineageOf(1).asOf.number);
    const target = [number, number + 1, number + 2].find((n) => n % 3 === 0 || (n + 1) % 8 === 0)!;
    const block = world.chain.hashAt(BigInt(target))!;
    for (const signers of [
      [1, 2],
      [1, 2, 0],
    ]) {
      const certificate = bytesToHex(world.certificate(target, block, { signers }));
      const ask = lying("openledger_getCertificate", (answer) => ({ ...certified(answer), certificate }));
      expect(failed(await verified(lineageOf(1), { ask }))).toEqual(["certificate"]);
    }
  });

  it("a notarization is no end, and whoever is in no set ends nothing", async () => {
    const asOf = Number(lineageOf(1).asOf.number);
    const block = world.chain.hashAt(BigInt(asOf))!;
    for (const forged of [{ kind: KIND.notarize }, { members: [4, 5] }]) {
      const certificate = bytesToHex(world.certificate(asOf, block, forged));
      const ask = lying("openledger_getCertificate", () => ({
        header: bytesToHex(encodeHeader(world.chain.block(BigInt(asOf))!.header)),
        certificate,
      }));
      expect(failed(await verified(lineageOf(1), { ask }))).toEqual(["certificate"]);
    }
  });

  it("a trusted block's own validators follow it, and no others", async () => {
    const asOf = Number(lineageOf(1).asOf.number);
    const last = BigInt(asOf - (asOf % 8) - 1);
    const checkpoint = bytesToHex(world.chain.hashAt(last)!);
    const members = [4, 5];
    const certificate = bytesToHex(world.certificate(asOf, world.chain.hashAt(BigInt(asOf))!, { members }));
    const end = encodeEpochEnd(
      encodeHeader(world.chain.block(last)!.header),
      world.chain.certificate(last)!,
      validatorsOf(...members),
    );
    const ask: Ask = async (method, params) => {
      if (method === "openledger_getEpochEnds") return [bytesToHex(end)];
      if (method !== "openledger_getCertificate") return remembering(method, params);
      return { header: bytesToHex(encodeHeader(world.chain.block(BigInt(asOf))!.header)), certificate };
    };
    const [first] = await verified(lineageOf(1), { ask, checkpoint });
    expect(first).toMatchObject({ ok: false, detail: "the checkpoint names other validators" });
  });

  it("cannot make up a block, from the start or the second time, though GraphQL says the same", async () => {
    const lineage = lineageOf(1);
    const number = BigInt(lineage.root.closed!.block.number);
    const forged = forgedPayment(number);
    const rewards = lineage.root.rewards.map((reward, i) => (i === 0 ? { ...reward, amount: forged.amount } : reward));
    for (const honest of [0, 1]) {
      let asked = 0;
      const ask = lying("openledger_getRawBlock", ((answer: unknown, [selector]: readonly unknown[]) =>
        selector === `0x${number.toString(16)}` && asked++ >= honest ? forged.raw : answer) as never);
      const checks = await verified({ ...lineage, root: { ...lineage.root, rewards } }, { ask });
      const wrong = checks.find(({ ok }) => !ok);
      expect(wrong?.detail).toMatch(new RegExp(`^JSON-RPC sent 0x[0-9a-f]{64} as block ${number}, which is 0x`));
    }
  });

  it("another network's validators are not this one's", async () => {
    const other = await LineageWorld.open();
    await other.idle(3);
    const checks = await verified(lineageOf(1), { ask: other.ask });
    expect(checks).toEqual([
      { name: "validators", ok: false, detail: expect.stringMatching(/^JSON-RPC does not show/) },
    ]);
    const genesis = { ...world.genesis, timestamp: 1n };
    const trust = { genesis, checkpoint: undefined };
    const {
      checks: [first],
    } = await verify(lineageOf(1), {
      ask: remembering,
      trust,
      output: undefined,
      stores: [],
      onCheck() {},
    });
    expect(first).toMatchObject({ ok: false, detail: expect.stringMatching(/^the chain begins with 0x/) });
    await other.close();
  });

  it("a proof of state that was altered, cut or exchanged is none", async () => {
    type Proof = { accountProof: Hex[]; storageProof: { key: Hex; value: Hex; proof: Hex[] }[] };
    const lies: ((answer: Proof) => unknown)[] = [
      (a) => ({ ...a, accountProof: a.accountProof.slice(1) }),
      (a) => ({ ...a, accountProof: [...a.accountProof.slice(0, -1), flip(a.accountProof.at(-1)!, 90)] }),
      (a) => ({ ...a, storageProof: a.storageProof.map((one) => ({ ...one, proof: [] })) }),
      (a) => ({
        ...a,
        storageProof: a.storageProof.map(({ proof, ...one }) => ({
          ...one,
          proof: proof.map((node) => flip(node, 70)),
        })),
      }),
      (a) => ({ ...a, storageProof: a.storageProof.toReversed() }),
      (a) => ({ ...a, storageProof: [] }),
      () => null,
      () => ({ accountProof: "0x", storageProof: 1 }),
    ];
    for (const lie of lies) {
      const checks = await verified(lineageOf(1), { ask: lying("eth_getProof", lie as never) });
      expect(failed(checks)).not.toEqual([]);
    }
    // What a server says of the value beside the proof is not looked at.
    const beside = lying("eth_getProof", ((a: Proof) => ({
      ...a,
      storageProof: a.storageProof.map((one) => ({ ...one, value: "0x0" })),
    })) as never);
    expect(failed(await verified(lineageOf(1), { ask: beside }))).toEqual([]);
  });

  it("receipts and transactions are those of the header, or nothing", async () => {
    const { committed, closed } = lineageOf(1).root;
    const at = (number: string) => `0x${BigInt(number).toString(16)}`;
    type Raw = { block: Hex; receipts: Hex };
    for (const [place, part, check] of [
      [closed, "receipts", "inference"],
      [committed, "block", "answer"],
    ] as const) {
      const lie = (answer: Raw, [selector]: readonly unknown[]) =>
        selector === at(place!.block.number)
          ? { ...answer, [part]: flip(answer[part], answer[part].length - 60) }
          : answer;
      expect(failed(await verified(lineageOf(1), { ask: lying("openledger_getRawBlock", lie as never) }))).toContain(
        check,
      );
    }
  });

  it("a digit changed in any answer changes nothing that holds", async () => {
    const truth = await verified(lineageOf(1));
    const keys = [...recorded.keys()];
    const texts = (value: unknown): string[] =>
      typeof value === "string"
        ? [value]
        : typeof value === "object" && value !== null
          ? Object.values(value).flatMap(texts)
          : [];
    const replaced = (value: unknown, from: string, to: string): unknown =>
      value === from
        ? to
        : Array.isArray(value)
          ? value.map((item) => replaced(item, from, to))
          : typeof value === "object" && value !== null
            ? Object.fromEntries(Object.entries(value).map(([key, item]) => [key, replaced(item, from, to)]))
            : value;
    await fc.assert(
      fc.asyncProperty(fc.nat(keys.length - 1), fc.nat(), fc.nat(), async (which, text, digit) => {
        const ask: Ask = async (method, params) => {
          const answer = await remembering(method, params);
          const strings = texts(answer).filter((one) => one.length > 2);
          if (`${method} ${JSON.stringify(params)}` !== keys[which] || strings.length === 0) return answer;
          const chosen = strings[text % strings.length]!;
          return replaced(answer, chosen, flip(chosen, digit));
        };
        const checks = await verified(lineageOf(1), { ask });
        for (const check of checks) if (check.ok) expect(truth).toContainEqual(check);
      }),
      { numRuns: 25 },
    );
  });

  it("that fails in the middle fails the checks it was asked for, not the program", async () => {
    let left = 12;
    const ask: Ask = async (method, params) => {
      if (left-- <= 0) throw new Error("connection reset");
      return remembering(method, params);
    };
    const checks = await verified(lineageOf(1), { ask });
    expect(checks.at(-1)).toMatchObject({ ok: false, detail: "connection reset" });
  });
});
