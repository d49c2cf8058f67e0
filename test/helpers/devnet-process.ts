/** A real devnet in a process of its own, on ports that the system chooses. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { NetworkDescription } from "../../node/network.ts";

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
  /** Resolves once it has printed this. Rejects with its output when it ends before. */
  says(text: string): Promise<void>;
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
    says: (text) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (output().includes(text)) resolve();
        };
        child.stdout?.on("data", look);
        void ended.then(() => reject(new Error(`it ended before it said ${JSON.stringify(text)}:\n${output()}`)));
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
  const child = spawn(
    process.execPath,
    [MAIN, "devnet", "--datadir", datadir, ...network, "--log.format", "json", ...args],
    {
      env: cleanEnvironment(),
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  const output = collect(child);
  const ended = once(child, "close") as Promise<[number | null, NodeJS.Signals | null]>;
  const ready = new Promise<void>((resolve) => {
    child.stdout?.on("data", () => {
      if (output().includes("\nReady")) resolve();
    });
  });
  const failed = ended.then(([code, signal]) => {
    throw new Error(`the devnet ended with ${code ?? signal} before it was ready:\n${output()}`);
  });
  failed.catch(() => {});
  await Promise.race([ready, failed]);
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
    async stop(signal = "SIGTERM") {
      child.kill(signal);
      const [code, endSignal] = await ended;
      return { code, signal: endSignal, output: output() };
    },
  };
}
