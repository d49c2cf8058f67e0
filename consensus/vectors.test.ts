/** test/vectors/consensus.json: encodings, digests and real signatures, computed apart from this code. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { blsAggregate, blsPublicKey, blsSign, blsVerify, compressBlsPublicKey, provePossession } from "../core/bls.ts";
import { bytesToHex, type Hex, hexToBytes } from "../core/bytes.ts";
import { bitmapOf, signersOf, stakeOf, verifyCertificate } from "./certificates.ts";
import {
  decodeCertificate,
  decodeProposal,
  decodeVote,
  encodeCertificate,
  encodeProposal,
  encodeSubject,
  encodeVote,
} from "./codec.ts";
import { voteDigest } from "./scheme.ts";
import type { Subject, VoteKind } from "./types.ts";
import { decodeValidators, encodeValidators, isQuorum, leaderOf, validatorSet } from "./validators.ts";

interface SubjectVector {
  readonly kind: number;
  readonly epoch: number;
  readonly view: number;
  readonly parentView: number;
  readonly block: Hex;
}
interface SignedVector extends SubjectVector {
  readonly signature: Hex;
  readonly digest: Hex;
  readonly encoded: Hex;
}
interface Vectors {
  readonly domain: { readonly chainId: number; readonly l1Contract: Hex };
  readonly validators: readonly {
    readonly secretKey: Hex;
    readonly publicKey: Hex;
    readonly compressed: Hex;
    readonly possessionDigest: Hex;
    readonly proofOfPossession: Hex;
    readonly address: Hex;
    readonly stakeWei: string;
  }[];
  readonly set: { readonly encoded: Hex; readonly hash: Hex };
  readonly votes: readonly (SignedVector & { readonly signer: number })[];
  readonly certificates: readonly (SignedVector & { readonly bitmap: Hex; readonly signers: readonly number[] })[];
  readonly proposals: readonly {
    readonly vote: SignedVector & { readonly signer: number };
    readonly height: number;
    readonly parent: Hex;
    readonly certificates: readonly Hex[];
    readonly encoded: Hex;
  }[];
}

const file = new URL("../test/vectors/consensus.json", import.meta.url);
const vectors = JSON.parse(readFileSync(file, "utf8")) as Vectors;
const domain = { chainId: BigInt(vectors.domain.chainId), l1Contract: hexToBytes(vectors.domain.l1Contract) };
const secretKeys = vectors.validators.map(({ secretKey }) => hexToBytes(secretKey));
const set = validatorSet(
  vectors.validators.map(({ address, publicKey, stakeWei }) => ({
    address: hexToBytes(address),
    publicKey: hexToBytes(publicKey),
    stake: BigInt(stakeWei),
  })),
);
const keys = set.validators.map(({ publicKey }) => publicKey);
const scheme = { verify: blsVerify, aggregate: blsAggregate };

const subjectOf = ({ kind, epoch, view, parentView, block }: SubjectVector): Subject => ({
  kind: kind as VoteKind,
  epoch,
  view,
  parentView,
  block: hexToBytes(block),
});
const voteOf = (vector: SignedVector & { readonly signer: number }) => ({
  ...subjectOf(vector),
  signer: vector.signer,
  signature: hexToBytes(vector.signature),
});

test.each(vectors.validators)("validator $address: key and proof of possession", (vector) => {
  const secretKey = hexToBytes(vector.secretKey);
  const publicKey = blsPublicKey(secretKey);
  expect(bytesToHex(publicKey)).toBe(vector.publicKey);
  expect(bytesToHex(compressBlsPublicKey(publicKey))).toBe(vector.compressed);
  expect(bytesToHex(provePossession(secretKey))).toBe(vector.proofOfPossession);
  expect(bytesToHex(blsSign(secretKey, hexToBytes(vector.possessionDigest)))).toBe(vector.proofOfPossession);
});

test("the set's encoding and hash", () => {
  expect(bytesToHex(encodeValidators(set.validators))).toBe(vectors.set.encoded);
  expect(bytesToHex(set.hash)).toBe(vectors.set.hash);
  expect(decodeValidators(hexToBytes(vectors.set.encoded))).toEqual(set);
});

describe.each(vectors.votes)("vote of kind $kind in view $view", (vector) => {
  const vote = voteOf(vector);

  test("its encoding", () => {
    expect(bytesToHex(encodeVote(vote))).toBe(vector.encoded);
    expect(decodeVote(hexToBytes(vector.encoded))).toEqual(vote);
    expect(vector.encoded.startsWith(bytesToHex(encodeSubject(vote)))).toBe(true);
  });

  test("what is signed, and the signature", () => {
    const digest = voteDigest(domain, set.hash, vote);
    expect(bytesToHex(digest)).toBe(vector.digest);
    expect(bytesToHex(blsSign(secretKeys[vector.signer]!, digest))).toBe(vector.signature);
    expect(blsVerify([keys[vector.signer]!], digest, vote.signature)).toBe(true);
  });
});

describe.each(vectors.certificates)("certificate of kind $kind in view $view", (vector) => {
  const { signers } = vector;
  const bitmap = hexToBytes(vector.bitmap);
  const certificate = { ...subjectOf(vector), bitmap, signature: hexToBytes(vector.signature) };

  test("its encoding", () => {
    expect(bytesToHex(encodeCertificate(certificate))).toBe(vector.encoded);
    expect(decodeCertificate(hexToBytes(vector.encoded))).toEqual(certificate);
    expect(bitmapOf(signers, set.validators.length)).toEqual(bitmap);
    expect(signersOf(bitmap, set.validators.length)).toEqual(signers);
  });

  test("the aggregate, and what it is worth", () => {
    const digest = voteDigest(domain, set.hash, certificate);
    expect(bytesToHex(digest)).toBe(vector.digest);
    const signatures = signers.map((signer) => blsSign(secretKeys[signer]!, digest));
    expect(bytesToHex(blsAggregate(signatures)!)).toBe(vector.signature);
    const isEnough = isQuorum(stakeOf(signers, set), set);
    expect(verifyCertificate(certificate, set, domain, scheme)).toBe(
      isEnough ? undefined : "its signers are no quorum",
    );
  });
});

describe.each(vectors.proposals)("proposal of height $height in view $vote.view", (vector) => {
  test("its encoding, signed by the view's leader", () => {
    const proposal = {
      vote: voteOf(vector.vote),
      height: vector.height,
      parent: hexToBytes(vector.parent),
      certificates: vector.certificates.map((bytes) => decodeCertificate(hexToBytes(bytes))),
    };
    expect(bytesToHex(encodeProposal(proposal))).toBe(vector.encoded);
    expect(decodeProposal(hexToBytes(vector.encoded))).toEqual(proposal);
    expect(leaderOf(proposal.vote.view, set)).toBe(proposal.vote.signer);
  });
});
