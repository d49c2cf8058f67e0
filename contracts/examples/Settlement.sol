// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {IAttribution} from "../../precompiles/interfaces/IAttribution.sol";
import {SpanRule} from "./SpanRule.sol";

/// @title Fee and settlement of an inference
/// @notice docs/spec.md "Fee and settlement". All divisions round down; whatever rounding leaves goes to the treasury, so
/// the shares sum to the fee exactly. Amounts are wei.
library Settlement {
    uint256 internal constant PPM = 1_000_000;

    /// What the request's block fixed. Shares are parts per million of the fee less the platform fee and sum to at most
    /// 1,000,000. Precondition: fee >= platformFee, fee < 2^128.
    struct Terms {
        uint256 fee;
        uint256 platformFee;
        uint256 modelPpm;
        uint256 stakersPpm;
        uint256 contributorsPpm;
        uint256 outputBytes;
        uint256 hostPpm;
        uint256[] royaltyPpm; // of the ancestors, nearest parent first
    }

    struct Share {
        uint64 contribution;
        uint256 weight; // bytes of the output that it owns
        uint256 amount;
    }

    struct Split {
        Share[] contributors; // one a contribution, in the order in which the spans first name them
        uint256 contributorsPaid;
        uint256 modelOwner;
        uint256 host;
        uint256[] royalties; // what each ancestor keeps, nearest parent first
        uint256 stakers;
        uint256 modelPaid; // owner, host and royalties together
        uint256 treasury; // platform fee, treasury's part, the uncovered part and every remainder
    }

    /// @param requestPrice and outputPrice: wei per 1,000 bytes
    function feeOf(uint256 platformFee, uint256 requestPrice, uint256 outputPrice, uint256 requestBytes, uint256 outputBytes) internal pure returns (uint256) {
        return platformFee + (requestBytes * requestPrice + outputBytes * outputPrice) / 1000;
    }

    /// @notice Who gets what of a fee. Precondition: the spans have no fault.
    function split(Terms memory terms, IAttribution.Span[] calldata spans) internal pure returns (Split memory out) {
        uint256 net = terms.fee - terms.platformFee;
        out.contributors = contributorShares(net * terms.contributorsPpm / PPM, terms.outputBytes, spans);
        for (uint256 i = 0; i < out.contributors.length; i++) out.contributorsPaid += out.contributors[i].amount;
        out.stakers = net * terms.stakersPpm / PPM;
        out.modelPaid = net * terms.modelPpm / PPM;
        uint256 own;
        (own, out.royalties) = royalties(out.modelPaid, terms.royaltyPpm);
        out.host = own * terms.hostPpm / PPM;
        out.modelOwner = own - out.host;
        out.treasury = terms.fee - out.modelPaid - out.stakers - out.contributorsPaid;
    }

    /// @notice dataPart × weight / outputBytes, one division a contribution.
    function contributorShares(uint256 dataPart, uint256 outputBytes, IAttribution.Span[] calldata spans) internal pure returns (Share[] memory shares) {
        uint256[] memory weights = SpanRule.weights(spans);
        shares = new Share[](spans.length);
        uint256 count = 0;
        for (uint256 i = 0; i < spans.length; i++) {
            uint64 contribution = spans[i].contribution;
            uint256 k = 0;
            while (k < count && shares[k].contribution != contribution) k++;
            if (k == count) shares[count++].contribution = contribution;
            shares[k].weight += weights[i];
        }
        for (uint256 k = 0; k < count; k++) shares[k].amount = dataPart * shares[k].weight / outputBytes;
        assembly ("memory-safe") {
            mstore(shares, count)
        }
    }

    /// @notice A part of what each model receives moves up to its parent.
    /// @return own what the model itself keeps, host's part included
    /// @return keeps what each ancestor keeps
    function royalties(uint256 modelPart, uint256[] memory royaltyPpm) internal pure returns (uint256 own, uint256[] memory keeps) {
        keeps = new uint256[](royaltyPpm.length);
        own = modelPart;
        uint256 incoming = modelPart;
        for (uint256 i = 0; i < royaltyPpm.length; i++) {
            uint256 up = incoming * royaltyPpm[i] / PPM;
            if (i == 0) own = incoming - up;
            else keeps[i - 1] = incoming - up;
            incoming = up;
        }
        if (keeps.length > 0) keeps[keeps.length - 1] = incoming;
    }
}
