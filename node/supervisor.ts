/**
 * A network of validators as processes of their own: starts them, passes on what they print with their name before it,
 * starts again those that die, and stops them together.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { DataError, EXIT, OperationError, UsageError } from "./errors.ts";
import type { Logger } from "./log.ts";
import type { NetworkDescription } from "./network.ts";

const MAIN = fileURLToPath(new URL("./main.ts", import.meta.url));
/** A validator that dies again at once is given more and more time. */
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;
/** Running for this long it counts as well again. */
const WELL_AFTER_MS = 60_000;
/** A process that does not stop by then is killed. */
const STOP_MS = 10_000;

/** What a node tells the process that started it. */
export interface ReadyMessage {
  readonly type: "ready";
  readonly network: NetworkDescription;
}

export interface Member {
  readonly name: string;
  /** Of `openledger node`. */
  readonly configFile: string;
}

interface Running {
  child: ChildProcess;
  startedAtMs: number;
  pauseMs: number;
  restart: NodeJS.Timeout | undefined;
}

export class Supervisor {
  readonly #log: Logger;
  readonly #running = new Map<Member, Running>();
  #isStopping = false;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Resolves when all are ready. Rejects with what the first one that ended said; then none is left running. */
  async start(members: readonly Member[]): Promise<readonly NetworkDescription[]> {
    try {
      return await Promise.all(members.map((member) => this.#startFirst(member)));
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(
      [...this.#running.values()].map(async ({ child, restart }) => {
        clearTimeout(restart);
        if (child.exitCode !== null || child.signalCode !== null) return;
        const ended = new Promise((resolve) => child.once("exit", resolve));
        child.kill("SIGTERM");
        const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
        await ended;
        clearTimeout(timer);
      }),
    );
  }

  #startFirst(member: Member): Promise<NetworkDescription> {
    const child = this.#spawn(member);
    const complaints: string[] = [];
    child.stderr?.on("data", (text: string) => complaints.length < 100 && complaints.push(text));
    return new Promise((resolve, reject) => {
      child.once("message", (message: ReadyMessage) => {
        child.removeAllListeners("exit");
        child.once("exit", (code, signal) => this.#onExit(member, code, signal));
        resolve(message.network);
      });
      child.once("exit", (code, signal) => {
        const words = complaints
          .join("")
          .trim()
          .replaceAll(/^openledger: /gm, "");
        reject(failureOf(code, `${member.name} ended with ${code ?? signal}: ${words}`));
      });
    });
  }

  #spawn(member: Member): ChildProcess {
    const child = spawn(process.execPath, [...process.execArgv, MAIN, "node", "--config", member.configFile], {
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      env: withoutOptions(process.env),
    });
    const before = this.#running.get(member);
    this.#running.set(member, {
      child,
      startedAtMs: performance.now(),
      pauseMs: before?.pauseMs ?? FIRST_PAUSE_MS,
      restart: undefined,
    });
    this.#log.info({ validator: member.name, pid: child.pid }, "validator started");
    child.stderr?.setEncoding("utf8");
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on("line", (line) => process.stdout.write(`${named(member.name, line)}\n`));
    }
    return child;
  }

  #onExit(member: Member, code: number | null, signal: NodeJS.Signals | null): void {
    const running = this.#running.get(member);
    if (this.#isStopping || running === undefined) return;
    if (code === EXIT.usage || code === EXIT.locked) {
      this.#log.error({ validator: member.name, code }, "validator ended for good");
      return;
    }
    const isWell = performance.now() - running.startedAtMs > WELL_AFTER_MS;
    const pauseMs = isWell ? FIRST_PAUSE_MS : running.pauseMs;
    running.pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    this.#log.warn({ validator: member.name, end: signal ?? code, againInMs: pauseMs }, "validator ended");
    running.restart = setTimeout(() => {
      if (this.#isStopping) return;
      this.#spawn(member).once("exit", (...end) => this.#onExit(member, ...end));
    }, pauseMs);
  }
}

/** The file of each says it all: an option in the environment (a data directory) would be the same for every one. */
function withoutOptions(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith("OPENLEDGER_")));
}

/** A log line with the name of whom it is from: JSON stays JSON. */
function named(name: string, line: string): string {
  return line.startsWith('{"level"') ? `{"node":"${name}",${line.slice(1)}` : `${name} | ${line}`;
}

function failureOf(code: number | null, message: string): Error {
  if (code === EXIT.usage) return new UsageError(message);
  return code === EXIT.locked ? new DataError(message) : new OperationError(message);
}
