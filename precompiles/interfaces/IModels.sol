// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

/// @title Models: which model was made of which data, and who serves it
/// @notice Stateful precompile at 0x0000000000000000000000000000000000000902.
/// Registration fixes the lineage for ever: the parent chain and the flattened list of (datanetId, count).
interface IModels {
    enum Kind { Base, FineTune, Adapter }

    struct DataRef {
        uint64 datanetId;
        uint32 version;
    }

    /// Flattened: the largest accepted count of each Datanet over the model and all of its ancestors.
    struct DataCount {
        uint64 datanetId;
        uint32 count;
    }

    struct ModelParams {
        Kind kind;
        uint256 parent; // 0 for a base model; required otherwise
        string name;
        string metadataURI;
        bytes32 artifactHash;
        bytes32 configHash;
        uint8 licence;
        DataRef[] data; // own training data, at most 16, no Datanet twice
        uint128 requestPrice; // wei per 1,000 bytes of request
        uint128 outputPrice; // wei per 1,000 bytes of output
        uint32 royaltyPpm; // what a direct child pays upstream of what it earns, 0..500000
        uint32 hostPpm; // the host's share of the model's part after royalties, 0..1000000
    }

    struct Model {
        address owner;
        Kind kind;
        uint8 licence;
        uint8 depth; // 0 for a base model
        uint32 royaltyPpm;
        uint32 hostPpm;
        uint64 registeredAt; // block number
        uint256 parent;
        uint128 requestPrice;
        uint128 outputPrice;
        bytes32 artifactHash;
        bytes32 configHash;
        bytes32 metadataHash; // keccak256(abi.encode(name, metadataURI))
    }

    event ModelRegistered(uint256 indexed modelId, address indexed owner, uint256 indexed parent, Kind kind, string name, string metadataURI, bytes32 artifactHash, bytes32 configHash, uint8 licence, DataRef[] data, DataCount[] flattened, uint128 requestPrice, uint128 outputPrice, uint32 royaltyPpm, uint32 hostPpm);
    event PricesSet(uint256 indexed modelId, uint128 requestPrice, uint128 outputPrice);
    event HostJoined(uint256 indexed modelId, address indexed host, string url);
    event HostLeft(uint256 indexed modelId, address indexed host);

    error UnknownModel(uint256 modelId);
    error NotModelOwner(address caller);
    error InvalidParent(uint256 parent);
    error LineageTooDeep(uint256 limit);
    error NoData();
    error TooManyItems(uint256 count, uint256 limit);
    error DuplicateData(uint256 datanetId);
    error UnknownVersion(uint256 datanetId, uint32 version);
    /// The Datanet is permissioned and the sender holds no builder grant.
    error AccessNotGranted(uint256 datanetId, address caller);
    /// The Datanet's (or the parent model's) licence does not allow the model's licence.
    error LicenceConflict(uint8 from, uint8 to);
    error UnknownLicence(uint8 licence);
    error InvalidShare(uint256 ppm, uint256 limit);
    error EmptyName();
    error StringTooLong(uint256 length, uint256 limit);
    error AlreadyHost(uint256 modelId, address host);
    error NotHost(uint256 modelId, address host);

    function registerModel(ModelParams calldata params) external returns (uint256 modelId);
    /// Takes effect for inferences requested afterwards.
    function setPrices(uint256 modelId, uint128 requestPrice, uint128 outputPrice) external;
    /// Declares that the sender holds all data of the model; its liability starts here.
    function joinAsHost(uint256 modelId, string calldata url) external;
    function leaveAsHost(uint256 modelId) external;

    function modelCount() external view returns (uint256);
    function model(uint256 modelId) external view returns (Model memory);
    function dataOf(uint256 modelId) external view returns (DataCount[] memory flattened);
    function isHost(uint256 modelId, address host) external view returns (bool);
    /// Owners and shares that are paid upstream, nearest parent first.
    function ancestors(uint256 modelId) external view returns (uint256[] memory modelIds);
}
