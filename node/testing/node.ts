/** A whole node without files and servers: chain, pool, engine, sync and gossip as node/node.ts puts them together. */
import type { Domain, Scheme } from "../../consensus/scheme.ts";
import type { Timing } from "../../consensus/timing.ts";
import type { Evidence } from "../../consensus/types.ts";
import { blsAggregate, blsVerify, blsVerifyEach } from "../../core/bls.ts";
import type { Transaction } from "../../core/chain.ts";
import type { Precompile } from "../../core/precompile.ts";
import { type AddResult, Mempool } from "../../execution/mempool.ts";
import { COINBASE } from "../../execution/testing/world.ts";
import type { Genesis } from "../../genesis/schema.ts";
import type { TestValidator } from "../../genesis/testing/validators.ts";
import { Chain } from "../chain.ts";
import { Engine } from "../engine/engine.ts";
import { TxGossip } from "../engine/tx-gossip.ts";
import type { Network } from "../p2p/types.ts";
import { serveSync } from "../sync/server.ts";
import { Sync } from "../sync/sync.ts";
import type { VirtualClock } from "./clock.ts";
import { type TestValidating, testValidating, ValidatorDisk } from "./validating.ts";
import { FakeStore, testLog } from "./world.ts";

export const TEST_SCHEME: Scheme = { verify: blsVerify, aggregate: blsAggregate, verifyEach: blsVerifyEach };
export const testDomain = ({ chainId }: Genesis): Domain => ({ chainId, l1Contract: new Uint8Array(20) });

/** All that outlives a process. */
export class TestDisk {
  readonly store: FakeStore;
  readonly validator: ValidatorDisk;

  constructor(store = new FakeStore(), validator = new ValidatorDisk()) {
    this.store = store;
    this.validator = validator;
  }

  /** What a process that starts now would find. */
  copy(): TestDisk {
    return new TestDisk(this.store.copy(), this.validator.copy());
  }
}

export interface TestNodeParts {
  readonly genesis: Genesis;
  readonly clock: VirtualClock;
  readonly disk?: TestDisk;
  readonly timing?: Timing;
  /** Undefined: follows without voting. */
  readonly validator?: TestValidator | undefined;
  /** Why it only observes. */
  readonly reasons?: readonly string[];
  /** Undefined: alone. */
  readonly network?: Network | undefined;
  readonly precompiles?: readonly Precompile[];
}

export interface TestNode {
  readonly chain: Chain;
  readonly mempool: Mempool;
  readonly engine: Engine;
  readonly validating: TestValidating | undefined;
  readonly disk: TestDisk;
  readonly lines: ReturnType<typeof testLog>["lines"];
  readonly halts: Error[];
  readonly evidence: Evidence[];
  submit(tx: Transaction): AddResult;
  start(): Promise<void>;
  stop(): Promise<void>;
}

export const TEST_TIMING: Timing = { intervalMs: 1_000, heartbeatMs: 5_000, deltaMs: 500 };

export async function testNode(parts: TestNodeParts): Promise<TestNode> {
  const { genesis, clock, disk = new TestDisk(), timing = TEST_TIMING, validator, reasons = [], network } = parts;
  const { epochBlocks } = genesis.consensus;
  const domain = testDomain(genesis);
  const { log, lines } = testLog();
  const halts: Error[] = [];
  const evidence: Evidence[] = [];
  const onHalt = (error: Error) => halts.push(error);

  const chain = await Chain.open(disk.store, genesis, parts.precompiles ?? [], log);
  holdTime(chain, clock);
  const mempool = new Mempool({ next: chain.nextBlock });
  const validating = validator && testValidating({ validator, chain, domain, clock, disk: disk.validator, reasons });
  const engine = new Engine({
    chain,
    mempool,
    clock,
    log,
    domain,
    scheme: TEST_SCHEME,
    epochBlocks,
    timing,
    feeAddress: COINBASE,
    validating,
    network,
    l1: undefined,
    logBlocks: true,
    onEvidence: (found) => evidence.push(found),
    onHalt,
  });
  const headState = () => chain.headState;
  const gossip = network && new TxGossip({ network, mempool, chainId: genesis.chainId, headState, clock, log });
  const sync =
    network &&
    new Sync({
      chain,
      network,
      clock,
      log,
      epochBlocks,
      domain,
      scheme: TEST_SCHEME,
      exclusive: (work) => engine.exclusive(work),
      onSynced: (synced) => engine.post({ type: "synced", ...synced }),
      onInStep: () => engine.inStep(),
      onFound: (found) => void engine.offer(found),
      onHalt,
    });
  if (network !== undefined && sync !== undefined) {
    serveSync({
      network,
      chain,
      epochBlocks,
      view: () => engine.view,
      viewState: (view) => engine.viewState(view),
      looseBlock: (hash) => engine.block(hash),
    });
    engine.connect(sync);
  }

  return {
    chain,
    mempool,
    engine,
    validating,
    disk,
    lines,
    halts,
    evidence,
    submit: (tx) => gossip?.submit(tx) ?? mempool.add(tx, chain.headState, clock.nowMs()),
    async start() {
      await engine.start();
      sync?.start();
    },
    async stop() {
      await sync?.stop();
      gossip?.stop();
      await engine.stop();
    },
  };
}

/** Executing takes no time, however slow the machine is. */
function holdTime(chain: Chain, clock: VirtualClock): void {
  const proposeOn = chain.proposeOn.bind(chain);
  const verify = chain.verify.bind(chain);
  chain.proposeOn = (...args) => clock.hold(proposeOn(...args));
  chain.verify = (...args) => clock.hold(verify(...args));
}
