// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Arrays} from "@openzeppelin/contracts/utils/Arrays.sol";
import {IValidatorRegistry} from "./IValidatorRegistry.sol";
import {Bls} from "./lib/Bls.sol";
import {Changes, Member} from "./lib/Changes.sol";
import {StoredSet, ValidatorSets} from "./lib/ValidatorSets.sol";
import {Subject, Votes} from "./lib/Votes.sol";

interface IEpochs {
    function latestSetHash() external view returns (bytes32);
    function snapshotOf(uint256 outputIndex) external view returns (uint64 snapshot, uint256 finalAt);
}

interface IPortal {
    function depositTransaction(address to, uint256 value, uint64 gasLimit, bool isCreation, bytes calldata data)
        external
        payable;
}

interface IValidatorSet {
    function submit(uint64 number, bytes calldata validators) external;
}

/// @title Who may validate L2, and with what stake
/// @notice A validator is its BLS key, and is named by the key's keccak256: a key is registered once for ever, by showing
/// possession of it; an account may have several. Stakes are OPEN that lies here.
///
/// `snapshot` sends the next whole set to L2, where it takes over at the end of an epoch. A validator's weight in it moves
/// towards its stake (towards zero once it leaves): the sum of all moves, against the set of the newest epoch that the
/// oracle knows, is at most a third of that set's stake. Who leaves moves first, then who comes or adds, in the order of
/// registration. So a set of any size can grow and shrink, in several snapshots when that is much, and two sets that
/// follow each other have honest stake in common. Who was slashed goes at once, whatever the bound, and what goes counts
/// towards it. A snapshot's validators are in the order of registration.
///
/// Stake leaves when an output of an epoch whose set is without the validator, and after which none can be with it, has
/// been final for the evidence window: until then it answers for what its key signed.
contract ValidatorRegistry is Initializable, IValidatorRegistry, IERC20Errors {
    using SafeERC20 for IERC20;

    struct Settings {
        IERC20 token;
        IPortal portal;
        IEpochs oracle;
        address treasury; // takes what is slashed; one without a key burns it
        uint256 chainId; // of L2
        uint128 minimumStake; // wei
        uint64 evidenceWindow; // seconds
        uint32 slashedPpm; // of the stake, parts per million
        uint32 reporterPpm; // of what is slashed
    }

    struct Registration {
        address account;
        uint128 stake; // wei
        bytes publicKey; // 96 bytes
        bytes proof; // of possession, 256 bytes
    }

    struct Vote {
        Subject subject;
        bytes signature; // 256 bytes
    }

    /// Two votes of the validator with index `signer` in a set, that no honest one makes.
    struct Evidence {
        bytes32 setHash;
        uint256 signer;
        Vote first;
        Vote second;
    }

    string public constant version = "1.0.0";

    address private constant VALIDATOR_SET = 0x4200000000000000000000000000000000000903;
    bytes32 private constant POSSESSION_DOMAIN = keccak256("OpenLedger proof of possession v1");
    uint256 private constant PPM = 1_000_000;
    /// L2 gas of `ValidatorSet.submit`: it stores 132 bytes of code a validator, at 200 gas a byte.
    uint64 private constant SUBMIT_GAS = 300_000;
    uint64 private constant SUBMIT_GAS_A_VALIDATOR = 36_000;

    IERC20 public immutable token;
    IPortal public immutable portal;
    IEpochs public immutable oracle;
    address public immutable treasury;
    uint256 public immutable chainId;
    uint128 public immutable minimumStake;
    uint64 public immutable evidenceWindow;
    uint32 public immutable slashedPpm;
    uint32 public immutable reporterPpm;

    /// Of the newest snapshot; the genesis set is 0.
    uint64 public latestNumber;
    bytes32 public latestSetHash;
    mapping(bytes32 validator => Member) private _members;
    /// In the order of registration; without those whose stake has left.
    bytes32[] private _order;
    mapping(bytes32 setHash => StoredSet) private _sets;
    /// Rising.
    mapping(bytes32 setHash => uint256[]) private _numbers;
    mapping(bytes32 validator => mapping(uint64 viewNumber => bool)) private _isPunished;

    event Registered(bytes32 indexed validator, address indexed account, bytes publicKey, uint256 stake);
    event StakeAdded(bytes32 indexed validator, uint256 amount);
    event Leaving(bytes32 indexed validator);
    event Withdrawn(bytes32 indexed validator, uint256 stake);
    event SnapshotPublished(uint64 indexed number, bytes32 indexed setHash, uint256 count, uint256 totalStake);
    event Slashed(bytes32 indexed validator, uint64 viewNumber, uint256 amount, address indexed reporter, uint256 reward);

    error InvalidSettings();
    error InvalidKeyLength(uint256 length);
    error KeyUsed(bytes32 validator);
    error StakeTooSmall(uint256 stake, uint256 minimum);
    error TooManyValidators();
    /// The stakes of the genesis set were not moved here before.
    error StakeMissing(uint256 held, uint256 stakes);
    error NotTheAccount(address caller);
    /// It is not registered, or it leaves.
    error NotActive(bytes32 validator);
    /// Nothing is staked with it, or it does not leave.
    error NotLeaving(bytes32 validator);
    /// The output's set is from before the validator left, or it is not out of any set yet.
    error StillBonded(uint64 snapshot);
    /// Unix seconds.
    error TooEarly(uint256 until);
    error UnknownSet(bytes32 setHash);
    error UnknownSigner(uint256 index);
    /// They do not contradict each other, or are no votes.
    error NotConflicting();
    /// Slashed for this view already, or nothing is left to slash.
    error NothingToSlash(bytes32 validator);

    constructor(Settings memory settings) {
        if (settings.slashedPpm > PPM || settings.reporterPpm > PPM || settings.minimumStake == 0) {
            revert InvalidSettings();
        }
        if (settings.treasury == address(0)) revert InvalidSettings();
        token = settings.token;
        portal = settings.portal;
        oracle = settings.oracle;
        treasury = settings.treasury;
        chainId = settings.chainId;
        minimumStake = settings.minimumStake;
        evidenceWindow = settings.evidenceWindow;
        slashedPpm = settings.slashedPpm;
        reporterPpm = settings.reporterPpm;
        _disableInitializers();
    }

    /// The genesis set, number 0, in its order. Their stakes were sent here before. Keys are checked as in `register`,
    /// at some 350,000 gas each.
    function initialize(Registration[] calldata genesis) external initializer {
        uint256 stakes = 0;
        for (uint256 i = 0; i < genesis.length; i++) {
            _register(genesis[i].account, genesis[i].publicKey, genesis[i].proof, genesis[i].stake);
            stakes += genesis[i].stake;
        }
        uint256 held = token.balanceOf(address(this));
        if (held < stakes) revert StakeMissing(held, stakes);
        (bytes memory encoded, uint256 total) = Changes.encode(_members, _order, Changes.stakes(_members, _order));
        _publish(0, keccak256(encoded), encoded, total);
    }

    // --- Validators ---

    /// Takes the stake, which the caller has approved. `proof` is the key's signature on
    /// keccak256(keccak256("OpenLedger proof of possession v1") ‖ publicKey).
    function register(bytes calldata publicKey, bytes calldata proof, uint128 stake) external {
        _register(msg.sender, publicKey, proof, stake);
        token.safeTransferFrom(msg.sender, address(this), stake);
    }

    /// Adds to a validator's stake. Anybody may, and it is a gift.
    function addStake(bytes32 validator, uint128 amount) external {
        Member storage member = _members[validator];
        if (member.account == address(0) || member.isLeaving) revert NotActive(validator);
        member.stake += amount;
        emit StakeAdded(validator, amount);
        token.safeTransferFrom(msg.sender, address(this), amount);
    }

    /// Leaves for good: its weight moves to zero with the next snapshots.
    function exit(bytes32 validator) external {
        Member storage member = _members[validator];
        if (msg.sender != member.account) revert NotTheAccount(msg.sender);
        if (member.isLeaving) revert NotActive(validator);
        member.isLeaving = true;
        emit Leaving(validator);
    }

    /// Gives the stake of a validator that left to its account. `outputIndex`: of an output that its set is not behind.
    function withdraw(bytes32 validator, uint256 outputIndex) external {
        Member storage member = _members[validator];
        if (msg.sender != member.account) revert NotTheAccount(msg.sender);
        uint128 stake = member.stake;
        if (!member.isLeaving || member.isGone) revert NotLeaving(validator);
        (uint64 snapshot_, uint256 finalAt) = oracle.snapshotOf(outputIndex);
        // `outSince` is one more than the number.
        if (member.outSince == 0 || snapshot_ + 1 < member.outSince) revert StillBonded(snapshot_);
        if (block.timestamp < finalAt + evidenceWindow) revert TooEarly(finalAt + evidenceWindow);
        member.stake = 0;
        member.isGone = true;
        _remove(validator);
        emit Withdrawn(validator, stake);
        token.safeTransfer(msg.sender, stake);
    }

    function _register(address account, bytes calldata publicKey, bytes calldata proof, uint128 stake) private {
        if (publicKey.length != Bls.KEY_BYTES) revert InvalidKeyLength(publicKey.length);
        if (stake < minimumStake) revert StakeTooSmall(stake, minimumStake);
        if (_order.length == ValidatorSets.MAX_VALIDATORS) revert TooManyValidators();
        bytes32 validator = keccak256(publicKey);
        Member storage member = _members[validator];
        if (member.account != address(0)) revert KeyUsed(validator);
        Bls.requireSignature(Bls.point(publicKey), keccak256(abi.encodePacked(POSSESSION_DOMAIN, publicKey)), proof);
        member.account = account;
        member.stake = stake;
        member.key = [bytes32(publicKey[:32]), bytes32(publicKey[32:64]), bytes32(publicKey[64:])];
        _order.push(validator);
        emit Registered(validator, account, publicKey, stake);
    }

    /// Keeps the order: a snapshot is a part of it, and is compared with by walking along both.
    function _remove(bytes32 validator) private {
        uint256 last = _order.length - 1;
        uint256 i = 0;
        while (_order[i] != validator) i++;
        for (; i < last; i++) _order[i] = _order[i + 1];
        _order.pop();
    }

    // --- Snapshots ---

    /// Sends the next set to L2, or the last one again when nothing has changed since. Anybody may.
    function snapshot() external returns (uint64 number) {
        bytes memory base = ValidatorSets.load(_sets[oracle.latestSetHash()]);
        uint256[] memory weights = Changes.bounded(_members, _order, base);
        (bytes memory encoded, uint256 total) = Changes.encode(_members, _order, weights);
        bytes32 setHash = keccak256(encoded);
        number = latestNumber;
        if (setHash != latestSetHash) {
            number++;
            _publish(number, setHash, encoded, total);
        }
        Changes.noteWhoIsOut(_members, _order, weights, number);
        uint64 gas = SUBMIT_GAS + SUBMIT_GAS_A_VALIDATOR * uint64(encoded.length / ValidatorSets.VALIDATOR_BYTES);
        bytes memory data = abi.encodeCall(IValidatorSet.submit, (number, encoded));
        portal.depositTransaction(VALIDATOR_SET, 0, gas, false, data);
    }

    function _publish(uint64 number, bytes32 setHash, bytes memory encoded, uint256 total) private {
        latestNumber = number;
        latestSetHash = setHash;
        _numbers[setHash].push(number);
        if (_sets[setHash].count == 0) _sets[setHash] = ValidatorSets.store(encoded, total);
        emit SnapshotPublished(number, setHash, encoded.length / ValidatorSets.VALIDATOR_BYTES, total);
    }

    // --- Slashing ---

    /// Takes a share of the stake of whoever signed both, gives the caller its part, and sends the validator away.
    function slash(Evidence calldata evidence) external {
        StoredSet memory set = _sets[evidence.setHash];
        if (set.count == 0) revert UnknownSet(evidence.setHash);
        if (evidence.signer >= set.count) revert UnknownSigner(evidence.signer);
        (Subject calldata one, Subject calldata two) = (evidence.first.subject, evidence.second.subject);
        if (!Votes.isWellFormed(one) || !Votes.isWellFormed(two) || !Votes.areConflicting(one, two)) {
            revert NotConflicting();
        }
        bytes memory key = ValidatorSets.keyOf(set, evidence.signer);
        bytes32 validator = keccak256(key);
        Member storage member = _members[validator];
        uint256 stake = member.stake;
        if (stake == 0 || _isPunished[validator][one.viewNumber]) revert NothingToSlash(validator);
        bytes memory point = Bls.point(key);
        _requireVote(point, evidence.setHash, evidence.first);
        _requireVote(point, evidence.setHash, evidence.second);

        _isPunished[validator][one.viewNumber] = true;
        uint256 amount = (stake * slashedPpm) / PPM;
        uint256 reward = (amount * reporterPpm) / PPM;
        member.stake = uint128(stake - amount);
        member.isSlashed = true;
        member.isLeaving = true;
        emit Slashed(validator, one.viewNumber, amount, msg.sender, reward);
        token.safeTransfer(msg.sender, reward);
        token.safeTransfer(treasury, amount - reward);
    }

    function _requireVote(bytes memory key, bytes32 setHash, Vote calldata vote) private view {
        bytes32 message = Votes.digest(chainId, address(oracle), setHash, vote.subject);
        Bls.requireSignature(key, message, vote.signature);
    }

    // --- What is here ---

    /// Named by keccak256 of its key. `account` is zero when it never registered.
    function validators(bytes32 validator) external view returns (Member memory) {
        return _members[validator];
    }

    /// Those with stake, in the order of registration: at most 256.
    function order() external view returns (bytes32[] memory) {
        return _order;
    }

    function setOf(bytes32 setHash) external view returns (StoredSet memory) {
        return _sets[setHash];
    }

    function isSnapshot(bytes32 setHash) external view returns (bool) {
        return _sets[setHash].count != 0;
    }

    /// The set in its encoding.
    function encodedSet(bytes32 setHash) external view returns (bytes memory) {
        return ValidatorSets.load(_sets[setHash]);
    }

    /// A set may come again under a later number. The least that will do is taken, so that an epoch of a set from between
    /// the two can still follow.
    function numberOf(bytes32 setHash, uint64 atLeast) external view returns (bool exists, uint64 number) {
        uint256[] storage numbers = _numbers[setHash];
        uint256 i = Arrays.lowerBound(numbers, atLeast);
        exists = i < numbers.length;
        if (exists) number = uint64(numbers[i]);
    }
}
