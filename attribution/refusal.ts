/** Why a host does not answer. */
export type RefusalCode =
  | "bad-request"
  | "busy"
  | "chain-unavailable"
  | "content-unavailable"
  | "corpus-too-large"
  | "deadline-passed"
  | "engine-failed"
  | "escrow-too-small"
  | "foreign-record"
  | "index-damaged"
  | "no-data"
  | "no-output"
  | "not-addressed"
  | "not-served"
  | "prompt-mismatch"
  | "record-damaged"
  | "stake-too-small"
  | "stopped"
  | "too-many-unsettled"
  | "unknown-inference"
  | "wrong-model"
  | "wrong-state";

/** HTTP's status for each. */
export const REFUSAL_STATUS: Readonly<Record<RefusalCode, number>> = {
  "bad-request": 400,
  busy: 503,
  "chain-unavailable": 502,
  "content-unavailable": 503,
  "corpus-too-large": 503,
  "deadline-passed": 409,
  "engine-failed": 502,
  "escrow-too-small": 409,
  "foreign-record": 409,
  "index-damaged": 503,
  "no-data": 409,
  "no-output": 502,
  "not-addressed": 403,
  "not-served": 404,
  "prompt-mismatch": 403,
  "record-damaged": 500,
  "stake-too-small": 503,
  stopped: 503,
  "too-many-unsettled": 503,
  "unknown-inference": 404,
  "wrong-model": 409,
  "wrong-state": 409,
};

/** Ends an answer. The message names the thing, the value and the remedy. */
export class Refusal extends Error {
  readonly code: RefusalCode;
  constructor(code: RefusalCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "Refusal";
    this.code = code;
  }
}
