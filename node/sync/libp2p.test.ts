import { afterEach, expect, it } from "vitest";
import { readStateItem } from "../../execution/state/flat-state.ts";
import { readEpochEnd } from "../checkpoint-store.ts";
import { Nodes, until } from "../p2p/testing/nodes.ts";
import { systemClock } from "../ports.ts";
import { FakeStore, testLog } from "../testing/world.ts";
import { beginWithCheckpoint } from "./checkpoint.ts";
import { serveSync } from "./server.ts";
import { Sync } from "./sync.ts";
import { extendReal, openReal, REAL_DOMAIN, REAL_SCHEME, realGenesis } from "./testing/real.ts";

const EPOCH_BLOCKS = 50;
const GENESIS = realGenesis(EPOCH_BLOCKS);
const RULES = { epochBlocks: EPOCH_BLOCKS, domain: REAL_DOMAIN, scheme: REAL_SCHEME };

const nodes = new Nodes();
afterEach(() => nodes.stop());

it("begins with a checkpoint and catches up over real connections", async () => {
  const store = new FakeStore();
  const full = await openReal(GENESIS, store);
  await extendReal(full, EPOCH_BLOCKS, 330);
  const { genesisHash } = full;
  const servers = [await nodes.start({ genesisHash }), await nodes.start({ genesisHash })];
  for (const network of servers) {
    serveSync({
      network,
      chain: full,
      epochBlocks: EPOCH_BLOCKS,
      view: () => 0,
      viewState: () => ({ certificates: [], votes: [] }),
      stateItem: (hash) => readStateItem(store.reader, hash),
      oldEpochEnd: (epoch) => readEpochEnd(store.reader, epoch),
    });
  }
  const staticPeers = servers.flatMap(({ addresses }) => addresses);
  const network = await nodes.start({ genesisHash, staticPeers });
  const { log, lines } = testLog();

  const own = new FakeStore();
  const parts = { store: own, genesis: GENESIS, network, clock: systemClock, log, ...RULES };
  const never = new Promise(() => {});
  expect(await beginWithCheckpoint(parts, never)).toBe(true);
  expect(await beginWithCheckpoint(parts, never)).toBe(true); // there is a chain now

  const chain = await openReal(GENESIS, own);
  expect(chain.head.number).toBe(299n);
  const halts: Error[] = [];
  const sync = new Sync({
    chain,
    network,
    clock: systemClock,
    log,
    ...RULES,
    exclusive: (work) => work(),
    onSynced: () => {},
    onFound: () => {},
    onHalt: (error) => halts.push(error),
  });
  sync.start();
  await until(() => chain.head.number === 330n || halts.length > 0, "the chain is at the head");
  expect(await sync.blocks([full.hashAt(7n)!])).toEqual([full.rawAt(7n)]);
  await sync.stop();
  expect(halts).toEqual([]);
  expect(chain.head).toEqual(full.head);
  expect(lines.filter(({ msg }) => msg === "peer misbehaved")).toEqual([]);
  expect(network.peers.map(({ score }) => score)).toEqual([0, 0]);
});
