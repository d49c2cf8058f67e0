import { Address, bigIntToBytes } from "@ethereumjs/util";
import { expect, test } from "vitest";
import { bytesToBigInt, padTo32, ZERO_32 } from "../core/bytes.ts";
import { decodeBlock, encodeBlock } from "../execution/block/block-codec.ts";
import { openStateDatabase } from "../execution/state/database.ts";
import { memoryStore } from "../execution/state/memory-store.ts";
import { createOracle } from "../execution/testing/world.ts";
import { genesisAccounts, rulesHash } from "../genesis/builder.ts";
import devnet from "../genesis/networks/devnet.json" with { type: "json" };
import { parseGenesis } from "../genesis/schema.ts";
import { chainRules } from "./chain-rules.ts";
import { buildGenesisBlock } from "./genesis-block.ts";

const GENESIS = parseGenesis(devnet);

test("the state root is the one that ethereumjs computes of the same accounts", async () => {
  const { block } = buildGenesisBlock(GENESIS, memoryStore());
  const accounts = genesisAccounts(GENESIS);
  const bare = accounts.map(({ balanceWei, ...account }) => ({ ...account, balance: balanceWei, storage: [] }));
  const { state } = await createOracle(chainRules(GENESIS), bare);
  for (const { address, storage } of accounts) {
    for (const { slot, value } of storage) {
      await state.putStorage(new Address(address), slot, bigIntToBytes(bytesToBigInt(value)));
    }
  }
  expect(block.header.stateRoot).toEqual(await state.getStateRoot());
});

test("every account is in the state that is staged", () => {
  const store = memoryStore();
  const { block, stageState } = buildGenesisBlock(GENESIS, store);
  expect(store.size).toBe(0);
  stageState(store);
  const { reader } = openStateDatabase({ reader: store, headRoot: block.header.stateRoot }).head;
  for (const { address, balanceWei, nonce, code, storage } of genesisAccounts(GENESIS)) {
    const account = reader.account(address);
    expect(account).toMatchObject({ balance: balanceWei, nonce });
    expect(reader.code(account!.codeHash)).toEqual(code);
    for (const { slot, value } of storage) expect(padTo32(reader.storage(address, slot))).toEqual(value);
  }
});

test("the block follows from the genesis alone, whatever the order of its accounts", () => {
  const { block } = buildGenesisBlock(GENESIS, memoryStore());
  const reversed = { ...GENESIS, alloc: [...GENESIS.alloc].reverse() };
  expect(buildGenesisBlock(reversed, memoryStore()).block).toEqual(block);
  const [first, ...rest] = GENESIS.alloc;
  const richer = { ...GENESIS, alloc: [{ ...first!, balanceWei: first!.balanceWei + 1n }, ...rest] };
  expect(buildGenesisBlock(richer, memoryStore()).block.hash).not.toEqual(block.hash);
  expect(block.header).toMatchObject({
    number: 0n,
    parentHash: ZERO_32,
    timestamp: GENESIS.timestamp,
    gasLimit: GENESIS.gasLimit,
    baseFeePerGas: GENESIS.baseFeeWei,
    gasUsed: 0n,
    extraData: rulesHash(GENESIS),
  });
  const { transactions: _, receipts: __, ...expected } = block;
  expect(decodeBlock(encodeBlock(block), GENESIS.chainId)).toMatchObject({ ok: true, block: expected });
});
