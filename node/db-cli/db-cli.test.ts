/** Chain databases checked, rolled back, exported and imported. */
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { bigIntToFixed, bytesToHex, concatBytes, EMPTY_BYTES } from "../../core/bytes.ts";
import { rlpEncode } from "../../core/rlp.ts";
import { parseForeignGenesis, parseJson } from "../../execution/foreign/genesis.ts";
import { LAST_BLOCK, makeForeignChain } from "../../execution/testing/foreign-chain.ts";
import { SENDERS } from "../../execution/testing/world.ts";
import { DataError, OperationError, UsageError } from "../errors.ts";
import { ForeignChain } from "../foreign/chain.ts";
import { summed } from "../l1/l1-store.ts";
import { CERTIFIED_GENESIS, certify, extendCertified, openCertified } from "../testing/certified-chain.ts";
import { FakeStore } from "../testing/world.ts";
import { type FileItem, readItems } from "./blocks-file.ts";
import { exportBlocks, rangeOf } from "./export-blocks.ts";
import { importForeign, importOwn } from "./import.ts";
import { certificateRules } from "./import-cli.ts";
import type { Database } from "./open.ts";
import { rollBack } from "./rollback.ts";
import { verifyDatabase } from "./verify.ts";
import { partsOf } from "./verify-cli.ts";

const HEAD = 14n;
let whole: FakeStore;
let folder: string;
const at = (name: string) => join(folder, name);
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "db-"));
  whole = new FakeStore();
  await extendCertified(await openCertified(whole), Number(HEAD));
});

const database = (store: FakeStore, path = folder): Database & { kind: "own" } => ({
  kind: "own",
  genesis: CERTIFIED_GENESIS,
  directory: { path, store, index: "", content: "", answers: "", close: async () => {} },
});

async function failures(of: Database, samples = 100): Promise<Record<string, readonly string[]>> {
  const failed: Record<string, readonly string[]> = {};
  for await (const result of verifyDatabase({ ...partsOf(of), samples })) {
    if (result.failed > 0) failed[result.name] = result.failures;
  }
  return failed;
}

const contents = (store: FakeStore) =>
  [...store.memory.iterate(EMPTY_BYTES, Uint8Array.of(0xff))].map(([key, value]) => [
    bytesToHex(key),
    bytesToHex(value),
  ]);
/** Without trie nodes, code and keys, which stay for ever. */
const tables = (store: FakeStore) => contents(store).filter(([key]) => !/^0x0[345]/.test(key!));

const GO_ON = { isStopping: () => false, onBlock() {} };
const importing = async (store: FakeStore, file: string) => {
  const chain = await openCertified(store);
  return importOwn(chain, file, certificateRules(chain, CERTIFIED_GENESIS), GO_ON);
};

describe("verify-db", () => {
  test("finds nothing wrong with a whole chain, and has something to compare in each check", async () => {
    const results = [];
    for await (const result of verifyDatabase({ ...partsOf(database(whole)), samples: 100 })) results.push(result);
    expect(results.filter(({ failed }) => failed > 0)).toEqual([]);
    expect(results.map(({ name }) => name)).toHaveLength(6);
    for (const { name, compared } of results) expect([name, compared > 0]).toEqual([name, true]);
  });

  test("property: a byte changed anywhere is noticed, and so is an entry that is gone", async () => {
    const keys = contents(whole).map(([key]) => key!);
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...keys),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        fc.boolean(),
        async (hex, place, change, isGone) => {
          const store = whole.copy();
          const key = Buffer.from(hex.slice(2), "hex");
          const value = Uint8Array.from(store.memory.get(key)!);
          if (isGone) store.memory.del(key);
          else {
            value[place % value.length]! ^= change;
            store.memory.put(key, value);
          }
          const noticed = await failures(database(store)).catch((error: unknown) => {
            expect(error).toBeInstanceOf(DataError);
            return { opening: [(error as Error).message] };
          });
          // A certificate that is gone is not missed: not every block has one.
          if (isGone && hex.startsWith("0x16")) return;
          expect([hex, Object.keys(noticed).length > 0]).toEqual([hex, true]);
        },
      ),
      { numRuns: 150 },
    );
  }, 60_000);

  test("a forged certificate and a foreign validator set are told with their block", async () => {
    const store = whole.copy();
    const other = whole.copy();
    const [victim] = contents(store).filter(([key]) => key!.startsWith("0x16"));
    const chain = await openCertified(other);
    await extendCertified(chain, 2);
    const [, newest] = contents(other)
      .filter(([key]) => key!.startsWith("0x16"))
      .at(-1)!;
    store.memory.put(Buffer.from(victim![0]!.slice(2), "hex"), Buffer.from(newest!.slice(2), "hex"));
    expect(await failures(database(store))).toEqual({
      certificates: ["block 2: its certificate does not finalize it"],
    });
  });
});

describe("rollback", () => {
  test("property: leaves what a chain of so many blocks has, and the chain grows on from there", async () => {
    await fc.assert(
      fc.asyncProperty(fc.bigInt({ min: 0n, max: HEAD - 1n }), async (to) => {
        const store = whole.copy();
        expect(await rollBack(database(store), to, false)).toMatchObject({ from: HEAD });
        const fresh = new FakeStore();
        await extendCertified(await openCertified(fresh), Number(to));
        expect(tables(store)).toEqual(tables(fresh));
        expect(await failures(database(store))).toEqual({});
        const [again, first] = [await openCertified(store), await openCertified(fresh)];
        await extendCertified(again, 5, 1);
        await extendCertified(first, 5, 1);
        expect(again.head).toEqual(first.head);
        expect(tables(store)).toEqual(tables(fresh));
        expect(await failures(database(store))).toEqual({});
      }),
      { numRuns: 6 },
    );
  }, 60_000);

  test("is one write", async () => {
    const store = whole.copy();
    store.beforeWrite = () => Promise.reject(new Error("disk full"));
    await expect(rollBack(database(store), 3n, false)).rejects.toThrow("disk full");
    expect(contents(store)).toEqual(contents(whole));
    store.beforeWrite = async () => {};
    await rollBack(database(store), 3n, false);
    expect(store.writes).toBe(2);
  });

  test("refuses what is not there, what a validator signed above, and what is final on L1, and says why", async () => {
    const store = whole.copy();
    await expect(rollBack(database(store), HEAD, false)).rejects.toThrow(UsageError);
    const validators = mkdtempSync(join(tmpdir(), "validator-"));
    writeFileSync(join(validators, "validator"), "");
    const refused = rollBack(database(store, validators), 3n, false);
    await expect(refused).rejects.toThrow(OperationError);
    await expect(refused).rejects.toThrow(/key has signed blocks above 3.*--force/s);
    expect(contents(store)).toEqual(contents(whole));
    expect(await rollBack(database(store, validators), 3n, true)).toMatchObject({ from: HEAD });

    const l1 = whole.copy();
    l1.memory.put(Uint8Array.of(0x22), summed(concatBytes(bigIntToFixed(9n, 8), bigIntToFixed(255n, 8))));
    await expect(rollBack(database(l1), 8n, true)).rejects.toThrow(/blocks up to 9 are final on L1.*derive/);
    expect(await rollBack(database(l1), 9n, false)).toMatchObject({ from: HEAD });
  });

  test("from a block whose state is damaged says so and changes nothing", async () => {
    const store = whole.copy();
    const chain = await openCertified(whole.copy());
    const root = chain.block(3n)!.header.stateRoot;
    store.memory.del(concatBytes(Uint8Array.of(3), root));
    const before = contents(store);
    await expect(rollBack(database(store), 3n, false)).rejects.toThrow(/state to roll back to is not whole/);
    expect(contents(store)).toEqual(before);
  });
});

describe("export blocks and import", () => {
  const itemsOf = async (name: string): Promise<FileItem[]> => {
    const items = [];
    for await (const item of readItems(at(name))) items.push(item);
    return items;
  };
  const exported = (name: string, store = whole, from?: number, to?: number) =>
    exportBlocks(store.reader, at(name), rangeOf(store.reader, from, to));

  test("what is exported makes the same chain again, certificates included", async () => {
    await exported("all.rlp");
    const store = new FakeStore();
    expect(await importing(store, at("all.rlp"))).toMatchObject({ known: 0, added: Number(HEAD), unfinal: 0 });
    expect(contents(store)).toEqual(contents(whole));
    expect(await importing(store, at("all.rlp"))).toMatchObject({ known: Number(HEAD), added: 0 });
  });

  test("in parts too, whatever the parts are", async () => {
    let part = 0;
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: Number(HEAD) - 1 }), async (border) => {
        const [low, high] = [`low${++part}.rlp`, `high${part}.rlp`];
        await exported(low, whole, undefined, border);
        await exported(high, whole, border, undefined);
        const store = new FakeStore();
        const first = await importing(store, at(low));
        // Blocks whose certificate is in the other part are not final yet.
        expect(first.added + first.unfinal).toBe(border);
        expect(first.unfinal).toBeLessThanOrEqual(1);
        expect((await importing(store, at(high))).head.number).toBe(HEAD);
      }),
      { numRuns: 6 },
    );
  });

  test("an export that was interrupted anywhere goes on where it was", async () => {
    await exported("complete.rlp");
    const bytes = readFileSync(at("complete.rlp"));
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: bytes.length }), fc.boolean(), async (length, isOfAnother) => {
        const name = `resumed${++run}.rlp`;
        const cut = Uint8Array.from(bytes.subarray(0, length));
        if (isOfAnother && length > 0) cut[Math.floor(length / 2)]! ^= 1;
        writeFileSync(at(`${name}.partial`), cut);
        const { resumed } = await exported(name);
        expect(readFileSync(at(name)).equals(bytes)).toBe(true);
        expect(existsSync(at(`${name}.partial`))).toBe(false);
        if (!isOfAnother && length === bytes.length) expect(resumed).toBe(HEAD - 1n);
      }),
      { numRuns: 40 },
    );
    await expect(exported("complete.rlp")).rejects.toThrow(/exists/);
    expect(() => rangeOf(whole.reader, 0, 99)).toThrow(/has blocks 0 to 14/);
  });

  test("only blocks that the right validators finalized are taken, and what came before stays", async () => {
    await exported("good.rlp");
    const items = await itemsOf("good.rlp");
    const chain = await openCertified(whole.copy());
    const replacing = async (number: number, certificate: Uint8Array | undefined) => {
      const changed = items.flatMap(({ bytes, isList }, index) => {
        const blocks = items.slice(0, index + 1).filter((item) => item.isList).length;
        if (isList || blocks !== number) return [bytes];
        return certificate === undefined ? [] : [rlpEncode(certificate)];
      });
      writeFileSync(at("changed.rlp"), concatBytes(...changed));
      const store = new FakeStore();
      const outcome = await importing(store, at("changed.rlp")).catch((error: Error) => error);
      return { outcome, head: (await openCertified(store)).head.number };
    };
    const hash = (number: number) => chain.hashAt(BigInt(number))!;
    const forged = await replacing(10, certify(10, hash(10), [0]));
    expect(String(forged.outcome)).toMatch(/block 10: its certificate is not valid: /);
    expect(forged.head).toBe(8n);
    const another = await replacing(4, certify(4, hash(2)));
    expect(String(another.outcome)).toMatch(/block 4: its certificate does not finalize it/);
    expect(another.head).toBe(3n);
    // Without one of them the next one finalizes both.
    expect(await replacing(6, undefined)).toMatchObject({ head: HEAD });
    expect(await replacing(14, undefined)).toMatchObject({ outcome: { unfinal: 2 }, head: 12n });
  });

  test("what is no certificate between two blocks ends the import with the block before it", async () => {
    await exported("certified.rlp", whole, 1, 6);
    const items = await itemsOf("certified.rlp");
    const [first, ...later] = items.map(({ bytes }) => bytes);
    // A string of one byte below 0x80 is its own encoding: not written so, it is malformed.
    writeFileSync(at("malformed.rlp"), concatBytes(first!, Uint8Array.of(0x81, 0x05), ...later));
    const malformed = importing(new FakeStore(), at("malformed.rlp"));
    await expect(malformed).rejects.toThrow(OperationError);
    await expect(malformed).rejects.toThrow(/malformed\.rlp: what follows block 1 is no certificate: /);
  });

  test("property: a file of blocks gives its items whole, however long they are and wherever it is cut", async () => {
    const lengths = fc.oneof(fc.nat(60), fc.nat(300), fc.integer({ min: 65_000, max: 200_000 }));
    await fc.assert(
      fc.asyncProperty(fc.array(lengths, { minLength: 1, maxLength: 6 }), fc.nat(), async (sizes, cut) => {
        const contents = sizes.map((size) => new Uint8Array(size).fill(0xaa));
        const items = contents.map((content, i) => rlpEncode(i % 2 === 0 ? [content] : content));
        const bytes = concatBytes(...items);
        const length = cut % (bytes.length + 1);
        writeFileSync(at("items.rlp"), bytes.subarray(0, length));
        const ends = items.map((_, i) => concatBytes(...items.slice(0, i + 1)).length);
        const whole = items.filter((_, i) => ends[i]! <= length);
        const read: FileItem[] = [];
        const reading = (async () => {
          for await (const item of readItems(at("items.rlp"))) read.push(item);
        })();
        const wholeBytes = ends[whole.length - 1] ?? 0;
        if (wholeBytes === length) await reading;
        else await expect(reading).rejects.toThrow(`${length - wholeBytes} bytes after byte ${wholeBytes}`);
        expect(read.map((item) => Buffer.from(item.bytes))).toEqual(whole.map((item) => Buffer.from(item)));
        expect(read.map((item) => item.isList)).toEqual(whole.map((_, i) => i % 2 === 0));
      }),
      { numRuns: 60 },
    );
  });

  test("a changed block ends the import with its number and what is wrong", async () => {
    await exported("before.rlp", whole, 1, 6);
    const items = await itemsOf("before.rlp");
    const bytes = Uint8Array.from(items[0]!.bytes);
    bytes[200]! ^= 1;
    writeFileSync(at("wrong.rlp"), concatBytes(bytes, ...items.slice(1).map((item) => item.bytes)));
    const store = new FakeStore();
    await expect(importing(store, at("wrong.rlp"))).rejects.toThrow(/wrong\.rlp: block 1 is invalid: /);
    expect((await openCertified(store)).head.number).toBe(0n);
  });
});

test("an imported chain is checked, rolled back, exported and grows on in the same way", async () => {
  const made = await makeForeignChain(7);
  const genesis = parseForeignGenesis(parseJson(made.genesis));
  writeFileSync(at("foreign.rlp"), concatBytes(...made.blocks));
  const store = new FakeStore();
  await importForeign(await ForeignChain.open(store, genesis), at("foreign.rlp"), GO_ON);
  const foreign = (of: FakeStore): Database => ({ ...database(of), kind: "foreign", genesis });
  expect(await failures(foreign(store))).toEqual({});

  const full = tables(store);
  const reader = (await ForeignChain.open(store, genesis)).state((await ForeignChain.open(store, genesis)).block(9n)!)!;
  const balance = reader.account(SENDERS[0]!)!.balance;
  await rollBack(foreign(store), 9n, false);
  expect(await failures(foreign(store))).toEqual({});
  const back = await ForeignChain.open(store, genesis);
  expect(back.state(back.find({ tag: "latest" })!)!.account(SENDERS[0]!)!.balance).toBe(balance);
  await importForeign(back, at("foreign.rlp"), GO_ON);
  expect(back.head.number).toBe(LAST_BLOCK);
  expect(await failures(foreign(store))).toEqual({});
  // Storage that was dropped on the way lives under another generation now: all else is as it was.
  expect(tables(store).filter(([key]) => /^0x1/.test(key!))).toEqual(full.filter(([key]) => /^0x1/.test(key!)));

  await exportBlocks(store.reader, at("foreign-again.rlp"), rangeOf(store.reader, undefined, undefined));
  expect(readFileSync(at("foreign-again.rlp")).equals(readFileSync(at("foreign.rlp")))).toBe(true);
});
