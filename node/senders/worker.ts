/** Runs in a thread that threads.ts starts: recovers the senders of transactions. */
import { parentPort, workerData } from "node:worker_threads";
import { decodeTransaction } from "../../execution/tx/decode.ts";
import { FOUND_BYTES, type FromThread, type SendersData, type ToThread, unpackEnvelopes } from "./protocol.ts";

const port = parentPort;
if (port === null) throw new Error("this module runs in a thread: use SenderThreads");
const { chainId } = workerData as SendersData;

port.on("message", ({ id, packed }: ToThread) => {
  const envelopes = [...unpackEnvelopes(packed)];
  const found = new Uint8Array(envelopes.length * FOUND_BYTES);
  let length = 0;
  for (const envelope of envelopes) {
    const decoded = decodeTransaction(envelope, chainId);
    // Whoever decodes them in turn goes no further either.
    if (!decoded.ok) break;
    found.set(decoded.tx.hash, length);
    found.set(decoded.tx.from, length + 32);
    length += FOUND_BYTES;
  }
  const answer = { id, found: found.subarray(0, length) } satisfies FromThread;
  port.postMessage(answer, [found.buffer]);
});
port.postMessage("ready" satisfies FromThread);
