/**
 * A thread that is told by the first envelope how to fail: "spin", "throw", "exit". Else it says of each that its sender is
 * 0x1111..; of "slow" only when it is told something else.
 */
import { parentPort } from "node:worker_threads";
import { concatBytes } from "../../../core/bytes.ts";
import { keccak256 } from "../../../core/crypto.ts";
import { type FromThread, type ToThread, unpackEnvelopes } from "../protocol.ts";

const send = (message: FromThread): void => parentPort?.postMessage(message);
const slow: ToThread[] = [];
const failures: Readonly<Record<string, () => void>> = {
  throw: () => {
    throw new Error("thrown");
  },
  exit: () => process.exit(3),
  spin: () => {
    for (;;);
  },
};

function answer({ id, packed }: ToThread): void {
  const found = [...unpackEnvelopes(packed)].flatMap((raw) => [keccak256(raw), new Uint8Array(20).fill(0x11)]);
  send({ id, found: concatBytes(...found) });
}

parentPort?.on("message", (message: ToThread) => {
  const [first] = unpackEnvelopes(message.packed);
  const how = Buffer.from(first ?? []).toString();
  const fail = failures[how];
  if (fail !== undefined) fail();
  else if (how === "slow") slow.push(message);
  else for (const each of [...slow.splice(0), message]) answer(each);
});
send("ready");
