import { crc32 } from "node:zlib";
import { expect, test } from "vitest";
import { hexToBytes } from "../../../core/bytes.ts";
import { PRECOMPILES } from "../../../precompiles/table.ts";
import { FakeChain } from "../testing/fake-chain.ts";
import { setup } from "../testing/setup.ts";
import { ethConfig, ownRules } from "./eth-config.ts";

test.each(["prague", "osaka"] as const)(
  "a chain of our own has one fork, %s's, and its own precompiles",
  async (hardfork) => {
    const chain = new FakeChain();
    const { chainId, genesisHash } = chain;
    const { ask } = setup({ methods: ethConfig(() => ownRules(chain, { chainId, hardfork })) });
    const { current, next, last } = await ask<Record<string, Record<string, unknown> | null>>("eth_config");
    expect([next, last]).toEqual([null, null]);
    const { precompiles, ...rest } = current!;
    expect(rest).toEqual({
      activationTime: 0,
      blobSchedule: null,
      chainId: `0x${chainId.toString(16)}`,
      forkId: `0x${crc32(genesisHash).toString(16).padStart(8, "0")}`,
      systemContracts: {},
    });
    const names = Object.keys(precompiles as object);
    expect(names).toEqual([...names].sort());
    expect(names.includes("P256VERIFY")).toBe(hardfork === "osaka");
    const addresses = Object.values(precompiles as Record<string, `0x${string}`>).map((address) => hexToBytes(address));
    for (const { address } of PRECOMPILES) expect(addresses).toContainEqual(address);
    expect(names).toHaveLength(PRECOMPILES.length + (hardfork === "osaka" ? 18 : 17));
  },
);
