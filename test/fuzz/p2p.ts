/**
 * `npm run fuzz:p2p -- [--frames 1000000] [--seed 1]`: random and mutated bytes wherever bytes come from peers.
 *
 * 95 % of the frames go straight to the decoders, 5 % over real sockets to a node that serves a chain: nine in ten of
 * those as gossip, the others as requests, as answers to the node's own requests, below the streams, and before the
 * handshake. All the while an honest peer says something, and is to be heard.
 *
 * Prints `name value unit goal` a line; a goal that is missed ends in exit code 1.
 */
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { CodecError, encodeVote } from "../../consensus/codec.ts";
import type { Libp2pNetwork } from "../../node/p2p/network.ts";
import { collect, isLinked, Nodes, until } from "../../node/p2p/testing/nodes.ts";
import { TOPICS, type Topic } from "../../node/p2p/types.ts";
import { serveSync } from "../../node/sync/server.ts";
import { LedgerChain } from "../../node/sync/testing/ledger.ts";
import { areMet, atLeast, atMost, type Figure, figure, printFigure } from "../helpers/figures.ts";
import { Random } from "../sim/random.ts";
import { type Attack, Attackers } from "./attack.ts";
import { type DecodingResult, decodeFrames } from "./decoding.ts";
import { EPOCH_BLOCKS, formatOf, ledger, vote } from "./formats.ts";

export interface FuzzOptions {
  readonly frames: number;
  readonly seed: number;
}

export interface FuzzReport {
  readonly lines: readonly Figure[];
  /** With the bytes that show it. */
  readonly surprises: readonly string[];
}

const SOCKET_SHARE = 0.05;
const SHARES: Readonly<Record<Attack, number>> = {
  gossip: 0.9,
  requests: 0.06,
  answers: 0.03,
  muxer: 0.005,
  handshake: 0.005,
};
/** Decoded between two turns of the event loop. */
const SLICE = 250;
/** What attackers may send while one honest message is on its way. */
const MOST_BETWEEN = 10_000;
const MOST_GROWTH_MIB = 96;

export async function fuzz({ frames, seed }: FuzzOptions): Promise<FuzzReport> {
  const watch = new CrashWatch();
  const nodes = new Nodes();
  try {
    return await run(nodes, watch, frames, new Random(seed));
  } finally {
    await nodes.stop();
    watch.stop();
  }
}

async function run(nodes: Nodes, watch: CrashWatch, frames: number, random: Random): Promise<FuzzReport> {
  // As in production, except that silence is noticed sooner: a length that is too large makes all that follows one frame.
  const tuning = { tickMs: 1_000, linkTicks: { missing: 5, silent: 8, stuck: 8, announce: 2 } };
  const node = await nodes.start({ wantedPeers: 0, tuning });
  const friend = await nodes.start({ wantedPeers: 0, tuning, staticPeers: node.addresses });
  await until(() => isLinked(node, 1) && isLinked(friend, 1), "the honest peer is there");
  const honest = new HonestPeer(node, friend);
  const socketFrames = Math.ceil(frames * SOCKET_SHARE);
  const goals = Object.fromEntries(
    Object.entries(SHARES).map(([attack, share]) => [attack, Math.ceil(socketFrames * share)]),
  ) as Record<Attack, number>;
  const attackers = new Attackers(node, random, goals);
  const surprises = serve(node, honest);
  const decoding: DecodingResult = { frames: 0, accepted: 0, surprises: [] };
  const memory = new MemoryWatch();

  let isOver = false;
  const checking = honest.checkUntil(() => isOver, attackers);
  const attacking = attackers.run();
  const total = Math.max(0, frames - Object.values(goals).reduce((sum, goal) => sum + goal, 0));
  while (decoding.frames < total) {
    // Both kinds at the same pace: the decoders keep the node as busy as it can be until the end.
    const isBehind = decoding.frames / total <= attackers.frames / socketFrames;
    if (isBehind) decodeFrames(Math.min(SLICE, total - decoding.frames), random, decoding);
    if (decoding.frames >= total / 5) memory.begin();
    await (isBehind ? turn() : sleep(1));
    if (honest.problem !== undefined) break;
  }
  if (honest.problem !== undefined) attackers.stop();
  await attacking;
  isOver = true;
  await checking;
  const growthMib = memory.growthMib();
  await until(() => node.peers.length === 1, "only the honest peer is left").catch(() => undefined);

  const { result } = attackers;
  const { stats } = node;
  const takenIn =
    TOPICS.reduce((sum, topic) => sum + stats.topics[topic].in.messages, 0) +
    stats.garbage +
    stats.requests.served +
    stats.requests.bad +
    stats.requests.busy;
  const score = node.peers.find(({ id }) => id === friend.id)?.score ?? Number.NEGATIVE_INFINITY;
  const all = [...watch.crashes, ...surprises, ...decoding.surprises, ...result.surprises];
  if (honest.problem !== undefined) all.push(honest.problem);
  return {
    surprises: all,
    lines: [
      figure("frames", decoding.frames + attackers.frames, "frames", atLeast(frames)),
      figure("frames_decoded", decoding.frames, "frames"),
      figure("frames_valid", decoding.accepted, "frames"),
      ...Object.entries(result.frames).map(([attack, count]) => figure(`frames_${attack}`, count, "frames")),
      figure("messages_taken_in", takenIn, "messages"),
      figure("identities", result.identities, "peers"),
      figure("crashes", watch.crashes.length, "errors", atMost(0)),
      figure("surprises", all.length - watch.crashes.length, "errors", atMost(0)),
      figure("honest_messages_heard", honest.heard, "messages", atLeast(10)),
      figure("honest_answers", honest.answers, "answers", atLeast(3)),
      figure("attack_frames_during_one_message", honest.mostBetween, "frames", atMost(MOST_BETWEEN)),
      figure("honest_score", score, "points", atLeast(0)),
      figure("attackers_banned", stats.bans, "peers", atLeast(1)),
      figure("attackers_unpunished", result.unpunished, "peers", atMost(0)),
      figure("attackers_left", node.peers.length - 1, "peers", atMost(0)),
      figure("memory_growth", growthMib, "MiB", atMost(MOST_GROWTH_MIB)),
    ],
  };
}

/** Handlers as the engine has them, as far as bytes go. Returns what they threw that they should not. */
function serve(node: Libp2pNetwork, honest: HonestPeer): string[] {
  const surprises: string[] = [];
  const handle = (topic: Topic) =>
    node.handleTopic(topic, (data) => {
      const { decode } = formatOf(topic);
      try {
        decode(data);
      } catch (error) {
        if (!(error instanceof CodecError) && surprises.length < 20) surprises.push(`${(error as Error).stack}`);
        return "reject";
      }
      return topic === "vote" && honest.isHeard(data) ? "accept" : "ignore";
    });
  for (const topic of TOPICS) handle(topic);
  serveSync({
    network: node,
    chain: new LedgerChain(ledger, ledger.height),
    epochBlocks: EPOCH_BLOCKS,
    view: () => 1,
    viewState: () => ({ certificates: [], votes: [] }),
  });
  return surprises;
}

/** Says one thing after the other, each when the one before was heard. */
class HonestPeer {
  heard = 0;
  answers = 0;
  mostBetween = 0;
  /** It is not heard any more. */
  problem: string | undefined;
  readonly #node: Libp2pNetwork;
  readonly #friend: Libp2pNetwork;
  #waitingFor = "";
  #view = 1_000;

  constructor(node: Libp2pNetwork, friend: Libp2pNetwork) {
    this.#node = node;
    this.#friend = friend;
  }

  isHeard(data: Uint8Array): boolean {
    if (Buffer.from(data).toString("hex") !== this.#waitingFor) return false;
    this.#waitingFor = "";
    this.heard++;
    return true;
  }

  async checkUntil(isOver: () => boolean, attackers: Attackers): Promise<void> {
    try {
      while (!isOver()) {
        const before = attackers.frames;
        const data = encodeVote(vote(this.#view++));
        this.#waitingFor = Buffer.from(data).toString("hex");
        await this.#friend.publish("vote", data);
        await until(() => this.#waitingFor === "", "the node hears its honest peer", 60_000);
        this.mostBetween = Math.max(this.mostBetween, attackers.frames - before);
        // Asking more often than it may would not be honest.
        if (this.heard % 4 === 0) {
          this.answers += (await collect(this.#friend.request(this.#node.id, "status", new Uint8Array(0)))).length;
        }
        await sleep(50);
      }
    } catch (error) {
      this.problem = `the honest peer: ${(error as Error).message}`;
    }
  }
}

/** What would end a process that does not watch. */
class CrashWatch {
  readonly crashes: string[] = [];
  readonly #note = (error: unknown) => {
    if (this.crashes.length < 20) this.crashes.push(`${(error as Error).stack ?? error}`);
  };

  constructor() {
    process.on("uncaughtException", this.#note);
    process.on("unhandledRejection", this.#note);
  }

  stop(): void {
    process.off("uncaughtException", this.#note);
    process.off("unhandledRejection", this.#note);
  }
}

/** Memory in use once caches are warm, against memory in use at the end, both after collection. */
class MemoryWatch {
  readonly #collect: () => void;
  #begin: number | undefined;

  constructor() {
    setFlagsFromString("--expose-gc");
    this.#collect = runInNewContext("gc") as () => void;
  }

  begin(): void {
    this.#begin ??= this.#used();
  }

  growthMib(): number {
    return this.#begin === undefined ? 0 : Math.round(this.#used() - this.#begin);
  }

  #used(): number {
    this.#collect();
    const { heapUsed, external } = process.memoryUsage();
    return (heapUsed + external) / 2 ** 20;
  }
}

export const isGood = ({ lines }: FuzzReport): boolean => areMet(lines);

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { frames: { type: "string", default: "1000000" }, seed: { type: "string", default: "1" } },
  });
  const report = await fuzz({ frames: Number(values.frames), seed: Number(values.seed) });
  report.lines.forEach(printFigure);
  for (const surprise of report.surprises) console.error(surprise);
  process.exitCode = isGood(report) ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
