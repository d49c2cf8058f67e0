/** Names on the wire. Chain id and genesis are part of them, so that nodes of different networks have nothing in common. */
import { bytesToHex } from "../../core/bytes.ts";
import { PROTOCOLS, type Protocol, TOPICS, type Topic } from "./types.ts";

export interface Names {
  readonly topic: (topic: Topic) => string;
  /** Undefined for a foreign name. */
  readonly topicOf: (name: string) => Topic | undefined;
  readonly topics: readonly string[];
  readonly protocol: (protocol: Protocol) => string;
}

/** `/openledger/<chain id>/<first 4 bytes of the genesis hash in hex>/<topic>/1` and `…/req/<protocol>/1`. */
export function namesOf(chainId: bigint, genesisHash: Uint8Array): Names {
  const root = `/openledger/${chainId}/${bytesToHex(genesisHash.subarray(0, 4)).slice(2)}`;
  const topics = new Map(TOPICS.map((topic) => [topic, `${root}/${topic}/1`]));
  const byName = new Map(TOPICS.map((topic) => [topics.get(topic)!, topic]));
  const protocols = new Map(PROTOCOLS.map((protocol) => [protocol, `${root}/req/${protocol}/1`]));
  return {
    topic: (topic) => topics.get(topic)!,
    topicOf: (name) => byName.get(name),
    topics: [...topics.values()],
    protocol: (protocol) => protocols.get(protocol)!,
  };
}
