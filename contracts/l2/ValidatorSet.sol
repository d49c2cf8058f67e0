// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

/// @title Who finalizes blocks
/// @notice Predeploy at 0x4200000000000000000000000000000000000903. Holds the validator set of the present epoch and
/// the snapshot that takes over when the epoch ends. The protocol itself makes the pending snapshot the current one, at
/// the start of the epoch's last block, before any transaction; so in that block and from it on the views show the set
/// of the epoch to come.
///
/// A set is encoded as its validators one after another, each address (20 bytes) ‖ stake as uint128 (16) ‖ public key
/// (96, an uncompressed point of BLS12-381's G1). Its hash is keccak256 of that.
///
/// The bytes lie in the code of accounts that this contract creates with CREATE2 and salt 0: each has 0x00 (STOP) and
/// then up to 186 whole validators as its code, so that the largest set takes two, at less than a third of what storage
/// slots would cost, and taking over is four slots. The node reads these slots directly: the layout below is fixed.
contract ValidatorSet {
    struct Snapshot {
        bytes32 setHash;
        // One slot, from its least significant bit on.
        uint64 number;
        uint16 count;
        uint136 totalStake; // wei
        address[2] parts; // a slot each; zero where there is none
    }

    /// Slots 0 to 3.
    Snapshot private _current;
    /// Slots 4 to 7, all zero while nothing is pending.
    Snapshot private _pending;

    /// Slot 8: the registry on L1 as L2 sees it, its address plus 0x1111000000000000000000000000000000001111. Genesis
    /// writes it; zero where there is no L1.
    address public registry;

    /// The protocol, as in EIP-4788.
    address private constant SYSTEM = 0xffffFFFfFFffffffffffffffFfFFFfffFFFfFFfE;
    uint256 private constant VALIDATOR_BYTES = 132;
    uint256 private constant MAX_VALIDATORS = 256;
    uint256 private constant VALIDATORS_A_PART = 186;

    event SnapshotSubmitted(uint64 indexed number, bytes32 setHash, uint256 count, uint256 totalStake);

    /// Neither the protocol nor the registry.
    error NotSystem(address caller);
    /// Not 1 to 256 whole validators.
    error InvalidLength(uint256 length);
    error NoStake(uint256 index);
    /// One key twice would count one signature for two stakes.
    error DuplicateKey(uint256 index);
    error NoValidator(uint256 index);
    error PartNotCreated();

    /// Makes the set the one that takes over at the end of the epoch, instead of what was pending. Snapshots are
    /// numbered from 1; one that is not newer than what is here changes nothing, so that they may come repeatedly and
    /// in any order.
    function submit(uint64 number_, bytes calldata validators) external {
        if (msg.sender != SYSTEM && (msg.sender != registry || msg.sender == address(0))) {
            revert NotSystem(msg.sender);
        }
        if (number_ <= _current.number || number_ <= _pending.number) return;
        uint256 count_ = validators.length / VALIDATOR_BYTES;
        if (count_ == 0 || count_ > MAX_VALIDATORS || count_ * VALIDATOR_BYTES != validators.length) {
            revert InvalidLength(validators.length);
        }
        uint256 total = 0;
        for (uint256 i = 0; i < count_; i++) {
            total += _check(number_, i, validators[i * VALIDATOR_BYTES:(i + 1) * VALIDATOR_BYTES]);
        }
        bytes32 hash = keccak256(validators);
        _pending.setHash = hash;
        _pending.number = number_;
        _pending.count = uint16(count_);
        _pending.totalStake = uint136(total); // 256 stakes below 2^128
        uint256 split = VALIDATORS_A_PART * VALIDATOR_BYTES;
        bool isSplit = validators.length > split;
        _pending.parts[0] = _store(isSplit ? validators[:split] : validators);
        _pending.parts[1] = isSplit ? _store(validators[split:]) : address(0);
        emit SnapshotSubmitted(number_, hash, count_, total);
    }

    /// Number of the snapshot that the current set came with; 0 is the genesis set.
    function number() external view returns (uint64) {
        return _current.number;
    }

    function count() external view returns (uint256) {
        return _current.count;
    }

    function totalStake() external view returns (uint256) {
        return _current.totalStake;
    }

    function setHash() external view returns (bytes32) {
        return _current.setHash;
    }

    /// The validator whose votes carry the index `i`.
    function validator(uint256 i) external view returns (address account, uint128 stake, bytes memory publicKey) {
        if (i >= _current.count) revert NoValidator(i);
        address part = _current.parts[i / VALIDATORS_A_PART];
        uint256 offset = 1 + (i % VALIDATORS_A_PART) * VALIDATOR_BYTES;
        publicKey = new bytes(96);
        assembly ("memory-safe") {
            extcodecopy(part, 0, offset, 36)
            account := shr(96, mload(0))
            stake := shr(128, mload(20))
            extcodecopy(part, add(publicKey, 32), add(offset, 36), 96)
        }
    }

    /// The whole set in its encoding.
    function encoded() external view returns (bytes memory validators) {
        uint256 length = _current.count * VALIDATOR_BYTES;
        uint256 split = VALIDATORS_A_PART * VALIDATOR_BYTES;
        uint256 first = length > split ? split : length;
        (address one, address two) = (_current.parts[0], _current.parts[1]);
        validators = new bytes(length);
        assembly ("memory-safe") {
            extcodecopy(one, add(validators, 32), 1, first)
            extcodecopy(two, add(add(validators, 32), first), 1, sub(length, first))
        }
    }

    /// 0 when nothing is pending.
    function pendingNumber() external view returns (uint64) {
        return _pending.number;
    }

    /// 0 when nothing is pending.
    function pendingHash() external view returns (bytes32) {
        return _pending.setHash;
    }

    /// Returns the stake. Keys seen are marked in transient storage, under the snapshot's number because a transaction
    /// may bring several.
    function _check(uint64 number_, uint256 i, bytes calldata record) private returns (uint256 stake) {
        stake = uint128(bytes16(record[20:36]));
        if (stake == 0) revert NoStake(i);
        bytes32 mark = keccak256(abi.encodePacked(number_, record[36:]));
        bool isKnown;
        assembly ("memory-safe") {
            isKnown := tload(mark)
            tstore(mark, 1)
        }
        if (isKnown) revert DuplicateKey(i);
    }

    /// The account whose code is 0x00 followed by `data`; created unless an earlier set had the same part.
    function _store(bytes calldata data) private returns (address part) {
        // PUSH2 length, DUP1, PUSH1 10, RETURNDATASIZE, CODECOPY, RETURNDATASIZE, RETURN; then the code.
        bytes memory init = abi.encodePacked(hex"61", uint16(data.length + 1), hex"80600a3d393df300", data);
        bytes32 hash = keccak256(abi.encodePacked(hex"ff", address(this), bytes32(0), keccak256(init)));
        part = address(uint160(uint256(hash)));
        if (part.code.length > 0) return part;
        address created;
        assembly ("memory-safe") {
            created := create2(0, add(init, 32), mload(init), 0)
        }
        if (created != part) revert PartNotCreated();
    }
}
