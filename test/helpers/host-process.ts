/** A real `openledger host` in a process of its own. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Exit } from "./devnet-process.ts";

const MAIN = fileURLToPath(new URL("../../node/main.ts", import.meta.url));

export interface HostProcess {
  /** In front of /v1. */
  readonly url: string;
  output(): string;
  /** Sends the signal and waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<Exit>;
}

/** Starts and waits until it serves. Throws with its output when it ends before. */
export async function startHost(args: readonly string[]): Promise<HostProcess> {
  const environment = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith("OPENLEDGER_")),
  );
  const child = spawn(process.execPath, [MAIN, "host", "--log.format", "json", ...args], {
    env: environment,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  const ended = once(child, "close") as Promise<[number | null, NodeJS.Signals | null]>;
  const ready = new Promise<string>((resolve) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8");
      stream.on("data", (text: string) => {
        output += text;
        const [, url] = /OpenAI base URL\s+(\S+)\/v1\n[\s\S]*\nReady/.exec(output) ?? [];
        if (url !== undefined) resolve(url);
      });
    }
  });
  const failed = ended.then(([code, signal]) => {
    throw new Error(`the host ended with ${code ?? signal} before it was ready:\n${output}`);
  });
  failed.catch(() => {});
  const url = await Promise.race([ready, failed]);
  return {
    url,
    output: () => output,
    async stop(signal = "SIGTERM") {
      child.kill(signal);
      const [code, endSignal] = await ended;
      return { code, signal: endSignal, output };
    },
  };
}
