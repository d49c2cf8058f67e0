// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {IAttribution} from "../../precompiles/interfaces/IAttribution.sol";
import {IDatanet} from "../../precompiles/interfaces/IDatanet.sol";

/// @notice A contract that pays for inferences and reads Datanets: the precompiles as a Solidity developer uses them.
contract Asker {
    IAttribution constant ATTRIBUTION = IAttribution(0x0000000000000000000000000000000000000903);
    IDatanet constant DATANET = IDatanet(0x0000000000000000000000000000000000000901);

    event Asked(uint256 indexed inferenceId);

    function ask(uint256 modelId, address host, bytes32 requestRoot, uint32 requestBytes) external payable returns (uint256 inferenceId) {
        inferenceId = ATTRIBUTION.requestInference{value: msg.value}(modelId, host, requestRoot, requestBytes, IAttribution.Audience.Public);
        emit Asked(inferenceId);
    }

    function licenceOf(uint256 datanetId) external view returns (uint8) {
        return DATANET.datanet(datanetId).licence;
    }

    /// Refunds arrive as plain balance; nothing is called.
    function balance() external view returns (uint256) {
        return address(this).balance;
    }
}
