/** A node from its parts to its end. */
import type { Genesis } from "../genesis/schema.ts";
import type { NodeConfig } from "./config.ts";
import { EXIT, StoppedEarly } from "./errors.ts";
import type { NetworkDescription } from "./network.ts";
import { createNode, type Node, type NodePorts } from "./node.ts";
import { systemClock } from "./ports.ts";
import { signalled } from "./signals.ts";

export type RunParts = Omit<NodePorts, "clock" | "stopping" | "onHalt"> & {
  /** What else may end it. */
  readonly failing?: Promise<Error> | undefined;
  /** Its servers listen; it begins when this returns. */
  readonly onReady: (network: NetworkDescription) => void;
};

/** Resolves to the exit code. Rejects when the node cannot start; then nothing is left running. */
export async function runUntilSignal(config: NodeConfig, genesis: Genesis, parts: RunParts): Promise<number> {
  const { log, onReady, failing, ...ports } = parts;
  let node: Node | undefined;
  try {
    const ending = signalled(log);
    const halted = Promise.withResolvers<Error>();
    const onHalt = halted.resolve;
    node = await createNode(config, genesis, { ...ports, log, clock: systemClock, stopping: ending, onHalt });
    onReady(node.network);
    await node.start();
    const failure = await Promise.race([ending, halted.promise, ...(failing === undefined ? [] : [failing])]);
    if (failure === undefined) return EXIT.ok;
    log.error({ err: failure }, "halted");
    return EXIT.failure;
  } catch (error) {
    if (error instanceof StoppedEarly) return EXIT.ok;
    throw error;
  } finally {
    await node?.stop();
    if (node !== undefined) log.info("stopped");
  }
}
