/** eth_config over imported chains (EIP-7910), with fork ids of mainnet's forks (EIP-2124). */
import { Mainnet } from "@ethereumjs/common";
import { expect, test } from "vitest";
import { hexToBytes } from "../../core/bytes.ts";
import { Forks } from "../../execution/foreign/forks.ts";
import { buildForeignGenesis, parseForeignGenesis, parseJson } from "../../execution/foreign/genesis.ts";
import { memoryStore } from "../../execution/state/memory-store.ts";
import { plannedRules } from "./planned-rules.ts";

const MAINNET_HASH = hexToBytes("0xd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3");
const KEYS: Readonly<Record<string, string>> = {
  homestead: "homesteadBlock",
  dao: "daoForkBlock",
  tangerineWhistle: "eip150Block",
  spuriousDragon: "eip158Block",
  byzantium: "byzantiumBlock",
  constantinople: "constantinopleBlock",
  petersburg: "petersburgBlock",
  istanbul: "istanbulBlock",
  muirGlacier: "muirGlacierBlock",
  berlin: "berlinBlock",
  london: "londonBlock",
  arrowGlacier: "arrowGlacierBlock",
  grayGlacier: "grayGlacierBlock",
};

/** Mainnet's schedule as geth's genesis file has it. */
function mainnet() {
  const forks = Mainnet.hardforks.filter(({ name }) => KEYS[name] !== undefined);
  const blocks = Object.fromEntries(forks.map(({ name, block }) => [KEYS[name], block]));
  const times = Mainnet.hardforks
    .filter(({ timestamp }) => timestamp !== undefined)
    .map(({ name, timestamp }) => [`${name}Time`, Number(timestamp)]);
  const config = { chainId: 1, ...blocks, eip155Block: blocks.eip158Block, ...Object.fromEntries(times), ethash: {} };
  const genesis = parseForeignGenesis(parseJson(JSON.stringify({ config, alloc: {} })));
  const chain = new Forks(genesis.schedule);
  return { forks: chain, header: buildForeignGenesis(genesis, chain, memoryStore()).block.header };
}

test("fork ids are those of EIP-2124 and of mainnet's forks since", () => {
  const { forks, header } = mainnet();
  const idAt = (number: bigint, timestamp: bigint) => {
    const difficulty = timestamp > 0n ? 0n : 1n;
    return plannedRules(forks, { hash: MAINNET_HASH, timestamp: 0n }, { ...header, number, timestamp, difficulty })
      .current.forkId;
  };
  const ids = [
    [0n, 0n, "0xfc64ec04"],
    [1_149_999n, 0n, "0xfc64ec04"],
    [1_150_000n, 0n, "0x97c2c34c"],
    [1_920_000n, 0n, "0x91d1f948"],
    [2_463_000n, 0n, "0x7a64da13"],
    [2_675_000n, 0n, "0x3edd5b10"],
    [4_370_000n, 0n, "0xa00bc324"],
    [7_280_000n, 0n, "0x668db0af"],
    [9_069_000n, 0n, "0x879d6e30"],
    [9_200_000n, 0n, "0xe029e991"],
    [12_244_000n, 0n, "0x0eb440f6"],
    [12_965_000n, 0n, "0xb715077d"],
    [13_773_000n, 0n, "0x20c327fc"],
    [15_050_000n, 0n, "0xf0afd0e3"],
    [17_034_870n, 1_681_338_455n, "0xdce96c2d"],
    [19_426_587n, 1_710_338_135n, "0x9f3d2254"],
    [22_431_084n, 1_746_612_311n, "0xc376cf8b"],
  ] as const;
  for (const [number, timestamp, id] of ids) expect([number, idAt(number, timestamp)]).toEqual([number, id]);
});

test("the next fork by time and the last one are told with their blobs, precompiles and contracts", () => {
  const { forks, header } = mainnet();
  const head = { ...header, number: 19_500_000n, timestamp: 1_720_000_000n, difficulty: 0n };
  const { current, next, last } = plannedRules(forks, { hash: MAINNET_HASH, timestamp: 0n }, head);
  expect(current).toMatchObject({ activationTime: 1_710_338_135n, forkId: "0x9f3d2254" });
  expect(current.blobs).toEqual({ target: 3n, max: 6n, baseFeeUpdateFraction: 3_338_477n });
  expect([...current.precompiles.keys()].at(-1)).toBe("KZG_POINT_EVALUATION");
  expect([...current.systemContracts.keys()]).toEqual(["BEACON_ROOTS_ADDRESS"]);
  expect(next).toMatchObject({ activationTime: 1_746_612_311n, forkId: "0xc376cf8b" });
  expect(next!.blobs).toEqual({ target: 6n, max: 9n, baseFeeUpdateFraction: 5_007_716n });
  expect(next!.systemContracts.get("DEPOSIT_CONTRACT_ADDRESS")).toEqual(
    hexToBytes("0x00000000219ab540356cbb839cbe05303d7705fa"),
  );
  expect(last!.activationTime).toBeGreaterThanOrEqual(next!.activationTime);
  // After the last one nothing is planned.
  const after = plannedRules(forks, { hash: MAINNET_HASH, timestamp: 0n }, { ...head, timestamp: 10n ** 12n });
  expect([after.next, after.last]).toEqual([undefined, undefined]);
  expect(after.current).toEqual(last);
});
