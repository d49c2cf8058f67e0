/**
 * One process of a whole node, made by the production's composition root on simulated ports: clock, network, the chain's
 * store, and the files of its validator. A crash leaves what these had durably; the process that was lives on unheard.
 */

import { blsSign } from "../../../core/bls.ts";
import type { Genesis } from "../../../genesis/schema.ts";
import type { TestValidator } from "../../../genesis/testing/validators.ts";
import type { NodeConfig } from "../../../node/config.ts";
import type { Logger } from "../../../node/log.ts";
import { createNode, type Node } from "../../../node/node.ts";
import type { Topic } from "../../../node/p2p/types.ts";
import type { Clock } from "../../../node/ports.ts";
import type { VirtualClock } from "../../../node/testing/clock.ts";
import type { FakeNode } from "../../../node/testing/network.ts";
import { FakeStore } from "../../../node/testing/world.ts";
import { createGuard, openValidatorState } from "../../../node/validator/state.ts";
import { type MemoryFiles, PowerLoss } from "../../../node/validator/testing/memory-files.ts";
import type { Random } from "../random.ts";

const VALIDATOR_DIR = "/validator";
/** Small, so that the guard is made anew now and then. */
const GUARD_ROOM_BYTES = 4_096;

/** All that outlives a process. */
export interface Disk {
  readonly store: FakeStore;
  readonly files: MemoryFiles;
}

export interface ProcessParts {
  readonly disk: Disk;
  readonly key: TestValidator;
  readonly genesis: Genesis;
  readonly genesisHash: Uint8Array;
  readonly timing: NodeConfig["timing"];
  readonly time: VirtualClock;
  readonly clock: Clock;
  readonly network: FakeNode;
  readonly log: Logger;
  /** For what no simulated port takes: an existing directory. */
  readonly path: string;
  readonly random: Random;
  readonly syncMs: () => number;
  /** Asked at every moment at which a process may end; true ends it there. */
  readonly mayCrash: () => boolean;
  readonly onCrash: () => void;
  readonly onPublish: (topic: Topic, data: Uint8Array) => void;
  readonly onCommit: (number: bigint, hash: Uint8Array) => void;
  readonly onHalt: (error: Error) => void;
}

export interface Process {
  readonly node: Node;
  /** Why it only observes. */
  readonly reasons: readonly string[];
  start(): Promise<void>;
  /** Ends it here and now. */
  crash(): Disk;
  stop(): Promise<void>;
}

export async function newDisk(files: MemoryFiles, key: TestValidator): Promise<Disk> {
  await createGuard(VALIDATOR_DIR, key.publicKey, { isImported: false }, files);
  return { store: new FakeStore(), files };
}

/** Its node does not run yet. */
export async function openProcess(parts: ProcessParts): Promise<Process> {
  const { disk, key, genesis, genesisHash, timing, time, clock, network, log, path, random } = parts;
  let isAlive = true;
  const crashPoint = (): void => {
    if (isAlive && parts.mayCrash()) parts.onCrash();
    if (!isAlive) throw new PowerLoss();
  };
  const state = await openValidatorState(
    VALIDATOR_DIR,
    key.publicKey,
    { chainId: genesis.chainId, genesisHash },
    { files: disk.files, lock: () => ({ release() {} }), guardRoomBytes: GUARD_ROOM_BYTES },
  );
  const publish = network.publish.bind(network);
  network.publish = async (topic, data) => {
    crashPoint();
    parts.onPublish(topic, data);
    return publish(topic, data);
  };
  const node = await createNode({ ...CONFIG, timing, datadir: path, network: genesis.name }, genesis, {
    clock,
    log,
    network,
    directory: {
      path,
      store: disk.store,
      index: `${path}/index.sqlite`,
      content: `${path}/content`,
      answers: `${path}/answers`,
      close: async () => {},
    },
    validator: {
      publicKey: key.publicKey,
      state,
      feeAddress: undefined,
      close: () => state.close(),
      sign(digest) {
        if (!isAlive) throw new PowerLoss();
        return blsSign(key.secretKey, digest);
      },
    },
    modelHostKey: undefined,
    onHalt: (error) => {
      if (isAlive) parts.onHalt(error);
    },
  });
  holdTime(node, time);
  node.chain.onCommit(({ number, hash }) => {
    if (isAlive) parts.onCommit(number, hash);
  });
  // From here on it may end at any operation.
  disk.files.before = crashPoint;
  disk.files.slowSync = () => time.sleep(parts.syncMs());
  disk.store.beforeWrite = async () => crashPoint();
  disk.store.afterWrite = async () => crashPoint();
  return {
    node,
    reasons: state.reasons,
    start: () => node.start(),
    crash() {
      isAlive = false;
      const kind = random.chance(0.5) ? "kill" : "power loss";
      return { store: disk.store.copy(), files: disk.files.crash(() => random.real(), kind) };
    },
    async stop() {
      await node.stop();
      await state.close().catch((error: unknown) => {
        if (isAlive) throw error;
      });
    },
  };
}

/** Executing takes no time, however slow the machine is. */
function holdTime({ chain }: Node, time: VirtualClock): void {
  const proposeOn = chain.proposeOn.bind(chain);
  const verify = chain.verify.bind(chain);
  chain.proposeOn = (...args) => time.hold(proposeOn(...args));
  chain.verify = (...args) => time.hold(verify(...args));
}

const CONFIG: Omit<NodeConfig, "timing" | "datadir" | "network"> = {
  http: undefined,
  vhosts: [],
  txFeeCapWei: 0n,
  graphql: undefined,
  content: undefined,
  host: undefined,
  metrics: undefined,
  p2p: undefined,
  l1: undefined,
  sync: "full",
  logLevel: "debug",
  logBlocks: true,
  logFormat: "json",
};
