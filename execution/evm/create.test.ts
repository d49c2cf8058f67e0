import { Address } from "@ethereumjs/util";
import { expect, test } from "vitest";
import { bytesToHex, hexToBytes } from "../../core/bytes.ts";
import { createCommon } from "../common.ts";
import { LayerStateManager } from "../state/ethereumjs-adapter.ts";
import { OverlayLayer } from "../state/layer.ts";
import { CONTRACTS, loadGenesis } from "../testing/world.ts";
import { createHost } from "./host.ts";

const word = (value: number) => value.toString(16).padStart(64, "0");

/** CREATE, or CREATE2 with salt 0, of init code 0xef00; then returns the gas that is left and what it made. */
test.each([
  ["CREATE", "0x61ef005f526002601e5ff05f525a60205260405ff3", 0x2d7],
  ["CREATE2", "0x61ef005f525f6002601e5ff55f525a60205260405ff3", 0x2d6],
] as const)(
  "%s runs init code 0xef00, which burns what it was given, as anvil has it",
  async (_name, code, gasLeft) => {
    for (const stockLoop of [false, true]) {
      const layer = new OverlayLayer();
      loadGenesis(layer, [{ address: CONTRACTS[0]!, nonce: 1n, balance: 0n, code: hexToBytes(code), storage: [] }]);
      const common = createCommon({ chainId: 1n, hardfork: "osaka" });
      const host = createHost({ common, stateManager: new LayerStateManager(layer), precompiles: [], stockLoop });
      const { execResult } = await host.runCall({ to: new Address(CONTRACTS[0]!), gasLimit: 79_000n });
      expect(bytesToHex(execResult.returnValue)).toBe(`0x${word(0)}${word(gasLeft)}`);
    }
  },
);
