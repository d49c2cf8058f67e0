/** What happened in a world: always as a running hash, which two runs of one seed share, and as text on demand. */
import type { ConsensusEffect, ConsensusEvent } from "../../consensus/events.ts";
import { epochOfView, KIND, type Subject, VIEWS_PER_EPOCH } from "../../consensus/types.ts";
import { mix32 } from "./random.ts";
import type { Scheduler } from "./scheduler.ts";

export class Trace {
  readonly #scheduler: Scheduler;
  readonly #print: ((line: string) => void) | undefined;
  #hash = 0;
  #events = 0;

  constructor(scheduler: Scheduler, print: ((line: string) => void) | undefined) {
    this.#scheduler = scheduler;
    this.#print = print;
  }

  get hash(): number {
    return this.#hash;
  }

  /** Events that went into state machines. */
  get events(): number {
    return this.#events;
  }

  note(endpoint: number, what: string, value: number, detail: () => string): void {
    this.#add(this.#scheduler.nowMs);
    this.#add(endpoint);
    this.#add(what.length);
    this.#add(value);
    this.#print?.(`${this.#prefix(endpoint)} ${what} ${detail()}`);
  }

  step(endpoint: number, view: number, event: ConsensusEvent, effects: readonly ConsensusEffect[]): void {
    this.#events++;
    this.#add(this.#scheduler.nowMs);
    this.#add((endpoint << 8) | effects.length);
    this.#add(event.type.length);
    this.#add(view);
    for (const effect of effects) {
      this.#add(effect.type.length);
      if (effect.type === "vote") this.#add(effect.subject.view + effect.subject.kind + (effect.subject.block[0] ?? 0));
    }
    if (this.#print === undefined) return;
    this.#print(`${this.#prefix(endpoint)} ${nameOfView(view)} < ${describe(event)}`);
    for (const effect of effects) this.#print(`${" ".repeat(20)} > ${describe(effect)}`);
  }

  #prefix(endpoint: number): string {
    return `${String(this.#scheduler.nowMs).padStart(6)} #${endpoint}`;
  }

  #add(value: number): void {
    this.#hash = mix32((this.#hash ^ (value | 0)) + 0x9e3779b9);
  }
}

const KIND_NAMES: Readonly<Record<number, string>> = {
  [KIND.notarize]: "notarize",
  [KIND.nullify]: "nullify",
  [KIND.finalize]: "finalize",
};

/** `epoch:view in it`. */
export const nameOfView = (view: number): string => `${epochOfView(view)}:${view % VIEWS_PER_EPOCH}`;

const nameOfBlock = (id: Uint8Array): string => Buffer.from(id.subarray(0, 4)).toString("hex");

export function nameOfSubject({ kind, view, parentView, block }: Subject): string {
  const what = kind === KIND.nullify ? "" : ` ${nameOfBlock(block)} on ${nameOfView(parentView)}`;
  return `${KIND_NAMES[kind]} ${nameOfView(view)}${what}`;
}

function describe(what: ConsensusEvent | ConsensusEffect): string {
  const parts: string[] = [what.type];
  if ("vote" in what) parts.push(nameOfSubject(what.vote), `by ${what.vote.signer}`);
  if ("certificate" in what) parts.push(nameOfSubject(what.certificate), `[${what.certificate.bitmap.join()}]`);
  if ("subject" in what) parts.push(nameOfSubject(what.subject), `as ${what.signer}`);
  if (what.type === "proposal") {
    const { vote, height, parent, certificates } = what.proposal;
    parts.push(nameOfSubject(vote), `by ${vote.signer} height ${height} parent ${nameOfBlock(parent)}`);
    parts.push(`(${certificates.map(nameOfSubject).join(", ")})`);
  }
  if ("view" in what) parts.push(nameOfView(what.view));
  if ("block" in what) parts.push(nameOfBlock(what.block));
  if ("height" in what) parts.push(`height ${what.height}`);
  if ("valid" in what) parts.push(String(what.valid));
  if ("value" in what) parts.push(String(what.value));
  if ("allowed" in what) parts.push(String(what.allowed));
  if ("views" in what) parts.push(what.views.map(nameOfView).join(" "));
  if ("atMs" in what) parts.push(String(what.atMs));
  if ("tip" in what) parts.push(what.tip === undefined ? "tip unknown" : `tip ${what.tip.height}`);
  if ("epoch" in what) parts.push(`epoch ${what.epoch}`);
  if ("evidence" in what) {
    parts.push(
      `${what.evidence.signer}:`,
      nameOfSubject(what.evidence.first),
      "/",
      nameOfSubject(what.evidence.second),
    );
  }
  if ("from" in what) parts.push(`from ${what.from ?? "self"}`);
  if ("reason" in what) parts.push(what.reason);
  if ("peer" in what) parts.push(`peer ${what.peer}`);
  return parts.join(" ");
}
