/** What the node calls and reads of the contracts on L1 (contracts/l1/). */
import { parseAbi } from "viem";

export const INBOX_ABI = parseAbi([
  "function post(uint64 lastNumber, bytes32 lastHash, bytes batch)",
  "function postBlobs(uint64 lastNumber, bytes32 lastHash, uint256 blobs)",
  "event BatchPosted(uint64 indexed lastNumber, bytes32 indexed lastHash, address indexed poster, bytes32[] blobs)",
]);

export const ORACLE_ABI = parseAbi([
  "struct Certificate { uint64 epoch; uint64 viewNumber; uint64 parentView; bytes bitmap; bytes signature; }",
  "struct Proposal { bytes[] headers; Certificate certificate; }",
  "function proposeOutput(Proposal proposal)",
  "function latestBlockNumber() view returns (uint256)",
  "function nextBlockNumber() view returns (uint256)",
]);

export const REGISTRY_ABI = parseAbi([
  "function snapshot() returns (uint64 number)",
  "function latestNumber() view returns (uint64)",
]);
