/** A contract that emits whatever it is told to, for tests that need logs of L1 and not the contracts behind them. */
import { type Address, concat, type Hex } from "viem";
import type { Anvil } from "./anvil.ts";
import { deployContract } from "./anvil.ts";

/** Calldata: four topics, 32 bytes each, then the data of a LOG4. */
const RUNTIME = "0x608036038060805f376060356040356020355f35845fa400";
const INIT = concat(["0x60188060095f395ff3", RUNTIME]);

export const deployEmitter = ({ client }: Anvil): Promise<Address> =>
  deployContract(client, { abi: [], bytecode: INIT });

/** Sends the log; it is in the next block that is mined. */
export const emit = (
  { client }: Anvil,
  to: Address,
  topics: readonly [Hex, Hex, Hex, Hex],
  data: Hex,
  nonce?: number,
): Promise<Hex> => client.sendTransaction({ to, data: concat([...topics, data]), gas: 1_000_000n, nonce });
