import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { CodecError, encodeProposal, MAX_PROPOSAL_BYTES } from "../../consensus/codec.ts";
import { KIND, type Proposal } from "../../consensus/types.ts";
import { EMPTY_BYTES } from "../../core/bytes.ts";
import { decodeBlock, encodeBlock } from "../../execution/block/block-codec.ts";
import { Chain } from "../chain.ts";
import { CHAIN_ID, extend, FakeStore, rich, signed, testGenesis } from "../testing/world.ts";
import {
  decodeBlockMessage,
  decodeTransactions,
  encodeBlockMessage,
  encodeTransactions,
  isBlockOf,
  placeOf,
} from "./messages.ts";

/** Of a chain of two blocks, the second with two transactions. */
let raw: Uint8Array;
let proposal: Proposal;
let first: { readonly raw: Uint8Array; readonly hash: Uint8Array };
let genesisHash: Uint8Array;
beforeAll(async () => {
  const chain = await Chain.open(new FakeStore(), testGenesis([rich(0), rich(1)]), []);
  genesisHash = chain.genesisHash;
  const one = await extend(chain, []);
  first = { raw: one.raw, hash: one.block.hash };
  const two = await extend(chain, [signed(0, 0n), signed(1, 0n, { type: 0 })]);
  raw = two.raw;
  proposal = propose(two.block.hash, first.hash, 2);
});

function propose(block: Uint8Array, parent: Uint8Array, height: number): Proposal {
  const signature = new Uint8Array(96).fill(7);
  return {
    vote: { kind: KIND.notarize, epoch: 0, view: 5, parentView: 4, block, signer: 1, signature },
    height,
    parent,
    certificates: [
      {
        kind: KIND.notarize,
        epoch: 0,
        view: 4,
        parentView: 3,
        block: parent,
        bitmap: Uint8Array.of(0b111),
        signature,
      },
    ],
  };
}

/** Runs a decoder on bytes; anything but a value or a CodecError is a defect. */
function onlyCodecErrors(decode: (bytes: Uint8Array) => unknown): (bytes: Uint8Array) => void {
  return (bytes) => {
    try {
      decode(bytes);
    } catch (error) {
      if (!(error instanceof CodecError)) throw error;
    }
  };
}

describe("block messages", () => {
  test("round trip, with a block and without", () => {
    for (const body of [raw, EMPTY_BYTES]) {
      const decoded = decodeBlockMessage(encodeBlockMessage({ proposal, raw: body }));
      expect(decoded).toEqual({ proposal, raw: body });
    }
  });

  test("the layout: length of the proposal, proposal, block", () => {
    const message = encodeBlockMessage({ proposal, raw });
    const head = encodeProposal(proposal);
    expect(new DataView(message.buffer).getUint32(0)).toBe(head.length);
    expect(message.slice(4, 4 + head.length)).toEqual(head);
    expect(message.slice(4 + head.length)).toEqual(raw);
  });

  test("a length that does not fit, or is that of no proposal", () => {
    const message = encodeBlockMessage({ proposal, raw });
    const view = new DataView(message.buffer);
    for (const length of [0, message.length - 3, MAX_PROPOSAL_BYTES + 1, 2 ** 32 - 1]) {
      view.setUint32(0, length);
      expect(() => decodeBlockMessage(message)).toThrow(CodecError);
    }
    for (const short of [0, 1, 3, 4]) expect(() => decodeBlockMessage(new Uint8Array(short))).toThrow(CodecError);
  });

  test("random bytes, and true ones that were changed, give a CodecError or a message", () => {
    const check = onlyCodecErrors(decodeBlockMessage);
    fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), check));
    const message = encodeBlockMessage({ proposal, raw });
    fc.assert(
      fc.property(fc.nat(message.length - 1), fc.nat(255), fc.nat(message.length), (at, byte, length) => {
        const changed = message.slice(0, length);
        if (at < length) changed[at] = byte;
        check(changed);
      }),
    );
  });
});

describe("the block of a proposal", () => {
  test("its bytes are, and no other", () => {
    expect(isBlockOf(raw, proposal)).toBe(true);
    expect(isBlockOf(first.raw, propose(first.hash, genesisHash, 1))).toBe(true);
    expect(isBlockOf(first.raw, proposal)).toBe(false);
    expect(isBlockOf(raw, { ...proposal, height: 3 })).toBe(false);
    expect(isBlockOf(raw, { ...proposal, parent: genesisHash })).toBe(false);
    expect(isBlockOf(EMPTY_BYTES, proposal)).toBe(false);
  });

  test("that is proposed again names itself as its parent", () => {
    const { block } = proposal.vote;
    expect(isBlockOf(raw, { ...proposal, parent: block })).toBe(true);
    expect(isBlockOf(raw, { ...proposal, parent: block, height: 3 })).toBe(false);
  });

  test("another body under its header: without a transaction, with one twice, in another order", () => {
    const decoded = decodeBlock(raw, CHAIN_ID);
    if (!decoded.ok) throw new Error(decoded.reason);
    const { header, transactions } = decoded.block;
    const [one, two] = transactions;
    expect(encodeBlock({ header, transactions: [one!, two!] })).toEqual(raw);
    for (const others of [[], [one!], [two!], [two!, one!], [one!, one!], [one!, two!, two!]]) {
      expect(isBlockOf(encodeBlock({ header, transactions: others }), proposal)).toBe(false);
    }
  });

  test("never throws, whatever the bytes are", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 800 }), (bytes) => {
        expect(isBlockOf(bytes, proposal)).toBe(false);
      }),
    );
    fc.assert(
      fc.property(fc.nat(raw.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const changed = raw.slice();
        changed[at] = changed[at]! ^ change;
        expect(isBlockOf(changed, proposal)).toBe(false);
      }),
    );
    fc.assert(
      fc.property(fc.nat(raw.length - 1), (length) => {
        expect(isBlockOf(raw.slice(0, length), proposal)).toBe(false);
      }),
    );
    expect(isBlockOf(Uint8Array.of(...raw, 0), proposal)).toBe(false);
  });

  test("its place in the chain", () => {
    const { hash, number, parentHash } = placeOf(raw);
    expect({ hash, number, parentHash }).toEqual({ hash: proposal.vote.block, number: 2n, parentHash: first.hash });
  });
});

describe("messages of transactions", () => {
  const transactions = fc.array(fc.uint8Array({ minLength: 1, maxLength: 200 }), { minLength: 1, maxLength: 20 });

  test("round trip, whatever the salt is", () => {
    fc.assert(
      fc.property(transactions, fc.nat(Number.MAX_SAFE_INTEGER), (raws, salt) => {
        const message = encodeTransactions(raws, salt);
        expect(decodeTransactions(message)).toEqual(raws);
        expect(new DataView(message.buffer).getUint32(0)).toBe(salt % 2 ** 32);
      }),
    );
  });

  test("another salt makes another message of the same transactions", () => {
    const raws = [Uint8Array.of(1, 2, 3)];
    const [one, two] = [encodeTransactions(raws, 1), encodeTransactions(raws, 2)];
    expect(one).toEqual(Uint8Array.of(0, 0, 0, 1, 0, 0, 0, 3, 1, 2, 3));
    expect(two).not.toEqual(one);
  });

  test("cut off anywhere but between two transactions, they are no message", () => {
    fc.assert(
      fc.property(transactions, fc.nat(), (raws, at) => {
        const message = encodeTransactions(raws, 0);
        const length = at % message.length;
        const ends = raws.map((_, index) => encodeTransactions(raws.slice(0, index + 1), 0).length);
        const decode = () => decodeTransactions(message.subarray(0, length));
        if (ends.includes(length)) expect(decode()).toHaveLength(ends.indexOf(length) + 1);
        else expect(decode).toThrow(CodecError);
      }),
    );
  });

  test("random bytes give a CodecError or transactions", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), onlyCodecErrors(decodeTransactions)));
  });
});
