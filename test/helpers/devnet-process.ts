/** The real program in processes of its own, on ports that the system chooses. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { NetworkDescription } from "../../node/network.ts";
import { runProgram } from "../../node/program.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const MAIN = `${root}node/main.ts`;

export const ANY_PORTS: readonly string[] = ["http", "graphql", "content", "host", "metrics"].flatMap((name) => [
  `--${name}.port`,
  "0",
]);
/** Everything in one process, on ports that the system chooses. */
export const ALONE: readonly string[] = ["--validators", "1", "--l1=false", ...ANY_PORTS];
/** With an L1 beside it. */
export const BRIDGED: readonly string[] = ["--l1=true", "--l1.port", "0", "--l1.interval", "1", "--l1.poll", "200"];
/** Blocks as fast as they come, so that tests wait for work and not for time. */
export const FAST_BLOCKS: readonly string[] = ["--block.interval", "50", "--block.heartbeat", "250"];

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const JSON_LOG = ["--log.format", "json"];

export function temporaryDirectory(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), "openledger-test-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 3 }) };
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
}

/** The environment without options that would leak into the test. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("OPENLEDGER_")));
}

/**
 * As below, in this process, which has the program's modules already: for what ends by itself. One at a time. What the
 * program logs is not in the output.
 */
export async function runHere(args: readonly string[]): Promise<Pick<Exit, "code" | "output">> {
  const streams = [process.stdout, process.stderr] as const;
  const writes = streams.map((stream) => stream.write);
  const environment = process.env;
  let output = "";
  for (const stream of streams) {
    stream.write = (text: string | Uint8Array) => {
      output += typeof text === "string" ? text : Buffer.from(text).toString();
      return true;
    };
  }
  process.env = cleanEnvironment();
  const listening = SIGNALS.map((signal) => process.listeners(signal));
  try {
    const code = await runProgram(args);
    return { code, output };
  } finally {
    process.env = environment;
    for (const [i, signal] of SIGNALS.entries()) {
      const added = process.listeners(signal).filter((listener) => !listening[i]!.includes(listener));
      for (const listener of added) process.off(signal, listener);
    }
    for (const [i, stream] of streams.entries()) stream.write = writes[i]!;
  }
}

/** Runs `openledger` with these arguments to its end. */
export const runCommand = (args: readonly string[]): Promise<Exit> => runScript("node/main.ts", args);

/** Runs a script of this repository to its end. */
export async function runScript(file: string, args: readonly string[]): Promise<Exit> {
  const child = spawn(process.execPath, [root + file, ...args], {
    env: cleanEnvironment(),
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = collect(child);
  const [code, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  return { code, signal, output: output() };
}

export interface Running {
  output(): string;
  /** Resolves once it has printed this, to what matched. Rejects with its output when it ends before. */
  says(pattern: RegExp): Promise<RegExpMatchArray>;
  stop(signal?: NodeJS.Signals): Promise<Exit>;
}

/** Starts `openledger` with these arguments and leaves it running. */
export function startCommand(args: readonly string[]): Running {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: cleanEnvironment(),
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = collect(child);
  const ended = once(child, "close") as Promise<[number | null, NodeJS.Signals | null]>;
  return {
    output,
    says: (pattern) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const found = output().match(pattern);
          if (found === null) return;
          child.stdout?.off("data", look);
          resolve(found);
        };
        child.stdout?.on("data", look);
        void ended.then(([code, signal]) =>
          reject(new Error(`it ended with ${code ?? signal} before it said ${pattern}:\n${output()}`)),
        );
        look();
      }),
    async stop(signal = "SIGTERM") {
      child.kill(signal);
      const [code, endSignal] = await ended;
      return { code, signal: endSignal, output: output() };
    },
  };
}

function collect(child: ChildProcess): () => string {
  const chunks: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8");
    stream?.on("data", (chunk: string) => chunks.push(chunk));
  }
  return () => chunks.join("");
}

export interface Devnet {
  readonly datadir: string;
  readonly network: NetworkDescription;
  readonly rpcUrl: string;
  readonly graphqlUrl: string;
  readonly contentUrl: string;
  readonly hostUrl: string;
  output(): string;
  /** Sends the signal and waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<Exit>;
}

/** Starts and waits until the node says that it is ready. Throws with its output when it ends before. */
export async function startDevnet(
  datadir: string,
  args: readonly string[] = FAST_BLOCKS,
  validators = 1,
): Promise<Devnet> {
  const several = ["--validators", String(validators), "--p2p.port", "0", "--l1=false", ...ANY_PORTS];
  const network = (validators === 1 ? ALONE : several).filter(
    (arg) => arg !== "--l1=false" || !args.includes("--l1=true"),
  );
  const { says, output, stop } = startCommand(["devnet", "--datadir", datadir, ...network, ...JSON_LOG, ...args]);
  await says(/\nReady/);
  const description = JSON.parse(readFileSync(join(datadir, "network.json"), "utf8")) as NetworkDescription;
  const { graphql = "", content = "", modelHost = "" } = description.openledger;
  return {
    datadir,
    network: description,
    rpcUrl: description.rpcUrls.default.http[0] as string,
    graphqlUrl: graphql,
    contentUrl: content,
    hostUrl: modelHost,
    output,
    stop,
  };
}

export interface HostProcess {
  /** In front of /v1. */
  readonly url: string;
  output(): string;
  /** Sends the signal and waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<Exit>;
}

/** Starts `openledger host` and waits until it serves. Throws with its output when it ends before. */
export async function startHost(args: readonly string[]): Promise<HostProcess> {
  const { says, output, stop } = startCommand(["host", ...JSON_LOG, ...args]);
  const [, url] = await says(/OpenAI base URL\s+(\S+)\/v1\n[\s\S]*\nReady/);
  return { url: url!, output, stop };
}
