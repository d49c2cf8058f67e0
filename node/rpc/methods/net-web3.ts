/** net_, web3_ and rpc_. */
import { bytesToHex } from "../../../core/bytes.ts";
import { keccak256 } from "../../../core/crypto.ts";
import { type Methods, method } from "../context.ts";
import { toQuantity } from "../format.ts";
import { data, required } from "../values.ts";

export const netWeb3: Methods = {
  net_version: method([], ({ chain }) => chain.chainId.toString()),
  net_listening: method([], () => true),
  net_peerCount: method([], ({ peerCount }) => toQuantity(peerCount())),
  web3_clientVersion: method([], ({ clientVersion }) => clientVersion),
  web3_sha3: method([required(data)], (_context, [bytes]) => bytesToHex(keccak256(bytes))),
  rpc_modules: method([], ({ namespaces }) => Object.fromEntries([...namespaces].map((name) => [name, "1.0"]))),
};
