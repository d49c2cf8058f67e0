/** A host's loop on a real chain: what it commits, shows and settles, and that it may end at any moment. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { accountSigner } from "../../attribution/answer.ts";
import { textPrompt } from "../../attribution/prompt.ts";
import { viemChainReader } from "../../attribution/viem-chain-reader.ts";
import { bytesToHex } from "../../core/bytes.ts";
import { contentRoot } from "../../core/content.ts";
import { attributionAbi } from "../../precompiles/interfaces/attribution.abi.ts";
import { DEMANDER, HOST_ACCOUNT, HostWorld, PAYER, type Running, WINDOW_SECONDS } from "./testing/host-world.ts";

let world: HostWorld;
beforeEach(async () => {
  world = await HostWorld.open();
});
afterEach(() => world.close());

async function answer({ modelHost }: Running, { id, prompt }: { id: bigint; prompt: string }) {
  const result = await modelHost.answer(id, { prompt: textPrompt(prompt), maxTokens: 40 });
  if (!result.ok) throw new Error(`${result.code}: ${result.message}`);
  return result.answer;
}

const allAre = (ids: readonly bigint[], state: string) => async () =>
  (await Promise.all(ids.map((id) => world.stateOf(id)))).every((found) => found === state);

const events = (eventName: "BatchCommitted" | "ChunkShown" | "InferenceSettled" | "InferenceVoided") =>
  world.client.getContractEvents({
    address: "0x0000000000000000000000000000000000000903",
    abi: attributionAbi,
    eventName,
    fromBlock: 0n,
    strict: true,
  });

async function locked(): Promise<bigint> {
  return (await viemChainReader(world.client).stakeOf(HOST_ACCOUNT.address)).lockedWei;
}

describe("a host", () => {
  it("commits public and private answers in one batch, and settles them from it", async () => {
    const host = await world.start({ size: 3, waitMs: 60_000 });
    const asked = [await world.request(), await world.request("private"), await world.request()];
    for (const one of asked) await answer(host, one);
    const ids = asked.map(({ id }) => id);
    await world.until(allAre(ids, "committed"));
    expect((await events("BatchCommitted")).map(({ args }) => (args as { count: number }).count)).toEqual([3]);
    await world.block(WINDOW_SECONDS);
    await world.until(allAre(ids, "settled"));
    // In one transaction.
    expect(new Set((await events("InferenceSettled")).map(({ transactionHash }) => transactionHash)).size).toBe(1);
    await world.until(() => host.loop.book.size === 0);
    expect(await (await world.answers()).unclosed()).toEqual([]);
    expect(await locked()).toBe(0n);
  });

  it("does not wait for others when time is over, or a deadline is near", async () => {
    const host = await world.start({ size: 100, waitMs: 60_000, hurrySeconds: 500n });
    const one = await world.request();
    await answer(host, one);
    await world.block(90);
    expect(await world.stateOf(one.id)).toBe("requested");
    await world.block(20);
    await world.until(allAre([one.id], "committed"));
    await host.stop();
    const quick = await world.start({ size: 100, waitMs: 0, hurrySeconds: 0n });
    const two = await world.request();
    await answer(quick, two);
    await world.until(allAre([two.id], "committed"));
  });

  it("goes on from what a client committed itself", async () => {
    const host = await world.start({ waitMs: 60_000 });
    const one = await world.request();
    const { inferenceId, outputRoot, outputBytes, output, spans, signature } = await answer(host, one);
    await world.call(PAYER, "attribution", "commitOutputs", [
      [{ inferenceId, outputRoot, outputBytes, output, spans, signature }],
    ]);
    await world.until(() => host.loop.book.count("committed") === 1);
    await host.stop();
    const next = await world.start();
    await world.block(WINDOW_SECONDS);
    await world.until(allAre([one.id], "settled"));
    await world.until(() => next.loop.book.size === 0);
  });

  it("shows demanded chunks in time, many at once, also those that were demanded while it was down", async () => {
    const host = await world.start({ waitMs: 0 });
    const one = await world.request();
    await answer(host, one);
    await world.until(allAre([one.id], "committed"));
    const demand = (contribution: bigint, chunk: bigint) =>
      world.call(DEMANDER, "attribution", "demandChunk", [one.id, contribution, chunk], 10n ** 15n);
    await demand(3n, 0n);
    await demand(3n, 4n);
    await host.stop();
    await demand(1n, 1n);
    const next = await world.start({ waitMs: 0 });
    await demand(2n, 0n);
    await world.until(async () => (await events("ChunkShown")).length === 4);
    expect((await events("ChunkShown")).map(({ args }) => (args as { by: string }).by)).toEqual(
      Array.from({ length: 4 }, () => HOST_ACCOUNT.address),
    );
    // The window is longer by that.
    await world.block(WINDOW_SECONDS);
    await world.until(() => next.loop.book.get(one.id)?.openDemands === 0);
    expect(await world.stateOf(one.id)).toBe("committed");
    await world.block(WINDOW_SECONDS);
    await world.until(allAre([one.id], "settled"));
  });

  it("may be killed at any moment: everything is committed, shown and settled once", async () => {
    let host = await world.start({ waitMs: 0, size: 2 });
    const asked = [];
    for (let i = 0; i < 5; i++) asked.push(await world.request(i % 2 === 0 ? "public" : "private"));
    const outputs = [];
    const restart = async () => {
      host.kill();
      host = await world.start({ waitMs: 0, size: 2 });
    };
    for (const one of asked) {
      outputs.push((await answer(host, one)).outputRoot);
      await restart();
    }
    const ids = asked.map(({ id }) => id);
    for (let i = 0; !(await allAre(ids, "committed")()); i++) {
      if (i > 50) throw new Error("they are not committed");
      await world.until(() => world.mempool.counts.pending > 0 || host.loop.book.count("signed") === 0);
      // Sometimes with its transactions in the pool, sometimes after them.
      if (i % 2 === 0) await restart();
      await world.block(0);
      if (i % 2 === 1) await restart();
    }
    await world.call(DEMANDER, "attribution", "demandChunk", [ids[0]!, 3n, 2n], 10n ** 15n);
    await restart();
    await world.until(async () => (await events("ChunkShown")).length === 1);
    await world.block(2 * WINDOW_SECONDS);
    await restart();
    await world.until(allAre(ids, "settled"));
    await world.until(() => host.loop.book.size === 0);
    const again = await Promise.all(asked.map((one) => answer(host, one)));
    expect(again.map(({ outputRoot }) => outputRoot)).toEqual(outputs);
    expect(await events("InferenceVoided")).toEqual([]);
    expect(await locked()).toBe(0n);
  });

  it("an answer that the chain refuses holds up no other, and is given up at its deadline", async () => {
    const host = await world.start({ size: 4, waitMs: 60_000 });
    const asked = [];
    for (let i = 0; i < 4; i++) asked.push(await world.request());
    const ids = asked.map(({ id }) => id);
    for (const one of asked.slice(0, 3)) await answer(host, one);
    // A record with a signature that is none: as of a key that was changed.
    const log = await world.answers();
    const good = await log.read(ids[0]!);
    const { bytes } = textPrompt(asked[3]!.prompt);
    const bad = {
      ...good!,
      inferenceId: ids[3]!,
      requestRoot: bytesToHex(contentRoot(bytes)),
      signature: good!.signature,
    };
    await log.record(bad);
    await host.stop();
    const next = await world.start({ size: 4, waitMs: 0 });
    await world.until(allAre(ids.slice(0, 3), "committed"));
    await expect
      .poll(() => next.lines.map(({ reason }) => reason))
      .toContainEqual(expect.stringMatching(/^BadSignature\(/));
    expect(next.loop.book.count("signed")).toBe(1);
    await world.block(700);
    await world.until(() => next.loop.book.get(ids[3]!) === undefined);
    expect(await log.unclosed()).not.toContain(ids[3]!);
  });

  it("says so when it is slashed, and lets go of that inference", async () => {
    const host = await world.start({ waitMs: 0 });
    const one = await world.request();
    const { requestRoot, outputRoot, outputBytes, spans } = await answer(host, one);
    await world.until(allAre([one.id], "committed"));
    // Its key signed something else, by other means.
    const other = {
      inferenceId: one.id,
      requestRoot,
      outputRoot,
      outputBytes: outputBytes - 1,
      spansHash: `0x${"00".repeat(32)}`,
    } as const;
    const signature = await accountSigner(HOST_ACCOUNT).sign(world.chain.chainId, other);
    const claim = { inferenceId: one.id, outputRoot, outputBytes, spans, proof: [] };
    const args = [claim, other.outputRoot, other.outputBytes, other.spansHash, signature];
    await world.call(DEMANDER, "attribution", "proveContradiction", args);
    await world.until(() => host.loop.book.size === 0);
    expect(host.lines).toContainEqual(expect.objectContaining({ msg: "slashed", fault: "contradiction" }));
  });
});

describe("the stake", () => {
  it("bounds what is answered: signed and not committed counts, so does what is being made", async () => {
    const small = await HostWorld.open(3n * 10n ** 15n);
    try {
      const host = await small.start({ waitMs: 60_000 });
      // Each may lock 2 times a fee of 0.001 OPEN and little more.
      const [one, two] = [await small.request(), await small.request()];
      const results = await Promise.all(
        [one, two].map(({ id, prompt }) => host.modelHost.answer(id, { prompt: textPrompt(prompt), maxTokens: 5 })),
      );
      expect(results.map((result) => (result.ok ? "ok" : result.code)).sort()).toEqual(["ok", "stake-too-small"]);
      const refused = results.find((result) => !result.ok);
      expect(refused).toMatchObject({ message: expect.stringMatching(/may lock 0\.00\d+ OPEN .* 0\.000\d+ are free/) });
    } finally {
      await small.close();
    }
  });

  it("too many unsettled answers are refused", async () => {
    const host = await world.start({ waitMs: 60_000 }, {}, 1);
    const [one, two] = [await world.request(), await world.request()];
    await answer(host, one);
    const result = await host.modelHost.answer(two.id, { prompt: textPrompt(two.prompt), maxTokens: 5 });
    expect(result).toMatchObject({ ok: false, code: "too-many-unsettled" });
  });
});
