import { expect, it, vi } from "vitest";
import { BlockFeed } from "./block-feed.ts";
import { FakeChain } from "./testing/fake-chain.ts";

it("a block that cannot be read is reported, and delivered in its turn once it can", async () => {
  const chain = new FakeChain();
  const onError = vi.fn();
  const feed = new BlockFeed(chain, onError);
  const numbers: bigint[] = [];
  feed.listen((block) => numbers.push(block.header.number));
  const read = vi.spyOn(chain, "block").mockImplementationOnce(() => {
    throw new Error("damaged");
  });
  chain.mine([]);
  await vi.waitFor(() => expect(onError).toHaveBeenCalledOnce());
  expect(numbers).toEqual([]);
  chain.mine([]);
  await vi.waitFor(() => expect(numbers).toEqual([1n, 2n]));
  read.mockRestore();
  feed.close();
});
