import { randomBytes } from "node:crypto";
import type { Connection, Stream } from "@libp2p/interface";
import { afterEach, describe, expect, it } from "vitest";
import type { NetworkConfig } from "./config.ts";
import { MAX_REQUEST_BYTES, PROTOCOL_LIMITS, REQUESTS_AT_ONCE } from "./limits.ts";
import type { Libp2pNetwork } from "./network.ts";
import { frame, STATUS, TRAILER, u32 } from "./request-frames.ts";
import { StreamReader } from "./streams.ts";
import { collect, failure, Nodes, until } from "./testing/nodes.ts";
import { RawPeer } from "./testing/raw-peer.ts";

const nodes = new Nodes();
const raws: RawPeer[] = [];
afterEach(async () => {
  await Promise.all(raws.splice(0).map((raw) => raw.stop()));
  await nodes.stop();
});

const NOTHING = new Uint8Array(0);
/** Raw peers without gossip are left alone. */
const linkTicks = { missing: 1_000, silent: 1_000, stuck: 1_000, announce: 1_000 };

async function pair(tuning: NetworkConfig["tuning"] = {}): Promise<[Libp2pNetwork, Libp2pNetwork]> {
  return (await nodes.startMesh(2, { tuning, wantedPeers: 0 })) as [Libp2pNetwork, Libp2pNetwork];
}

/** A node, and a raw peer on it that answers with these bytes. */
async function withServer(
  serve: (stream: Stream) => void,
  tuning: NetworkConfig["tuning"] = {},
): Promise<{ node: Libp2pNetwork; raw: RawPeer }> {
  const raw = await RawPeer.start({ listens: true, serve: (_, stream) => serve(stream) });
  raws.push(raw);
  const node = await nodes.start({ staticPeers: [raw.address], tuning: { linkTicks, ...tuning }, wantedPeers: 0 });
  await until(() => node.peers.length === 1, "connected");
  return { node, raw };
}

async function withAsker(tuning: NetworkConfig["tuning"] = {}) {
  const node = await nodes.start({ tuning: { linkTicks, ...tuning }, wantedPeers: 0 });
  const raw = await RawPeer.start();
  raws.push(raw);
  const connection = await raw.connect(node.addresses[0]!);
  await until(() => node.peers.length === 1, "connected");
  return { node, raw, connection };
}

/** Everything that comes until the stream ends; its own iterator waits for ever for an end that came before it. */
async function readAll(stream: Stream): Promise<Buffer> {
  const { signal } = new AbortController();
  const reader = new StreamReader(stream);
  const parts: Uint8Array[] = [];
  while (!(await reader.isAtEnd(signal))) parts.push(await reader.read(1, signal));
  return Buffer.concat(parts);
}

/** A condition: something began, and has not moved for fifty looks. */
function isStill(read: () => number): () => boolean {
  let [before, looks] = [-1, 0];
  return () => {
    const now = read();
    looks = now === before && now > 0 ? looks + 1 : 0;
    before = now;
    return looks === 50;
  };
}

async function ask(raw: RawPeer, connection: Connection, payload: Uint8Array): Promise<Buffer> {
  const stream = await raw.openRequest(connection, "status");
  stream.send(frame(payload));
  await stream.close();
  return readAll(stream);
}

const answer = (...parts: Uint8Array[]) => new Uint8Array(Buffer.concat([Uint8Array.of(STATUS.ok), ...parts]));
const COMPLETE = u32(TRAILER.complete);

describe("requests", () => {
  it("are answered with the handler's chunks, in order, from any kind of iterable", async () => {
    const [a, b] = await pair();
    b.handleRequest("epochs", (payload, from) => [payload, Buffer.from(from), NOTHING]);
    b.handleRequest("blocks-by-range", async function* () {
      yield randomBytes(10);
      yield randomBytes(20);
    });
    const payload = new Uint8Array(randomBytes(MAX_REQUEST_BYTES));
    expect(await collect(a.request(b.id, "epochs", payload))).toEqual([
      payload,
      new Uint8Array(Buffer.from(a.id)),
      NOTHING,
    ]);
    const blocks = await collect(a.request(b.id, "blocks-by-range", NOTHING));
    expect(blocks.map(({ length }) => length)).toEqual([10, 20]);
    expect(b.stats.requests).toMatchObject({ served: 2, busy: 0, refused: 0, failed: 0, bad: 0 });
  });

  it("bring answers as large as the protocol allows, through every buffer on the way", async () => {
    const [a, b] = await pair();
    const { totalBytes, chunks } = PROTOCOL_LIMITS["blocks-by-range"];
    const chunk = randomBytes(totalBytes / chunks);
    b.handleRequest("blocks-by-range", () => Array.from({ length: chunks }, () => chunk));
    const got = await collect(a.request(b.id, "blocks-by-range", NOTHING));
    expect(got).toHaveLength(chunks);
    expect(got.every((part) => chunk.equals(part))).toBe(true);
    const whole = randomBytes(PROTOCOL_LIMITS.state.totalBytes);
    b.handleRequest("state", () => [whole]);
    const [state] = await collect(a.request(b.id, "state", NOTHING));
    expect(whole.equals(state!)).toBe(true);
  });

  it("the answer waits for an asker that takes its time", async () => {
    const [a, b] = await pair();
    const chunk = new Uint8Array(128 * 1_024);
    let given = 0;
    b.handleRequest("blocks-by-range", async function* () {
      for (; given < 64; given++) yield chunk;
    });
    const chunks = a.request(b.id, "blocks-by-range", NOTHING)[Symbol.asyncIterator]();
    await chunks.next();
    // It stops when every buffer on the way is full, well before the end.
    await until(
      isStill(() => given),
      "it stopped",
    );
    expect(given).toBeLessThan(60);
    let got = 1;
    while ((await chunks.next()).done !== true) got++;
    expect(got).toBe(64);
  });

  it("to whom nobody is connected, for what nobody answers, of too many bytes: fail", async () => {
    const [a, b] = await pair();
    const stranger = await nodes.start({ wantedPeers: 0 });
    expect(await failure(collect(a.request(stranger.id, "status", NOTHING)))).toMatchObject({ code: "closed" });
    expect(await failure(collect(a.request(b.id, "status", NOTHING)))).toMatchObject({ code: "refused" });
    const tooLarge = a.request(b.id, "status", new Uint8Array(MAX_REQUEST_BYTES + 1));
    expect(await failure(collect(tooLarge))).toBeInstanceOf(RangeError);
    expect(() => a.handleRequest("peers", () => [])).toThrow(RangeError);
    expect(b.stats.requests.refused).toBe(1);
  });

  it("a handler that throws ends the answer, and what came before counts", async () => {
    const [a, b] = await pair();
    b.handleRequest("blocks-by-range", () => {
      throw new Error("on purpose");
    });
    expect(await failure(collect(a.request(b.id, "blocks-by-range", NOTHING)))).toMatchObject({ code: "refused" });
    b.handleRequest("blocks-by-range", async function* () {
      yield Uint8Array.of(1);
      throw new Error("on purpose");
    });
    const got: Uint8Array[] = [];
    const error = await failure(
      (async () => {
        for await (const chunk of a.request(b.id, "blocks-by-range", NOTHING)) got.push(chunk);
      })(),
    );
    expect(error).toMatchObject({ code: "refused" });
    expect(got).toEqual([Uint8Array.of(1)]);
    expect(a.peers[0]!.score).toBe(0);
  });

  it("a handler that gives more than the protocol allows is stopped", async () => {
    const [a, b] = await pair();
    b.handleRequest("status", () => [new Uint8Array(PROTOCOL_LIMITS.status.chunkBytes + 1)]);
    expect(await failure(collect(a.request(b.id, "status", NOTHING)))).toMatchObject({ code: "refused" });
    b.handleRequest("status", function* () {
      for (;;) yield Uint8Array.of(1);
    });
    expect(await failure(collect(a.request(b.id, "status", NOTHING)))).toMatchObject({ code: "refused" });
  });

  it("an asker that leaves stops the handler, in the middle of whatever", async () => {
    const [a, b] = await pair();
    let stopped = 0;
    b.handleRequest("blocks-by-range", async function* () {
      try {
        for (;;) yield new Uint8Array(100_000);
      } finally {
        stopped++;
      }
    });
    for await (const chunk of a.request(b.id, "blocks-by-range", NOTHING)) {
      expect(chunk).toHaveLength(100_000);
      break;
    }
    await until(() => stopped === 1, "stopped");
    let isWaiting = false;
    b.handleRequest("blocks-by-hash", () => ({
      [Symbol.asyncIterator]: () => ({
        next: () => {
          isWaiting = true;
          return new Promise(() => {});
        },
        return: async () => {
          stopped++;
          return { done: true, value: undefined };
        },
      }),
    }));
    const waiting = failure(collect(a.request(b.id, "blocks-by-hash", NOTHING)));
    await until(() => isWaiting, "the handler waits");
    await a.stop();
    await until(() => stopped === 2, "stopped though it waits");
    expect(await waiting).toMatchObject({ code: "closed" });
  });

  it("too many at once find no place", async () => {
    const [a, b] = await pair();
    let release: () => void = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    let inWork = 0;
    b.handleRequest("state", async function* () {
      inWork++;
      await held;
      yield NOTHING;
    });
    const most = REQUESTS_AT_ONCE.asked.peer;
    const answers = Array.from({ length: most }, () => collect(a.request(b.id, "state", NOTHING)));
    await until(() => inWork === most, "all are in work");
    expect(await failure(collect(a.request(b.id, "state", NOTHING)))).toMatchObject({ code: "busy" });
    release();
    expect(await Promise.all(answers)).toHaveLength(most);
  });

  it("an empty bucket answers busy, and fills again", async () => {
    const [a, b] = await pair({ protocols: { status: { peer: { perSecond: 5, burst: 2 } } } });
    b.handleRequest("status", () => [NOTHING]);
    const request = () => collect(a.request(b.id, "status", NOTHING));
    const results = await Promise.allSettled([request(), request(), request()]);
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(2);
    const [refused] = results.filter((result) => result.status === "rejected");
    expect(refused!.reason).toMatchObject({ code: "busy" });
    expect(b.stats.requests.busy).toBe(1);
    let isServed = false;
    await until(() => {
      void request().then(
        () => {
          isServed = true;
        },
        () => undefined,
      );
      return isServed;
    }, "served again");
    // The asker is not at fault for being told to wait.
    expect(a.peers[0]!.score).toBe(0);
  });

  it("the bucket of all keeps some for nobody", async () => {
    const [a, b] = await pair({ protocols: { status: { all: { perSecond: 0.001, burst: 1 } } } });
    b.handleRequest("status", () => [NOTHING]);
    expect(await collect(a.request(b.id, "status", NOTHING))).toEqual([NOTHING]);
    expect(await failure(collect(a.request(b.id, "status", NOTHING)))).toMatchObject({ code: "busy" });
  });
});

describe("a peer that answers", () => {
  it.each([
    ["an unknown status", Uint8Array.of(9)],
    ["a chunk above the limit", answer(u32(PROTOCOL_LIMITS.status.chunkBytes + 1))],
    ["more chunks than allowed", answer(frame(NOTHING), frame(NOTHING), COMPLETE)],
    ["more after the end", answer(frame(NOTHING), COMPLETE, Uint8Array.of(1))],
    ["noise", new Uint8Array(randomBytes(4_000).fill(0xee, 0, 1))],
  ])("%s, is at fault", async (_, bytes) => {
    const { node, raw } = await withServer((stream) => {
      stream.send(bytes);
      void stream.close();
    });
    expect(await failure(collect(node.request(raw.id, "status", NOTHING)))).toMatchObject({ code: "bad" });
    expect(node.peers[0]!.score).toBeLessThan(-15);
  });

  it("more bytes in all than allowed, is at fault", async () => {
    const limits = { chunkBytes: 10, totalBytes: 15, chunks: 3 };
    const { node, raw } = await withServer(
      (stream) => {
        stream.send(answer(frame(new Uint8Array(10)), frame(new Uint8Array(6)), COMPLETE));
        void stream.close();
      },
      { protocols: { status: limits } },
    );
    expect(await failure(collect(node.request(raw.id, "status", NOTHING)))).toMatchObject({ code: "bad" });
  });

  it.each([
    ["nothing", new Uint8Array(0)],
    ["half a chunk", answer(u32(10), new Uint8Array(5))],
    ["no end", answer(frame(NOTHING))],
  ])("%s, left early", async (_, bytes) => {
    const { node, raw } = await withServer((stream) => {
      if (bytes.length > 0) stream.send(bytes);
      void stream.close();
    });
    expect(await failure(collect(node.request(raw.id, "status", NOTHING)))).toMatchObject({ code: "closed" });
    expect(node.peers[0]!.score).toBe(0);
  });

  it("by breaking the stream, or the connection, left early", async () => {
    const { node, raw } = await withServer((stream) => stream.abort(new Error("on purpose")));
    expect(await failure(collect(node.request(raw.id, "status", NOTHING)))).toMatchObject({ code: "closed" });
    const cut = await withServer(() => void cut.raw.connections[0]!.close());
    expect(await failure(collect(cut.node.request(cut.raw.id, "status", NOTHING)))).toMatchObject({ code: "closed" });
  });

  it("never, or never to the end, is out of time", async () => {
    const protocols = { status: { timeMs: 200 } };
    const silent = await withServer(() => undefined, { protocols });
    expect(await failure(collect(silent.node.request(silent.raw.id, "status", NOTHING)))).toMatchObject({
      code: "timeout",
    });
    const slow = await withServer((stream) => stream.send(answer(u32(10), Uint8Array.of(1))), { protocols });
    expect(await failure(collect(slow.node.request(slow.raw.id, "status", NOTHING)))).toMatchObject({
      code: "timeout",
    });
  });
});

describe("a peer that asks", () => {
  it("is answered byte by byte as documented", async () => {
    const { node, raw, connection } = await withAsker();
    node.handleRequest("status", (payload) => [payload]);
    const got = await ask(raw, connection, Uint8Array.of(1, 2));
    expect(got.toString("hex")).toBe("00000000020102ffffffff");
  });

  it.each([
    ["for too much", u32(MAX_REQUEST_BYTES + 1)],
    ["with half a request", Uint8Array.of(0, 0, 0, 9, 1)],
    ["nothing", new Uint8Array(0)],
  ])("%s, is cut and at fault", async (_, bytes) => {
    const { node, raw, connection } = await withAsker();
    let asked = 0;
    node.handleRequest("status", () => {
      asked++;
      return [];
    });
    const stream = await raw.openRequest(connection, "status");
    if (bytes.length > 0) stream.send(bytes);
    await stream.close();
    await readAll(stream).catch(() => undefined);
    await until(() => node.stats.requests.bad === 1, "counted");
    expect(node.peers[0]!.score).toBeLessThan(-15);
    expect(asked).toBe(0);
  });

  it("too often, is told so, and banned when it does not listen", async () => {
    const { node, raw, connection } = await withAsker({
      protocols: { status: { peer: { perSecond: 0.001, burst: 1 } } },
    });
    node.handleRequest("status", () => [NOTHING]);
    expect((await ask(raw, connection, NOTHING))[0]).toBe(STATUS.ok);
    expect([...(await ask(raw, connection, NOTHING))]).toEqual([STATUS.busy]);
    await until(() => {
      void ask(raw, connection, NOTHING).catch(() => undefined);
      return node.stats.bans === 1;
    }, "banned");
  });

  it("an answer that is not read does not pile up in memory", async () => {
    const { node, raw, connection } = await withAsker();
    let given = 0;
    let isStopped = false;
    node.handleRequest("blocks-by-range", async function* () {
      try {
        for (; ; given++) yield new Uint8Array(128 * 1_024);
      } finally {
        isStopped = true;
      }
    });
    const stream = await raw.openRequest(connection, "blocks-by-range");
    stream.pause();
    stream.send(frame(NOTHING));
    await until(
      isStill(() => given),
      "it waits",
    );
    expect(given).toBeLessThan(40);
    stream.abort(new Error("the asker leaves"));
    await until(() => isStopped, "the handler is stopped");
  });
});
