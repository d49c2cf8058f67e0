import { randomBytes } from "node:crypto";
import { afterEach, describe, expect, it } from "vitest";
import { collect, failure, isLinked, listen, Nodes, until } from "./testing/nodes.ts";

const nodes = new Nodes();
afterEach(() => nodes.stop());

const data = (text: string) => new Uint8Array(Buffer.from(text));
const texts = (heard: readonly { data: Uint8Array }[]) => heard.map((message) => Buffer.from(message.data).toString());

describe("gossip", () => {
  it("reaches everybody once, without an echo", async () => {
    const all = await nodes.startMesh(4);
    const heard = all.map((node) => listen(node, "vote"));
    const handedTo = await Promise.all(all.map((node, index) => node.publish("vote", data(`vote ${index}`))));
    expect(handedTo).toEqual([3, 3, 3, 3]);
    await until(() => heard.every((messages) => messages.length >= 3), "three votes each");
    for (const [index, messages] of heard.entries()) {
      expect(texts(messages).sort()).toEqual(["vote 0", "vote 1", "vote 2", "vote 3"].filter((_, i) => i !== index));
    }
  });
});
