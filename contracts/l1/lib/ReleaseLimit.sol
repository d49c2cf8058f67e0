// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

/// @title How much OPEN may leave the portal in a time
/// @notice A bucket of `limit` wei that fills up evenly in `window` seconds. So any time of one window sees at most
/// twice the limit leave, whatever was proven.
abstract contract ReleaseLimit {
    struct Released {
        uint192 level; // wei that the bucket lacks, at that time
        uint64 updatedAt; // seconds
    }

    Released private _released;

    /// The withdrawal stays as it is and can be finalized later. One above the limit needs a greater limit.
    error ReleaseLimitReached(uint256 value, uint256 releasable);

    function releaseLimit() public view virtual returns (uint256 limit, uint256 window);

    /// Wei that could leave now.
    function releasable() public view returns (uint256) {
        (uint256 limit, uint256 window) = releaseLimit();
        uint256 level = _level(limit, window);
        return level < limit ? limit - level : 0;
    }

    function _countRelease(uint256 value) internal {
        (uint256 limit, uint256 window) = releaseLimit();
        uint256 level = _level(limit, window);
        uint256 left = level < limit ? limit - level : 0;
        if (value > left) revert ReleaseLimitReached(value, left);
        // Not above the limit, which has 128 bits.
        _released = Released(uint192(level + value), uint64(block.timestamp));
    }

    function _level(uint256 limit, uint256 window) private view returns (uint256) {
        uint256 refilled = ((block.timestamp - _released.updatedAt) * limit) / window;
        return _released.level > refilled ? _released.level - refilled : 0;
    }
}
