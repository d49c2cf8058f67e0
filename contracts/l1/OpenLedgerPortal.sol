// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {L1Sender} from "./lib/L1Sender.sol";
import {MinGasCall} from "./lib/MinGasCall.sol";
import {ReleaseLimit} from "./lib/ReleaseLimit.sol";
import {ResourceConfig, ResourceMetering} from "./lib/ResourceMetering.sol";
import {OutputRootProof, WithdrawalTransaction, Withdrawals} from "./lib/Withdrawals.sol";
import {SystemConfig} from "./SystemConfig.sol";

/// What the portal needs of the output oracle; the interface is that of OP's L2OutputOracle.
interface IOutputs {
    struct OutputProposal {
        bytes32 outputRoot;
        uint128 timestamp;
        uint128 l2BlockNumber;
    }

    function getL2Output(uint256 index) external view returns (OutputProposal memory);
    function nextOutputIndex() external view returns (uint256);
    function FINALIZATION_PERIOD_SECONDS() external view returns (uint256);
}

/// @title Where OPEN passes between L1 and L2
/// @notice Holds, wei for wei, what exists of OPEN on L2 and what is under way. Deposits lock OPEN here and demand a
/// transaction of L2, which every L2 block has to carry before its own; nobody can stop them. Withdrawals are proven
/// against an output, wait for the finalization period, and release OPEN.
///
/// The interface is that of OP's OptimismPortal 2.8 (with an output oracle), in names, encodings and events; so are the
/// rules, but that the one token is OPEN, that more gas is the least of a deposit (EIP-7623), and that releases have a
/// limit. Behind a proxy that only a timelock can upgrade.
contract OpenLedgerPortal is Initializable, ResourceMetering, ReleaseLimit {
    using SafeERC20 for IERC20;

    struct ProvenWithdrawal {
        bytes32 outputRoot;
        uint128 timestamp;
        uint128 l2OutputIndex;
    }

    string public constant version = "2.8.1";

    uint256 private constant DEPOSIT_VERSION = 0;
    uint256 private constant MAX_DATA_BYTES = 120_000;
    /// EIP-3860: L2 refuses a longer one.
    uint256 private constant MAX_INIT_CODE_BYTES = 49_152;
    /// `l2Sender` outside of a finalization. Not zero, so that writing it costs less.
    address private constant NO_SENDER = 0x000000000000000000000000000000000000dEaD;
    /// Wallets estimate as this address: for it a failing call reverts, so that they find enough gas.
    address private constant ESTIMATION_ADDRESS = address(1);

    IERC20 public immutable token;
    IOutputs public immutable l2Oracle;
    SystemConfig public immutable systemConfig;

    /// During a finalization, who began the withdrawal on L2.
    address public l2Sender;
    mapping(bytes32 withdrawal => bool) public finalizedWithdrawals;
    mapping(bytes32 withdrawal => ProvenWithdrawal) public provenWithdrawals;
    /// Wei that belong to L2. OPEN that was sent here in any other way than by a deposit is not counted.
    uint256 public balance;

    event TransactionDeposited(address indexed from, address indexed to, uint256 indexed version, bytes opaqueData);
    event WithdrawalProven(bytes32 indexed withdrawalHash, address indexed from, address indexed to);
    event WithdrawalFinalized(bytes32 indexed withdrawalHash, bool success);

    error BadTarget();
    error LargeCalldata();
    error SmallGasLimit();
    /// ETH does not cross: L2's own coin is OPEN.
    error NoValue();
    error CallPaused();
    error NonReentrant();
    error GasEstimation();
    /// The portal has to hold L2's genesis supply before it exists.
    error Unbacked(uint256 held, uint256 supply);

    modifier whenNotPaused() {
        if (paused()) revert CallPaused();
        _;
    }

    constructor(IERC20 token_, IOutputs oracle, SystemConfig config) {
        (token, l2Oracle, systemConfig) = (token_, oracle, config);
        _disableInitializers();
    }

    /// `supply`: wei that L2's genesis gives to its accounts. They were sent to this address before.
    function initialize(uint256 supply) external initializer {
        uint256 held = token.balanceOf(address(this));
        if (held < supply) revert Unbacked(held, supply);
        balance = supply;
        l2Sender = NO_SENDER;
        _initializeMetering();
    }

    receive() external payable {
        revert NoValue();
    }

    // --- Deposits ---

    /// Locks `_mint` of the caller's OPEN and demands a transaction of L2, which mints it to the caller's account there
    /// and calls `_to` with `_value` of it. The caller has approved the portal. Amounts in wei.
    function depositERC20Transaction(
        address _to,
        uint256 _mint,
        uint256 _value,
        uint64 _gasLimit,
        bool _isCreation,
        bytes calldata _data
    ) external metered(_gasLimit) {
        balance += _mint;
        token.safeTransferFrom(msg.sender, address(this), _mint);
        _deposit(_to, _mint, _value, _gasLimit, _isCreation, _data);
    }

    /// Demands a transaction of L2 that mints nothing: `_value` is of what the caller has there. Payable for the sake of
    /// its interface; ETH is refused.
    function depositTransaction(
        address _to,
        uint256 _value,
        uint64 _gasLimit,
        bool _isCreation,
        bytes calldata _data
    ) external payable metered(_gasLimit) {
        if (msg.value != 0) revert NoValue();
        _deposit(_to, 0, _value, _gasLimit, _isCreation, _data);
    }

    /// Covers what a call with so many bytes costs on L2 at the least (EIP-7623, no byte zero).
    function minimumGasLimit(uint64 _byteCount) public pure returns (uint64) {
        return _byteCount * 40 + 21_000;
    }

    function _deposit(
        address to,
        uint256 mint,
        uint256 value,
        uint64 gasLimit,
        bool isCreation,
        bytes calldata data
    ) private {
        if (data.length > (isCreation ? MAX_INIT_CODE_BYTES : MAX_DATA_BYTES)) revert LargeCalldata();
        uint256 minimum = minimumGasLimit(uint64(data.length));
        if (isCreation) {
            if (to != address(0)) revert BadTarget();
            // Intrinsic gas of a creation, EIP-3860.
            minimum = Math.max(minimum, 53_000 + data.length * 16 + ((data.length + 31) / 32) * 2);
        }
        if (gasLimit < minimum) revert SmallGasLimit();
        bytes memory opaqueData = abi.encodePacked(mint, value, gasLimit, isCreation, data);
        emit TransactionDeposited(L1Sender.onL2(), to, DEPOSIT_VERSION, opaqueData);
    }

    // --- Withdrawals ---

    /// Shows that the withdrawal was begun on L2 before the output. Again only when that output is no more.
    function proveWithdrawalTransaction(
        WithdrawalTransaction calldata _tx,
        uint256 _l2OutputIndex,
        OutputRootProof calldata _outputRootProof,
        bytes[] calldata _withdrawalProof
    ) external whenNotPaused {
        _requireTarget(_tx.target);
        bytes32 outputRoot = l2Oracle.getL2Output(_l2OutputIndex).outputRoot;
        require(
            outputRoot == Withdrawals.outputRoot(_outputRootProof),
            "OpenLedgerPortal: invalid output root proof"
        );
        bytes32 withdrawal = Withdrawals.hash(_tx);
        ProvenWithdrawal memory earlier = provenWithdrawals[withdrawal];
        // Or anybody could begin the waiting of others anew.
        require(
            earlier.timestamp == 0 || !_isStanding(earlier),
            "OpenLedgerPortal: withdrawal hash has already been proven"
        );
        require(
            Withdrawals.isIncluded(withdrawal, _outputRootProof.messagePasserStorageRoot, _withdrawalProof),
            "OpenLedgerPortal: invalid withdrawal inclusion proof"
        );
        provenWithdrawals[withdrawal] = ProvenWithdrawal(outputRoot, uint128(block.timestamp), uint128(_l2OutputIndex));
        emit WithdrawalProven(withdrawal, _tx.sender, _tx.target);
    }

    /// Releases the withdrawal's OPEN to its target and calls that with the withdrawal's data, if it has any. A call
    /// that fails does not bring the OPEN back.
    function finalizeWithdrawalTransaction(WithdrawalTransaction calldata _tx) external whenNotPaused {
        if (l2Sender != NO_SENDER) revert NonReentrant();
        _requireTarget(_tx.target);
        bytes32 withdrawal = Withdrawals.hash(_tx);
        ProvenWithdrawal memory proven = provenWithdrawals[withdrawal];
        require(proven.timestamp != 0, "OpenLedgerPortal: withdrawal has not been proven yet");
        require(
            _isPeriodOver(proven.timestamp),
            "OpenLedgerPortal: proven withdrawal finalization period has not elapsed"
        );
        require(
            _isStanding(proven),
            "OpenLedgerPortal: output root proven is not the same as current output root"
        );
        // Deleted and proposed again, an output is younger than the proof.
        require(
            isOutputFinalized(proven.l2OutputIndex),
            "OpenLedgerPortal: output proposal finalization period has not elapsed"
        );
        require(!finalizedWithdrawals[withdrawal], "OpenLedgerPortal: withdrawal has already been finalized");
        finalizedWithdrawals[withdrawal] = true;

        l2Sender = _tx.sender;
        if (_tx.value != 0) {
            _countRelease(_tx.value);
            balance -= _tx.value;
            token.safeTransfer(_tx.target, _tx.value);
        }
        bool success = _tx.data.length == 0 || MinGasCall.callWithMinGas(_tx.target, _tx.gasLimit, _tx.data);
        l2Sender = NO_SENDER;
        emit WithdrawalFinalized(withdrawal, success);
        if (!success && tx.origin == ESTIMATION_ADDRESS) revert GasEstimation();
    }

    /// No withdrawal that was proven against it can be stopped any more, but by a pause.
    function isOutputFinalized(uint256 _l2OutputIndex) public view returns (bool) {
        return _isPeriodOver(l2Oracle.getL2Output(_l2OutputIndex).timestamp);
    }

    function paused() public view returns (bool) {
        return systemConfig.paused();
    }

    function guardian() external view returns (address) {
        return systemConfig.guardian();
    }

    function releaseLimit() public view override returns (uint256, uint256) {
        return systemConfig.releaseLimit();
    }

    function _resourceConfig() internal view override returns (ResourceConfig memory) {
        return systemConfig.resourceConfig();
    }

    /// Called by the portal, the token would take an approval for one of the holder; the portal would believe itself.
    function _requireTarget(address target) private view {
        if (target == address(this) || target == address(token)) revert BadTarget();
    }

    /// The output that it was proven against is still there.
    function _isStanding(ProvenWithdrawal memory proven) private view returns (bool) {
        uint256 index = proven.l2OutputIndex;
        return index < l2Oracle.nextOutputIndex() && l2Oracle.getL2Output(index).outputRoot == proven.outputRoot;
    }

    function _isPeriodOver(uint256 timestamp) private view returns (bool) {
        return block.timestamp > timestamp + l2Oracle.FINALIZATION_PERIOD_SECONDS();
    }
}
