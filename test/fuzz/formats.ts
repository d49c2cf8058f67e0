/** Everything that comes from peers, with samples of it and its decoder. */
import { RPC } from "@libp2p/gossipsub/message";
import {
  CodecError,
  decodeCertificate,
  decodeProposal,
  decodeVote,
  encodeCertificate,
  encodeProposal,
  encodeVote,
} from "../../consensus/codec.ts";
import { baseView, type Certificate, KIND, type Proposal, type Vote } from "../../consensus/types.ts";
import { keccak256 } from "../../core/crypto.ts";
import { decodeTransaction } from "../../execution/tx/decode.ts";
import {
  decodeBlockMessage,
  decodeTransactions,
  encodeBlockMessage,
  encodeTransactions,
  isBlockOf,
} from "../../node/engine/messages.ts";
import { decodePayload, encodePayload, PayloadError } from "../../node/p2p/payload.ts";
import { NAMES } from "../../node/p2p/testing/raw-peer.ts";
import type { Topic } from "../../node/p2p/types.ts";
import * as sync from "../../node/sync/messages.ts";
import { Ledger, setOf } from "../../node/sync/testing/ledger.ts";

export interface Format {
  readonly name: string;
  readonly samples: readonly Uint8Array[];
  /** Throws one of `errors`, or nothing. Returns what the value is encoded as, where only one byte string is valid. */
  readonly decode: (bytes: Uint8Array) => Uint8Array | undefined;
  readonly errors: readonly (abstract new (...args: never[]) => Error)[];
}

export const EPOCH_BLOCKS = 8;
export const ledger = new Ledger({ blocks: 20, epochBlocks: EPOCH_BLOCKS });
const CHAIN_ID = 161_299n;
const block = keccak256(Uint8Array.of(1));
const signature = new Uint8Array(96).fill(0xb5);

export const vote = (view: number): Vote => ({
  kind: KIND.notarize,
  epoch: 3,
  view: baseView(3) + view,
  parentView: baseView(3) + view - 1,
  block,
  signer: 2,
  signature,
});
const nullify: Vote = { ...vote(5), kind: KIND.nullify, parentView: 0, block: new Uint8Array(32) };
const certificates: readonly Certificate[] = [...ledger.certificates.values()].slice(0, 3);
const proposal = (number: number): Proposal => ({
  vote: { ...vote(9), block: ledger.hashes[number]! },
  height: number,
  parent: ledger.hashes[number - 1]!,
  certificates: certificates.slice(0, number % 3),
});
const transactions = [
  "f86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008025a028ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83",
  "02f872018084773594008477359400825208943535353535353535353535353535353535353535880de0b6b3a764000080c080a028ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83",
].map((hex) => new Uint8Array(Buffer.from(hex, "hex")));

const headers = ledger.raws.slice(1, 4).map(sync.headerOf);
const hashes = ledger.hashes.slice(0, 5);
const latest = { number: 20n, certificate: ledger.tip };
const VIEWS: sync.CertificateRequest = { epoch: 0, views: certificates.map(({ view }) => view) };

const topicFormats: Readonly<Record<Topic, Format>> = {
  vote: {
    name: "vote",
    samples: [vote(1), vote(2 ** 31), nullify].map(encodeVote),
    decode: (bytes) => encodeVote(decodeVote(bytes)),
    errors: [CodecError],
  },
  cert: {
    name: "certificate",
    samples: certificates.map(encodeCertificate),
    decode: (bytes) => encodeCertificate(decodeCertificate(bytes)),
    errors: [CodecError],
  },
  block: {
    name: "block",
    samples: [1, 5, 8].map((number) => encodeBlockMessage({ proposal: proposal(number), raw: ledger.raws[number]! })),
    decode: (bytes) => {
      const message = decodeBlockMessage(bytes);
      isBlockOf(message.raw, message.proposal);
      return encodeBlockMessage(message);
    },
    errors: [CodecError],
  },
  tx: {
    name: "transactions",
    samples: [encodeTransactions(transactions, 7), encodeTransactions(transactions.slice(1), 0)],
    decode: (bytes) => {
      // Never throws: what is wrong with a transaction is its result.
      for (const raw of decodeTransactions(bytes)) decodeTransaction(raw, CHAIN_ID);
      return undefined;
    },
    errors: [CodecError],
  },
};

export const formatOf = (topic: Topic): Format => topicFormats[topic];

const message = (name: string, samples: readonly Uint8Array[], decode: Format["decode"]): Format => ({
  name,
  samples,
  decode,
  errors: [sync.MessageError],
});

export const REQUESTS: readonly Format[] = [
  message(
    "range request",
    (["headers", "blocks"] as const).map((part) => sync.encodeRangeRequest({ part, from: 7n, count: 9 })),
    (bytes) => sync.encodeRangeRequest(sync.decodeRangeRequest(bytes)),
  ),
  message(
    "hash request",
    (["headers", "blocks", "receipts"] as const).map((part) => sync.encodeHashRequest({ part, hashes })),
    (bytes) => sync.encodeHashRequest(sync.decodeHashRequest(bytes)),
  ),
  message("certificate request", [sync.encodeCertificateRequest(VIEWS)], (bytes) =>
    sync.encodeCertificateRequest(sync.decodeCertificateRequest(bytes)),
  ),
  message("epochs request", [sync.encodeEpochsRequest({ from: 0, count: 3 })], (bytes) =>
    sync.encodeEpochsRequest(sync.decodeEpochsRequest(bytes)),
  ),
  message("state request", [sync.encodeStateRequest(hashes)], (bytes) =>
    sync.encodeStateRequest(sync.decodeStateRequest(bytes)),
  ),
];

export const ANSWERS: readonly Format[] = [
  message(
    "status",
    [latest, undefined].map((certified) =>
      sync.encodeStatus({
        genesisHash: ledger.hashes[0]!,
        epoch: 2,
        view: baseView(2) + 9,
        first: 0n,
        head: { number: 20n, hash: ledger.hashes[20]! },
        certified,
      }),
    ),
    (bytes) => sync.encodeStatus(sync.decodeStatus(bytes)),
  ),
  message("headers", [sync.encodeHeaders(headers), sync.encodeHeaders([])], (bytes) => {
    sync.decodeHeaders(bytes, sync.MAX_HEADERS);
    return undefined;
  }),
  message("views", [sync.encodeViews({ certificates, votes: [] })], (bytes) => {
    sync.decodeViews(bytes, VIEWS);
    return undefined;
  }),
  message("epoch end", [sync.encodeEpochEnd(headers[0]!, encodeCertificate(ledger.tip), setOf(3))], (bytes) => {
    sync.decodeEpochEnd(bytes);
    return undefined;
  }),
  message("state items", [sync.encodeStateItems(headers)], (bytes) =>
    sync.encodeStateItems(sync.decodeStateItems(bytes, sync.MAX_STATE_ITEMS)),
  ),
];

const rpcOf = (topic: Topic, data: Uint8Array): Uint8Array =>
  RPC.encode({
    subscriptions: [{ topic: NAMES.topic(topic), subscribe: true }],
    messages: [{ topic: NAMES.topic(topic), data: encodePayload(data) }],
    control: {
      ihave: [{ topicID: NAMES.topic(topic), messageIDs: [block.subarray(0, 20)] }],
      iwant: [{ messageIDs: [block.subarray(0, 20)] }],
      graft: [{ topicID: NAMES.topic(topic) }],
      prune: [{ topicID: NAMES.topic(topic), backoff: 60, peers: [] }],
      idontwant: [{ messageIDs: [block.subarray(0, 20)] }],
    },
  });

export const PAYLOAD: Format = {
  name: "payload",
  samples: Object.values(topicFormats)
    .flatMap(({ samples }) => samples)
    .flatMap((sample) => [sample, new Uint8Array(2_000).fill(sample[0]!)])
    .map(encodePayload),
  decode: (bytes) => {
    decodePayload(bytes, 100_000);
    return undefined;
  },
  errors: [PayloadError],
};

/** libp2p's own decoder of gossip: any error will do, the frame is dropped and counted. */
export const GOSSIP_RPC: Format = {
  name: "gossip frame",
  samples: (Object.keys(topicFormats) as Topic[]).map((topic) => rpcOf(topic, formatOf(topic).samples[0]!)),
  decode: (bytes) => {
    RPC.decode(bytes);
    return undefined;
  },
  errors: [Error],
};

export const PROPOSAL: Format = {
  name: "proposal",
  samples: [1, 5, 8].map((number) => encodeProposal(proposal(number))),
  decode: (bytes) => encodeProposal(decodeProposal(bytes)),
  errors: [CodecError],
};

export const FORMATS: readonly Format[] = [
  ...Object.values(topicFormats),
  PROPOSAL,
  PAYLOAD,
  GOSSIP_RPC,
  ...REQUESTS,
  ...ANSWERS,
];
