/** An imported chain: from files to a data directory. */
import { readFileSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { beforeAll, describe, expect, test } from "vitest";
import { concatBytes } from "../../core/bytes.ts";
import { LAST_BLOCK, type MadeChain, makeForeignChain } from "../../execution/testing/foreign-chain.ts";
import { openDataDirectory } from "../data-directory.ts";
import { importForeign } from "../db-cli/import.ts";
import { DataError, OperationError, UsageError } from "../errors.ts";
import { ForeignChain } from "./chain.ts";
import { isForeignDirectory, readMarker } from "./directory.ts";
import { Imports } from "./testing/imports.ts";

const imports = new Imports();
const at = (name: string) => imports.at(name);
let made: MadeChain;
beforeAll(async () => {
  made = await makeForeignChain(7);
  imports.write("chain", made);
});

const head = async (datadir: string) => {
  const directory = await openDataDirectory(datadir, false);
  try {
    return (await ForeignChain.open(directory.store, readMarker(datadir))).head;
  } finally {
    await directory.close();
  }
};

describe("openledger import", () => {
  test("makes a chain of a genesis file and blocks, compressed or not", async () => {
    writeFileSync(at("chain.rlp.gz"), gzipSync(readFileSync(at("chain.rlp"))));
    expect(isForeignDirectory(at("zipped"))).toBe(false);
    expect(await imports.run("zipped", "--genesis", at("chain.json"), "--blocks", at("chain.rlp.gz"))).toBe(0);
    expect(isForeignDirectory(at("zipped"))).toBe(true);
    expect((await head(at("zipped"))).number).toBe(LAST_BLOCK);
  });

  test("that was interrupted goes on where it ended, and says when nothing is left", async () => {
    expect(await imports.run("twice", "--genesis", at("chain.json"), "--blocks", at("chain.rlp"))).toBe(0);
    const directory = await openDataDirectory(at("interrupted"), false);
    const chain = await ForeignChain.open(directory.store, readMarker(at("twice")));
    let blocks = 0;
    const stopping = { isStopping: () => blocks === 10, onBlock: () => void blocks++ };
    expect(await importForeign(chain, at("chain.rlp"), stopping)).toMatchObject({ added: 10, isInterrupted: true });
    const goOn = { isStopping: () => false, onBlock() {} };
    const all = Number(LAST_BLOCK);
    expect(await importForeign(chain, at("chain.rlp"), goOn)).toMatchObject({ known: 10, added: all - 10 });
    expect(await importForeign(chain, at("chain.rlp"), goOn)).toMatchObject({ known: all, added: 0 });
    expect(chain.head).toEqual(await head(at("twice")));
    await directory.close();
  });

  test("of a file that is cut off or goes wrong keeps what was valid", async () => {
    const blocks = made.blocks.slice(0, 20);
    writeFileSync(at("cut.rlp"), concatBytes(...blocks).slice(0, -7));
    await expect(imports.run("cut", at("cut.rlp"), "--genesis", at("chain.json"))).rejects.toThrow(
      /cut\.rlp ends within a block, \d+ bytes after byte \d+/,
    );
    expect((await head(at("cut"))).number).toBe(19n);
    const wrong = Uint8Array.from(blocks[19]!);
    wrong[wrong.length - 1]! ^= 1; // of the last transaction's signature, or the end of a list
    writeFileSync(at("wrong.rlp"), concatBytes(...blocks.slice(0, 19), wrong));
    await expect(imports.run("cut", at("wrong.rlp"))).rejects.toThrow(OperationError);
    expect((await head(at("cut"))).number).toBe(19n);
    // And the rest comes as if nothing had been.
    expect(await imports.run("cut", at("chain.rlp"))).toBe(0);
    expect((await head(at("cut"))).number).toBe(LAST_BLOCK);
  });

  test("refuses what does not belong together, and says what to do", async () => {
    await imports.run("first", at("cut.rlp"), "--genesis", at("chain.json")).catch(() => {});
    const other = JSON.parse(made.genesis);
    writeFileSync(at("forked.json"), JSON.stringify({ ...other, config: { ...other.config, londonBlock: 23 } }));
    const forked = imports.run("first", at("chain.rlp"), "--genesis", at("forked.json"));
    await expect(forked).rejects.toThrow(DataError);
    await expect(forked).rejects.toThrow(/another genesis.*--datadir/);
    const elsewhere = await makeForeignChain(8);
    writeFileSync(at("elsewhere.rlp"), concatBytes(...elsewhere.blocks));
    await expect(imports.run("first", at("elsewhere.rlp"))).rejects.toThrow(
      /is of another chain: it has 0x.* as block 1/,
    );
    writeFileSync(at("text.rlp"), "blocks");
    await expect(imports.run("first", at("text.rlp"))).rejects.toThrow(/is no file of RLP blocks/);
    writeFileSync(at("huge.rlp"), Uint8Array.of(0xfb, 0xff, 0xff, 0xff, 0xff));
    await expect(imports.run("first", at("huge.rlp"))).rejects.toThrow(/item of 4294967295 bytes/);
    await expect(imports.run("first")).rejects.toThrow(UsageError);
    await expect(imports.run("none", at("chain.rlp"), "--genesis", at("missing.json"))).rejects.toThrow(OperationError);
  });
});
