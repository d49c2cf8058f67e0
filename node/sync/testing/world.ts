/** Nodes with ledgers on a network in memory, for the tests of sync. */
import type { Domain, Scheme } from "../../../consensus/scheme.ts";
import type { Certificate } from "../../../consensus/types.ts";
import { readStateItem } from "../../../execution/state/flat-state.ts";
import type { LevelStore } from "../../../execution/state/level-store.ts";
import { readEpochEnd } from "../../checkpoint-store.ts";
import type { RequestHandler } from "../../p2p/types.ts";
import { VirtualClock } from "../../testing/clock.ts";
import { FakeNetwork, type FakeNode } from "../../testing/network.ts";
import { testLog } from "../../testing/world.ts";
import type { Found } from "../lookup.ts";
import { type ServerParts, serveSync } from "../server.ts";
import { Sync } from "../sync.ts";
import type { SyncChain, Synced } from "../types.ts";
import { DOMAIN, Ledger, LedgerChain, SCHEME } from "./ledger.ts";

export interface WorldRules {
  readonly epochBlocks: number;
  readonly domain: Domain;
  readonly scheme: Scheme;
}

interface ServeOptions {
  readonly store?: LevelStore;
  readonly viewState?: ServerParts["viewState"];
}

const nothingOf = () => ({ certificates: [], votes: [] });

export class SyncWorld {
  readonly clock = new VirtualClock();
  readonly network: FakeNetwork;
  readonly #rules: WorldRules;
  readonly #ledger: Ledger | undefined;
  /** Milliseconds one way, by the sender; 5 for those not named. */
  readonly delays = new Map<string, number | undefined>();

  /** With a ledger, its blocks and validators; without, those of the chains that are served. */
  constructor(of: Ledger | WorldRules) {
    this.#ledger = of instanceof Ledger ? of : undefined;
    this.#rules = of instanceof Ledger ? { epochBlocks: of.epochBlocks, domain: DOMAIN, scheme: SCHEME } : of;
    this.network = new FakeNetwork({
      clock: this.clock,
      delayMs: (from) => (this.delays.has(from) ? this.delays.get(from) : 5),
    });
  }

  get ledger(): Ledger {
    if (this.#ledger === undefined) throw new Error("this world has no ledger");
    return this.#ledger;
  }

  /** A node that has the ledger up to `height`, all of it by default, and answers. */
  server(id: string, height = this.ledger.height, ledger = this.ledger): FakeNode {
    return this.serve(id, new LedgerChain(ledger, height), {
      viewState: (view) => ({
        certificates: [...ledger.certificates.values()].filter((certificate) => certificate.view === view),
        votes: [],
      }),
    });
  }

  /** With a store also states, and epochs that the chain does not have. */
  serve(id: string, chain: SyncChain, { store, viewState = nothingOf }: ServeOptions = {}): FakeNode {
    const node = this.network.join(id);
    serveSync({
      network: node,
      chain,
      epochBlocks: this.#rules.epochBlocks,
      view: () => 0,
      viewState,
      ...(store && {
        stateItem: (hash) => readStateItem(store.reader, hash),
        oldEpochEnd: (epoch) => readEpochEnd(store.reader, epoch),
      }),
    });
    return node;
  }

  /** A node's chain that ends there. */
  chainAt(height: number): LedgerChain {
    return new LedgerChain(this.ledger, height);
  }

  /** Connected to all others, not started. */
  syncer(): Syncer<LedgerChain>;
  syncer<C extends SyncChain>(chain: C, id?: string): Syncer<C>;
  syncer(chain: SyncChain = this.chainAt(0), id = "syncer"): Syncer<SyncChain> {
    const node = this.network.join(id);
    const { log, lines } = testLog();
    const synced: Synced[] = [];
    const halts: Error[] = [];
    const found: Found[] = [];
    let last: Promise<unknown> = Promise.resolve();
    const exclusive: Syncer<SyncChain>["exclusive"] = (work) => {
      const result = last.then(work);
      last = result.catch(() => {});
      return result;
    };
    const sync = new Sync({
      chain,
      network: node,
      clock: this.clock,
      log,
      ...this.#rules,
      exclusive,
      onSynced: (to) => synced.push(to),
      onFound: (event) => found.push(event),
      onHalt: (error) => halts.push(error),
    });
    this.network.connectAll();
    return { chain, node, sync, exclusive, synced, halts, found, lines };
  }

  /** Lets time pass until the syncer has the height, or sync ended. */
  async reach({ chain, halts }: Syncer<SyncChain>, height = this.ledger.height, limitMs = 600_000): Promise<void> {
    const untilMs = this.clock.nowMs() + limitMs;
    while (Number(chain.head.number) < height && halts.length === 0) {
      if (this.clock.nowMs() > untilMs) throw new Error(`block ${chain.head.number} after ${limitMs} ms`);
      await this.clock.pass(100);
    }
  }

  async ensure({ sync }: Syncer<SyncChain>, certificate: Certificate): Promise<boolean> {
    return this.clock.run(sync.ensure(certificate));
  }
}

export interface Syncer<C extends SyncChain> {
  readonly chain: C;
  readonly node: FakeNode;
  readonly sync: Sync;
  readonly exclusive: <T>(work: () => Promise<T>) => Promise<T>;
  readonly synced: Synced[];
  readonly halts: Error[];
  readonly found: Found[];
  readonly lines: ReturnType<typeof testLog>["lines"];
}

/** Changes the chunks of an honest answer. */
export const mapping =
  (change: (chunks: Uint8Array[], payload: Uint8Array) => Iterable<Uint8Array>) =>
  (honest: RequestHandler): RequestHandler =>
    async function* (payload, from) {
      const chunks: Uint8Array[] = [];
      for await (const chunk of honest(payload, from)) chunks.push(chunk);
      yield* change(chunks, payload);
    };
