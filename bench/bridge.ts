/**
 * What the bridge costs: gas of what users and validators do on L1, beside the contracts that the OP Stack publishes;
 * posting for each L2 transaction, by calldata and by blobs; blocks from one chain to the other; speed of derivation
 * beside importing the same blocks from peers. Prints `name value unit goal`, a line a figure.
 */
import { measureOutput } from "../test/helpers/oracle-gas.ts";
import { measureChain, type Posting } from "./bridge-chain.ts";
import { measureContracts, type SideBySide } from "./bridge-contracts.ts";
import { measureLatencies } from "./bridge-latency.ts";

const VALIDATORS = [4, 21, 100];
const MOST_OUTPUT_GAS = 400_000;
const BLOB_BYTES = 131_072;
let isMissed = false;

function print(name: string, value: number | bigint, unit: string, most?: number): void {
  const shown = Number(Number(value).toPrecision(6));
  const isOver = most !== undefined && shown >= most;
  if (isOver) isMissed = true;
  const goal = most === undefined ? "-" : `<${most}${isOver ? " MISSED" : ""}`;
  process.stdout.write(`bridge.${name} ${shown} ${unit} ${goal}\n`);
}

function printBoth(name: string, { ours, theirs }: SideBySide): void {
  print(`${name}.gas`, ours, "gas");
  print(`${name}.gas.op-stack`, theirs, "gas");
  print(`${name}.ratio-to-op-stack`, Number(ours) / Number(theirs), "times");
}

const { deposit, prove, finalize, theirOutput } = await measureContracts();
printBoth("deposit", deposit);
printBoth("prove", prove);
printBoth("finalize", finalize);

for (const count of VALIDATORS) {
  const { all, quorum } = await measureOutput(count);
  print(`output.${count}-validators.gas`, all, "gas", count === 100 ? MOST_OUTPUT_GAS : undefined);
  print(`output.${count}-validators.quorum.gas`, quorum, "gas");
  print(`output.${count}-validators.ratio-to-op-stack`, Number(all) / Number(theirOutput), "times");
}
// It checks no signature.
print("output.gas.op-stack-trusting-its-proposer", theirOutput, "gas");

const latencies = await measureLatencies();
print("latency.deposit", latencies.depositL1, "L1-blocks");
print("latency.deposit.after-its-block-counts", latencies.depositL2, "L2-blocks");
print("latency.batch", latencies.batchL1, "L1-blocks");
print("latency.output", latencies.outputL1, "L1-blocks");
print("latency.withdrawal", latencies.withdrawalL1, "L1-blocks");

const figures = await measureChain();
const each = ({ transactions }: Posting, amount: bigint | number) => Number(amount) / transactions;
const { calldata, blobs, bytes, calldataBytes } = figures;
print("posting.transactions", calldata.transactions, "transfers");
print("posting.bytes", each(calldata, calldataBytes), "bytes/transfer");
print("posting.bytes.uncompressed", each(calldata, bytes.plain), "bytes/transfer");
print("posting.bytes.zlib", each(calldata, bytes.zlib), "bytes/transfer");
print("posting.bytes.ratio-to-zlib", calldataBytes / bytes.zlib, "times");
print("posting.calldata.gas", each(calldata, calldata.gas), "gas/transfer");
print("posting.blobs.gas", each(blobs, blobs.gas), "gas/transfer");
print("posting.blobs.blob-gas", each(blobs, blobs.blobGas), "blob-gas/transfer");
print("posting.blobs.count", Number(blobs.blobGas) / BLOB_BYTES, "blobs");

print("derivation.speed", calldata.transactions / figures.deriveSeconds, "transactions/s");
print("derivation.import-speed", calldata.transactions / figures.importSeconds, "transactions/s");
print("derivation.ratio-to-import", figures.importSeconds / figures.deriveSeconds, "times");
if (isMissed) process.exitCode = 1;
