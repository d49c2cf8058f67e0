/**
 * Moved wei as logs: Transfer(address,address,uint256) of 0xeeee..ee, as eth_simulateV1 has them. Gas, fees and what
 * native code credits are no messages, so they are not among them.
 */
import { bigIntToFixed, hexToBytes, padTo32 } from "../../core/bytes.ts";
import type { Log } from "../../core/chain.ts";
import type { FrameEntry, FrameExit, Tracer } from "../trace/types.ts";

const EMITTER = hexToBytes("0xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee");
/** keccak256("Transfer(address,address,uint256)"). */
const TRANSFER = hexToBytes("0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");

/** Follows one message after the other. */
export class TransferLogs implements Tracer {
  /** Of the open frames, the outermost first; below them what is finished. */
  #frames: Log[][] = [[]];

  enter({ type, from, to, value }: FrameEntry): void {
    // Borrowed code moves nothing to the account that lends it.
    const moves = value !== undefined && value > 0n && type !== "DELEGATECALL" && type !== "CALLCODE";
    this.#frames.push(moves ? [transferLog(from, to, value)] : []);
  }

  log({ address, topics, data }: Log): void {
    this.#frames.at(-1)!.push({ address: address.slice(), topics: topics.map((t) => t.slice()), data: data.slice() });
  }

  exit({ error }: FrameExit): void {
    const logs = this.#frames.pop()!;
    if (error === undefined) for (const log of logs) this.#frames.at(-1)!.push(log);
  }

  result(): null {
    return null;
  }

  /** Logs of the message that has ended; forgets them. */
  take(): readonly Log[] {
    const [logs] = this.#frames;
    this.#frames = [[]];
    return logs!;
  }
}

const transferLog = (from: Uint8Array, to: Uint8Array, value: bigint): Log => ({
  address: EMITTER,
  topics: [TRANSFER, padTo32(from), padTo32(to)],
  data: bigIntToFixed(value, 32),
});
