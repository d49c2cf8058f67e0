/** What these commands call of the contracts: the registry and the oracle on L1, the ValidatorSet predeploy on L2. */
import { parseAbi } from "viem";

const MEMBER =
  "struct Member { address account; uint64 outSince; bool isLeaving; bool isSlashed; bool isGone; uint128 stake; bytes32[3] key; }";
const EVIDENCE = [
  "struct Subject { uint8 kind; uint64 epoch; uint64 viewNumber; uint64 parentView; bytes32 block; }",
  "struct Vote { Subject subject; bytes signature; }",
  "struct Evidence { bytes32 setHash; uint256 signer; Vote first; Vote second; }",
] as const;

export const REGISTRY_ABI = parseAbi([
  MEMBER,
  ...EVIDENCE,
  "function register(bytes publicKey, bytes proof, uint128 stake)",
  "function addStake(bytes32 validator, uint128 amount)",
  "function exit(bytes32 validator)",
  "function withdraw(bytes32 validator, uint256 outputIndex)",
  "function snapshot() returns (uint64 number)",
  "function slash(Evidence evidence)",
  "function validators(bytes32 validator) view returns (Member)",
  "function encodedSet(bytes32 setHash) view returns (bytes)",
  "function latestNumber() view returns (uint64)",
  "function latestSetHash() view returns (bytes32)",
  "function minimumStake() view returns (uint128)",
  "function evidenceWindow() view returns (uint64)",
  "event Leaving(bytes32 indexed validator)",
  "event SnapshotPublished(uint64 indexed number, bytes32 indexed setHash, uint256 count, uint256 totalStake)",
  "event Slashed(bytes32 indexed validator, uint64 viewNumber, uint256 amount, address indexed reporter, uint256 reward)",
  "error InvalidKeyLength(uint256 length)",
  "error KeyUsed(bytes32 validator)",
  "error StakeTooSmall(uint256 stake, uint256 minimum)",
  "error TooManyValidators()",
  "error NotTheAccount(address caller)",
  "error NotActive(bytes32 validator)",
  "error NotLeaving(bytes32 validator)",
  "error StillBonded(uint64 snapshot)",
  "error TooEarly(uint256 until)",
  "error UnknownSet(bytes32 setHash)",
  "error UnknownSigner(uint256 index)",
  "error NotConflicting()",
  "error NothingToSlash(bytes32 validator)",
  "error InvalidSignature()",
  "error NobodyLeft()",
]);

export const ORACLE_ABI = parseAbi([
  "struct Epoch { bytes32 setHash; uint64 snapshot; uint64 outputIndex; }",
  "function nextOutputIndex() view returns (uint256)",
  "function snapshotOf(uint256 index) view returns (uint64 snapshot, uint256 finalAt)",
  "function knownEpochs() view returns (uint256)",
  "function epochs(uint256 epoch) view returns (Epoch)",
  "function epochBlocks() view returns (uint256)",
]);

export const VALIDATOR_SET_ABI = parseAbi([
  "function number() view returns (uint64)",
  "function encoded() view returns (bytes)",
  "function pendingNumber() view returns (uint64)",
  "function pendingHash() view returns (bytes32)",
]);
