// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {IDatanet} from "../../precompiles/interfaces/IDatanet.sol";
import {IModels} from "../../precompiles/interfaces/IModels.sol";
import {IAttribution} from "../../precompiles/interfaces/IAttribution.sol";

/// Uses the precompiles as any contract would: typed calls, structs, try and catch.
contract Probe {
    IDatanet constant DATANET = IDatanet(0x0000000000000000000000000000000000000901);
    IModels constant MODELS = IModels(0x0000000000000000000000000000000000000902);
    IAttribution constant ATTRIBUTION = IAttribution(0x0000000000000000000000000000000000000903);

    uint256 public immutable datanetId;

    constructor() payable {
        datanetId = DATANET.createDatanet("Built", "code", "", IDatanet.Modality.Text, 1, IDatanet.Access.Open, 3);
        ATTRIBUTION.depositStake{value: msg.value}();
    }

    function commit(bytes32 root) external {
        DATANET.commitContribution(datanetId, keccak256(abi.encode(datanetId, address(this), root, bytes32(0))));
    }

    function build(bytes32 root, string calldata uri) external payable returns (uint256 modelId) {
        uint256[] memory parents = new uint256[](0);
        uint256 id = DATANET.submitContribution{value: 3}(datanetId, root, 10, uri, 1, parents, bytes32(0));
        DATANET.setCurator(datanetId, address(this), true);
        DATANET.acceptContribution(id, 7);
        uint32 number = DATANET.publishVersion(datanetId);
        IDatanet.Contribution memory one = DATANET.contribution(id);
        require(one.contributor == address(this) && one.status == IDatanet.Status.Accepted && one.score == 7, "contribution");
        IDatanet.Version memory version = DATANET.version(datanetId, number);
        require(version.count == 1 && version.publishedAt == block.number, "version");
        require(DATANET.acceptedIds(datanetId, 0, 1)[0] == id, "ids");

        IModels.ModelParams memory params;
        params.name = "Model";
        params.licence = 1;
        params.outputPrice = 1000;
        params.data = new IModels.DataRef[](1);
        params.data[0] = IModels.DataRef(uint64(datanetId), number);
        modelId = MODELS.registerModel(params);
        MODELS.joinAsHost(modelId, uri);
        require(MODELS.model(modelId).owner == address(this), "model");
        require(MODELS.dataOf(modelId)[0].count == 1, "data");

        uint256 inferenceId = ATTRIBUTION.requestInference{value: 5000}(
            modelId, address(this), root, 9, IAttribution.Audience.Private
        );
        IAttribution.Inference memory asked = ATTRIBUTION.inference(inferenceId);
        require(asked.payer == address(this) && asked.escrow == 5000, "inference");
        require(asked.state == IAttribution.State.Requested, "state");
        try ATTRIBUTION.expire(inferenceId) {
            revert("expired early");
        } catch (bytes memory reason) {
            bytes memory expected = abi.encodeWithSelector(
                IAttribution.DeadlineNotPassed.selector, inferenceId, asked.commitDeadline
            );
            require(keccak256(reason) == keccak256(expected), "custom error");
        }
        IAttribution.Claim[] memory claims = new IAttribution.Claim[](1);
        claims[0].inferenceId = inferenceId;
        try ATTRIBUTION.settle(claims) {
            revert("settled early");
        } catch (bytes memory reason) {
            require(bytes4(reason) == IAttribution.WrongState.selector, "wrong state");
        }
    }
}
