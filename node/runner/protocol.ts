/** What goes to and from a thread that runs calls. Plain data. */
import type { ViewedChain } from "../chain-view.ts";
import type { Runner, TraceRunner } from "./types.ts";

export type Everything = Runner & TraceRunner;
export type Question = keyof Everything;

export interface RunnerData {
  /** Of the chain's store. */
  readonly directory: string;
  readonly chain: ViewedChain;
  /** Work that each call may take. */
  readonly callMs: number;
}

export interface Asked {
  readonly id: number;
  readonly question: Question;
  readonly args: readonly unknown[];
}

export type Answered =
  | { readonly id: number; readonly answer: unknown }
  /** A defect, or a damaged store. */
  | { readonly id: number; readonly failure: string };

/** What is asked in one turn of the event loop comes together: a message costs more than what is in it. */
export type ToThread = "ping" | "close" | readonly Asked[];

export type FromThread =
  | "pong"
  /** It has read what it needs and runs what it is given. */
  | "ready"
  | readonly Answered[];
