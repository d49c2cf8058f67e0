// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

/// @title Datanets: who contributed which data, under which licence
/// @notice Stateful precompile at 0x0000000000000000000000000000000000000901.
/// Content never goes on chain; contentRoot commits to it (docs/spec.md, "Content tree").
/// Ids start at 1. contributionId is one global sequence over all Datanets: lower means revealed earlier.
interface IDatanet {
    /// @dev Licence codes, see docs/spec.md "Licences" for the compatibility matrix.
    /// 0 none (all rights reserved; can never be accepted) 1 CC0-1.0 2 MIT 3 ISC 4 BSD-2-Clause 5 BSD-3-Clause
    /// 6 Apache-2.0 7 CC-BY-4.0 8 CC-BY-SA-4.0 9 GPL-3.0 10 CC-BY-NC-4.0 11 CC-BY-NC-SA-4.0 12 ODbL-1.0 13 proprietary
    /// 14 Python-2.0 15 BlueOak-1.0.0 16 MPL-2.0

    enum Modality { Text, Image, Audio }
    enum Access { Open, Permissioned }
    /// Pending until a curator decides. Duplicate = accepted as a copy of an earlier one and never paid.
    enum Status { None, Pending, Accepted, Rejected, Duplicate, Withdrawn }

    struct Datanet {
        address owner;
        Modality modality;
        uint8 licence;
        Access access;
        uint32 versions;
        uint32 accepted; // leaves in the incremental tree
        uint128 bond; // wei a contribution must carry
        bytes32 metadataHash; // keccak256(abi.encode(name, domain, metadataURI))
    }

    struct Contribution {
        uint64 datanetId;
        address contributor;
        Status status;
        uint8 licence;
        uint16 score; // 0..10000, set on acceptance
        uint64 size; // bytes
        uint64 revealedAt; // block number
        uint64 withdrawnAt; // block number of the withdrawal of consent, 0 while consent stands
        uint32 leafIndex; // position among the Datanet's accepted contributions, valid when Accepted
        uint64 duplicateOf; // contribution id, 0 unless Duplicate
        uint128 bond; // wei still held
        bytes32 contentRoot;
    }

    struct Version {
        uint32 count; // accepted contributions frozen in this version: leaf indices 0..count-1
        uint64 publishedAt; // block number
        bytes32 root; // root of the depth-32 tree over those leaves
    }

    event DatanetCreated(uint256 indexed datanetId, address indexed owner, string name, string domain, string metadataURI, Modality modality, uint8 licence, Access access, uint256 bond);
    event CuratorSet(uint256 indexed datanetId, address indexed curator, bool allowed);
    event ContributorSet(uint256 indexed datanetId, address indexed contributor, bool allowed);
    event BuilderSet(uint256 indexed datanetId, address indexed builder, bool allowed);
    event ContributionCommitted(uint256 indexed datanetId, address indexed contributor, bytes32 commitment);
    event ContributionSubmitted(uint256 indexed datanetId, uint256 indexed contributionId, address indexed contributor, bytes32 contentRoot, uint64 size, uint8 licence, string uri, uint256[] parents, uint256 bond);
    event ContributionAccepted(uint256 indexed datanetId, uint256 indexed contributionId, address indexed curator, uint16 score, uint32 leafIndex);
    event ContributionRejected(uint256 indexed datanetId, uint256 indexed contributionId, address indexed curator, string reason, uint256 bondForfeited);
    event ContributionDuplicate(uint256 indexed datanetId, uint256 indexed contributionId, address indexed curator, uint256 duplicateOf);
    event ConsentWithdrawn(uint256 indexed datanetId, uint256 indexed contributionId, address indexed contributor);
    event BondReturned(uint256 indexed contributionId, address indexed contributor, uint256 amount);
    event VersionPublished(uint256 indexed datanetId, uint32 indexed version, uint32 count, bytes32 root);

    error UnknownDatanet(uint256 datanetId);
    error UnknownContribution(uint256 contributionId);
    error UnknownVersion(uint256 datanetId, uint32 version);
    error NotOwner(address caller);
    error NotCurator(address caller);
    error NotContributor(address caller);
    error ContributorNotAllowed(uint256 datanetId, address caller);
    error UnknownLicence(uint8 licence);
    error LicenceConflict(uint8 contributionLicence, uint8 datanetLicence);
    error EmptyName();
    error EmptyContent();
    error StringTooLong(uint256 length, uint256 limit);
    error TooManyItems(uint256 count, uint256 limit);
    /// Reveal needs a commitment of the same sender that is at least one block old.
    error CommitmentMissing(bytes32 commitment);
    error CommitmentTooRecent(bytes32 commitment, uint256 committedAt);
    error CommitmentExists(bytes32 commitment);
    /// The Datanet already holds this content root.
    error DuplicateContent(uint256 datanetId, bytes32 contentRoot, uint256 contributionId);
    error WrongBond(uint256 sent, uint256 required);
    error NotPending(uint256 contributionId, Status status);
    error NotWithdrawable(uint256 contributionId, Status status);
    error InvalidDuplicateOf(uint256 contributionId, uint256 duplicateOf);
    error InvalidParent(uint256 parent);
    error InvalidScore(uint16 score);
    error NothingToPublish(uint256 datanetId);
    error DatanetFull(uint256 datanetId);
    error IndexOutOfRange(uint256 index, uint256 length);

    /// The sender becomes owner and curator.
    function createDatanet(string calldata name, string calldata domain, string calldata metadataURI, Modality modality, uint8 licence, Access access, uint128 bond) external returns (uint256 datanetId);
    function setCurator(uint256 datanetId, address curator, bool allowed) external;
    function setContributor(uint256 datanetId, address contributor, bool allowed) external;
    function setBuilder(uint256 datanetId, address builder, bool allowed) external;

    /// commitment = keccak256(abi.encode(datanetId, contributor, contentRoot, salt)), contributor = msg.sender.
    function commitContribution(uint256 datanetId, bytes32 commitment) external;
    /// Reveals a commitment that is at least one block old; msg.value must equal the Datanet's bond.
    function submitContribution(uint256 datanetId, bytes32 contentRoot, uint64 size, string calldata uri, uint8 licence, uint256[] calldata parents, bytes32 salt) external payable returns (uint256 contributionId);
    /// Returns the bond. Reverts with LicenceConflict where the contribution's licence does not allow the Datanet's.
    function acceptContribution(uint256 contributionId, uint16 score) external;
    /// The bond goes to the treasury.
    function rejectContribution(uint256 contributionId, string calldata reason) external;
    /// duplicateOf must be an accepted contribution of the same Datanet with a lower id. The bond goes to the treasury.
    function acceptDuplicate(uint256 contributionId, uint256 duplicateOf) external;
    /// While pending: withdraws it and returns the bond. When accepted: accrual stops for inferences requested in later blocks.
    function withdrawConsent(uint256 contributionId) external;
    /// Freezes (count, root). Reverts when nothing was accepted since the last version.
    function publishVersion(uint256 datanetId) external returns (uint32 version);

    function datanetCount() external view returns (uint256);
    function contributionCount() external view returns (uint256);
    function datanet(uint256 datanetId) external view returns (Datanet memory);
    function contribution(uint256 contributionId) external view returns (Contribution memory);
    function contributionByRoot(uint256 datanetId, bytes32 contentRoot) external view returns (uint256 contributionId);
    function version(uint256 datanetId, uint32 number) external view returns (Version memory);
    /// Ids of accepted contributions at leaf indices start..start+count-1 (at most 256).
    function acceptedIds(uint256 datanetId, uint32 start, uint32 count) external view returns (uint256[] memory ids);
    function isCurator(uint256 datanetId, address account) external view returns (bool);
    function isContributor(uint256 datanetId, address account) external view returns (bool);
    function isBuilder(uint256 datanetId, address account) external view returns (bool);
    /// Whether content under `from` may become part of a work offered under `to`.
    function licenceAllows(uint8 from, uint8 to) external view returns (bool);
}
