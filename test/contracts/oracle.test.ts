/** The output oracle on a real L1, with the registry, the inbox and the portal that it stands among. */
import fc from "fast-check";
import { type Hex, parseEventLogs } from "viem";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bytesToHex, hexToBytes } from "../../core/bytes.ts";
import type { Header } from "../../core/chain.ts";
import { rlpDecode } from "../../core/rlp.ts";
import { encodeHeader, hashHeader, headerFromRlp } from "../../execution/block/header.ts";
import { deployContract, startAnvil } from "../helpers/anvil.ts";
import {
  GUARDIAN,
  MINIMUM_STAKE,
  OracleWorld,
  outputRootOf,
  PERIOD_SECONDS,
  STRANGER,
  setOf,
  testHeader,
  testPath,
  testValidator,
} from "../helpers/oracle-world.ts";
import { refusalOf } from "../helpers/revert.ts";
import { compileSolidity } from "../helpers/solidity.ts";

interface Output {
  readonly outputRoot: Hex;
  readonly timestamp: bigint;
  readonly l2BlockNumber: bigint;
}

const validators = [1n, 2n, 3n, 3n].map((stakes, i) => testValidator(i, MINIMUM_STAKE * stakes));
const { hash: setHash } = setOf(validators);

describe("outputs", () => {
  let world: OracleWorld;
  beforeEach(async () => {
    world = await OracleWorld.start({ validators });
  });
  afterEach(() => world.anvil.stop());

  const read = <T>(name: string, ...args: unknown[]): Promise<T> => world.read<T>(world.oracle, name, ...args);

  it("begin with genesis", async () => {
    const output = await read<Output>("getL2Output", 0n);
    expect(output).toMatchObject({ outputRoot: outputRootOf(testHeader(0n)), l2BlockNumber: 0n });
    expect(output.timestamp).toBeGreaterThan(0n);
    expect(await read("latestOutputIndex")).toBe(0n);
    expect(await read("latestBlockNumber")).toBe(0n);
    expect(await read("nextBlockNumber")).toBe(3n);
    expect(await read("latestSetHash")).toBe(bytesToHex(setHash));
    expect(await read("computeL2Timestamp", 5n)).toBe(testHeader(0n).timestamp + 5n);
  });

  it("are accepted with a certificate, from anybody, at any height from the next on", async () => {
    for (const [index, number] of [3n, 6n, 8n].entries()) {
      if (number === 8n) {
        const refusal = await refusalOf(world.output(number, validators));
        expect(refusal).toEqual({ name: "BlockTooLow", args: [8n, 9n] });
        continue;
      }
      const { logs, blockNumber } = await world.output(number, validators);
      const { timestamp } = await world.client.getBlock({ blockNumber });
      const root = outputRootOf(testHeader(number));
      const [event] = parseEventLogs({ abi: world.oracle.abi, logs });
      expect(event).toMatchObject({
        eventName: "OutputProposed",
        args: { outputRoot: root, l2OutputIndex: BigInt(index + 1), l2BlockNumber: number, l1Timestamp: timestamp },
      });
      expect(await read("getL2Output", BigInt(index + 1))).toEqual({
        outputRoot: root,
        timestamp,
        l2BlockNumber: number,
      });
    }
  });

  it("are accepted with just more than two thirds of the stake", async () => {
    // 6 of 9 are two thirds, and not more.
    const header = testHeader(3n);
    await world.post(header);
    const refusal = await refusalOf(world.propose([header], world.certify(header, validators, { signers: [2, 3] })));
    expect(refusal).toEqual({ name: "NoQuorum", args: [6n * MINIMUM_STAKE, 9n * MINIMUM_STAKE] });
    await world.propose([header], world.certify(header, validators, { signers: [0, 2, 3] }));
    expect(await read("latestBlockNumber")).toBe(3n);
  });

  it("reach a block that is final only through a descendant", async () => {
    await world.output(3n, validators, {}, 5);
    expect(await read("getL2Output", 1n)).toMatchObject({
      outputRoot: outputRootOf(testHeader(3n)),
      l2BlockNumber: 3n,
    });
    const path = testPath(7n, 2);
    const [certified, certificate] = [path[2]!, world.certify(path[2]!, validators)];
    await world.post(certified);
    for (const broken of [
      [path[0]!, path[2]!],
      [path[0]!, testHeader(8n), path[2]!],
      [path[0]!, { ...path[1]!, number: 9n }, path[2]!],
    ]) {
      expect((await refusalOf(world.propose(broken, certificate))).name).toBe("BrokenPath");
    }
    for (const length of [0, 65]) {
      const headers = Array.from({ length }, () => path[0]!);
      expect(await refusalOf(world.propose(headers, certificate))).toEqual({
        name: "InvalidPath",
        args: [BigInt(length)],
      });
    }
    await world.propose(path, certificate);
    expect(await read("latestBlockNumber")).toBe(7n);
  });

  it("are found by block, and what has none is refused in the words that viem waits by", async () => {
    for (const number of [3n, 6n, 9n]) {
      await world.output(number, validators, number === 9n ? { extraData: setHash } : {});
    }
    const found = await Promise.all([0n, 1n, 3n, 4n, 6n, 7n, 9n].map((n) => read("getL2OutputIndexAfter", n)));
    expect(found).toEqual([0n, 1n, 1n, 2n, 2n, 3n, 3n]);
    expect(await read("getL2OutputAfter", 4n)).toMatchObject({ l2BlockNumber: 6n });
    expect(await refusalOf(read("getL2OutputIndexAfter", 10n))).toEqual({
      name: "Error",
      args: ["L2OutputOracle: cannot get output for a block that has not been proposed"],
    });
  });

  it("are deleted by the guardian until they are final, and with them the epochs that they named", async () => {
    await world.output(3n, validators);
    await world.endEpoch(0n, validators, setHash);
    await world.output(13n, validators);
    await world.endEpoch(1n, validators, setHash);
    expect(await read("knownEpochs")).toBe(3n);
    const remove = (index: bigint, from = GUARDIAN) => world.send(world.oracle, "deleteL2Outputs", [index], { from });
    expect((await refusalOf(remove(2n, STRANGER))).name).toBe("NotGuardian");
    for (const index of [0n, 5n]) expect((await refusalOf(remove(index))).name).toBe("NotDeletable");

    const { logs } = await remove(4n);
    expect(parseEventLogs({ abi: world.oracle.abi, logs })[0]).toMatchObject({
      eventName: "OutputsDeleted",
      args: { prevNextOutputIndex: 5n, newNextOutputIndex: 4n },
    });
    expect(await read("knownEpochs")).toBe(2n);
    expect(await refusalOf(world.output(23n, validators))).toMatchObject({ name: "UnknownEpoch" });
    await remove(2n);
    expect(await read("knownEpochs")).toBe(1n);
    expect(await read("latestBlockNumber")).toBe(3n);
    expect(await refusalOf(world.output(13n, validators))).toMatchObject({ name: "UnknownEpoch" });

    // They may be proposed again, and are young again.
    await world.endEpoch(0n, validators, setHash);
    await world.output(14n, validators);
    expect(await read("latestBlockNumber")).toBe(14n);
    await world.pass(PERIOD_SECONDS - 10);
    await world.output(17n, validators);
    await world.pass(10);
    for (const index of [1n, 2n, 3n]) {
      expect(await refusalOf(remove(index))).toEqual({ name: "NotDeletable", args: [index] });
    }
    await remove(4n);
    expect(await read("latestBlockNumber")).toBe(14n);
  });

  it("follow a set that comes again, but never go back to an older one", async () => {
    // Sets: A (0), then AB (1), then A again once B has left (2), then AB can come no more.
    const late = testValidator(9, MINIMUM_STAKE, STRANGER.address);
    const both = setOf([...validators, late]);
    const snapshot = () => world.send(world.registry, "snapshot", []);
    await world.register(late);
    await snapshot();
    await world.endEpoch(0n, validators, both.hash);
    const everybody = [...validators, late];
    await world.send(world.registry, "exit", [late.id], { from: STRANGER });
    await snapshot();
    expect(await world.read(world.registry, "latestSetHash")).toBe(bytesToHex(setHash));
    await world.endEpoch(1n, everybody, setHash);
    expect(await read("epochs", 2n)).toMatchObject({ setHash: bytesToHex(setHash), snapshot: 2n });
    const refusal = await refusalOf(world.endEpoch(2n, validators, both.hash));
    expect(refusal).toEqual({ name: "UnknownSet", args: [bytesToHex(both.hash)] });
    await world.endEpoch(2n, validators, setHash);
  });
});

describe("headers", () => {
  const contract = compileSolidity("test/contracts/L1Libraries.sol", "L1Libraries");

  it("are read as the node reads them, and refused where it refuses them", async () => {
    const anvil = await startAnvil();
    try {
      const address = await deployContract(anvil.client, contract);
      const parse = (header: Uint8Array) =>
        anvil.client.readContract({ address, abi: contract.abi, functionName: "parse", args: [bytesToHex(header)] });
      const uint = (bytes: number) => fc.bigInt({ min: 0n, max: 2n ** BigInt(8 * bytes) - 1n }).map(shortened);
      const header: fc.Arbitrary<Header> = fc
        .record({
          number: uint(8),
          gasLimit: uint(8),
          gasUsed: uint(8),
          timestamp: uint(8),
          difficulty: uint(32),
          baseFeePerGas: uint(32),
          blobGasUsed: uint(8),
          excessBlobGas: uint(8),
          extraData: fc.uint8Array({ maxLength: 32 }),
        })
        .map((parts) => testHeader(7n, parts as Partial<Header>));
      const change = fc.record({
        at: fc.nat({ max: 700 }),
        kind: fc.constantFrom("none", "set", "insert", "remove", "append"),
        value: fc.nat({ max: 255 }),
      });
      await fc.assert(
        fc.asyncProperty(header, change, async (original, { at, kind, value }) => {
          const bytes = [...encodeHeader(original)];
          const position = at % bytes.length;
          if (kind === "set") bytes[position] = value;
          if (kind === "insert") bytes.splice(position, 0, value);
          if (kind === "remove") bytes.splice(position, 1);
          if (kind === "append") bytes.push(value);
          // So that a length that no longer fits the list's is not the only reason.
          if (kind !== "none" && value % 2 === 0)
            bytes.splice(0, 3, 0xf9, (bytes.length - 3) >> 8, (bytes.length - 3) & 255);
          const changed = Uint8Array.from(bytes);
          let expected: Header | undefined;
          try {
            expected = headerFromRlp(rlpDecode(changed));
          } catch {
            // no header
          }
          if (expected === undefined) {
            expect(await refusalOf(parse(changed))).toEqual({ name: "InvalidHeader", args: [] });
            return;
          }
          expect(await parse(changed)).toEqual({
            hash: bytesToHex(hashHeader(expected)),
            parentHash: bytesToHex(expected.parentHash),
            stateRoot: bytesToHex(expected.stateRoot),
            withdrawalsRoot: bytesToHex(expected.withdrawalsRoot),
            number: expected.number,
            extraData: bytesToHex(expected.extraData.length === 32 ? expected.extraData : new Uint8Array(32)),
          });
        }),
        { numRuns: 400 },
      );
      // Integers with a leading zero, a zero that is a byte, a byte behind a prefix.
      const canonical = bytesToHex(encodeHeader(testHeader(7n, { gasUsed: 0n })));
      for (const [from, to] of [
        ["8007", "80820007"],
        ["8007", "808107"],
        ["8007", "0007"],
      ] as const) {
        const broken = hexToBytes(canonical.replace(from, to) as Hex);
        broken.set([0xf9, (broken.length - 3) >> 8, (broken.length - 3) & 255]);
        expect(await refusalOf(parse(broken))).toEqual({ name: "InvalidHeader", args: [] });
      }
    } finally {
      await anvil.stop();
    }
  });
});

/** Small ones as often as large ones: an integer's length is what decides how it is written. */
const shortened = (value: bigint): bigint => value >> (value % 17n === 0n ? 0n : (value % 64n) * 4n);
