/** Every opcode with stack, memory and storage: the default of debug_trace*, as the execution-apis specification has it. */
import { bytesToBigInt, bytesToHex, padTo32 } from "../../core/bytes.ts";
import type { StateReader } from "../state/types.ts";
import type { TraceBudget } from "./budget.ts";
import { quantity, wordBytes, wordHex } from "./hex.ts";
import { opcodeName } from "./opcodes.ts";
import type { Json, Step, TracedMessage, TracedOutcome, Tracer } from "./types.ts";

export interface StructLoggerConfig {
  readonly enableMemory: boolean;
  readonly disableStack: boolean;
  readonly disableStorage: boolean;
  readonly enableReturnData: boolean;
  /** Steps that are kept, 0 for all; the rest runs unrecorded. */
  readonly limit: number;
}

const SLOAD = 0x54;
const SSTORE = 0x55;
const REVERTED = "execution reverted";
/** Of a step in JSON without its lists: names, punctuation, numbers. */
const STEP_BYTES = 80;
const WORD_BYTES = 69;
const SLOT_BYTES = 138;

export class StructLogger implements Tracer {
  readonly #config: StructLoggerConfig;
  readonly #budget: TraceBudget;
  readonly #steps: Json[] = [];
  /** By account: every slot that its code has read or written so far. */
  readonly #storage = new Map<string, Record<string, string>>();
  #state: StateReader | undefined;
  #outcome: TracedOutcome | undefined;
  /** Of the step before: most words stay. */
  #words: readonly bigint[] = [];
  #wordHexes: readonly string[] = [];

  constructor(config: StructLoggerConfig, budget: TraceBudget) {
    this.#config = config;
    this.#budget = budget;
  }

  start(_message: TracedMessage, state: StateReader): void {
    this.#state = state;
  }

  step(step: Step): void {
    const { limit, disableStack, enableReturnData, enableMemory, disableStorage } = this.#config;
    if (limit !== 0 && this.#steps.length >= limit) return;
    this.#budget.spend(STEP_BYTES);
    this.#steps.push({
      pc: step.pc,
      op: opcodeName(step.op),
      gas: Number(step.gas),
      gasCost: Number(step.cost),
      depth: step.depth,
      ...(step.error !== undefined && { error: step.error }),
      ...(!disableStack && { stack: this.#stackOf(step) }),
      ...(enableReturnData && step.returnData.length > 0 && { returnData: this.#hex(step.returnData) }),
      ...(enableMemory && this.#memoryOf(step)),
      ...(!disableStorage && this.#storageOf(step)),
      ...(step.refund !== 0n && { refund: Number(step.refund) }),
    });
  }

  #stackOf(step: Step): Json {
    const words = step.stack();
    const hexes: string[] = [];
    let bytes = 0;
    for (const [index, word] of words.entries()) {
      const hex = word === this.#words[index] ? this.#wordHexes[index]! : quantity(word);
      bytes += hex.length + 3;
      hexes.push(hex);
    }
    this.#budget.spend(bytes);
    this.#words = words;
    this.#wordHexes = hexes;
    return hexes;
  }

  #memoryOf(step: Step): { readonly memory?: Json } {
    const memory = step.memory();
    if (memory.length === 0) return {};
    const words: string[] = [];
    this.#budget.spend((memory.length / 32) * WORD_BYTES);
    for (let at = 0; at < memory.length; at += 32) words.push(bytesToHex(memory.subarray(at, at + 32)));
    return { memory: words };
  }

  /** The account's slots so far, this one included: what a read finds, what a write leaves. */
  #storageOf(step: Step): { readonly storage?: Json } {
    const isRead = step.op === SLOAD;
    if (!(isRead || step.op === SSTORE) || step.stackSize < (isRead ? 1 : 2)) return {};
    const slot = wordHex(step.peek(0));
    const account = bytesToHex(step.address);
    const value = isRead
      ? bytesToBigInt(padTo32(this.#state!.storage(step.address, wordBytes(step.peek(0)))))
      : step.peek(1);
    const slots = { ...this.#storage.get(account), [slot]: wordHex(value) };
    this.#budget.spend(Object.keys(slots).length * SLOT_BYTES);
    this.#storage.set(account, slots);
    return { storage: slots };
  }

  #hex(data: Uint8Array): string {
    this.#budget.spendHex(data);
    return bytesToHex(data);
  }

  end(outcome: TracedOutcome): void {
    this.#outcome = outcome;
  }

  result(): Json {
    const { gasUsed, output, error } = this.#outcome!;
    return {
      gas: Number(gasUsed),
      failed: error !== undefined,
      returnValue: error === undefined || error === REVERTED ? this.#hex(output) : "0x",
      structLogs: this.#steps,
    };
  }
}
