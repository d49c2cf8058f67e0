// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

/// @title BLS12-381 signatures
/// @notice Public keys in G1, signatures in G2, messages of 32 bytes, by the precompiles of EIP-2537. The scheme is that
/// of draft-irtf-cfrg-bls-signature with proofs of possession; hashing to the curve is
/// BLS12381G2_XMD:SHA-256_SSWU_RO_ of RFC 9380, section 8.8.2. An aggregate is safe only of keys that have each shown a
/// proof of possession.
///
/// Points are in the precompiles' form: coordinates of 64 bytes, big-endian, of which the upper 16 are zero; a G1 point
/// is x ‖ y (128 bytes), a G2 point x.c0 ‖ x.c1 ‖ y.c0 ‖ y.c1 (256). All zeros is the point at infinity, which is
/// refused everywhere.
library Bls {
    uint256 internal constant SIGNATURE_BYTES = 256;
    /// A public key as it is kept: without the zeros, x ‖ y of 48 bytes each.
    uint256 internal constant KEY_BYTES = 96;

    /// EIP-198.
    address private constant MODEXP = address(0x05);
    /// EIP-2537.
    address internal constant G1ADD = address(0x0b);
    address private constant G2ADD = address(0x0d);
    address private constant PAIRING_CHECK = address(0x0f);
    address private constant MAP_FP2_TO_G2 = address(0x11);

    /// The tag of the scheme, and its length in one byte: what RFC 9380 calls DST_prime.
    bytes private constant TAG = "BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_\x2b";
    /// The field's modulus.
    bytes private constant P =
        hex"1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab";
    /// The generator of G1 with y negated.
    bytes private constant NEGATED_GENERATOR =
        hex"0000000000000000000000000000000017f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"
        hex"00000000000000000000000000000000114d1d6855d545a8aa7d76c8cf2e21f267816aef1db507c96655b9d5caac42364e6f38ba0ecb751bad54dcd6b939c2ca";

    /// The bytes are no signature, or not one of this key on this message.
    error InvalidSignature();
    /// The key is the point at infinity: anybody could sign for it.
    error InfiniteKey();
    /// The field's arithmetic or the hash to the curve failed: this chain lacks the precompiles of EIP-2537.
    error PrecompileFailed(address precompile);

    /// Reverts unless `signature` is that of `key` (a G1 point) on `message`. The pairing's precompile refuses points off
    /// the curve, outside the group of prime order, and coordinates that are not below the modulus.
    function requireSignature(bytes memory key, bytes32 message, bytes calldata signature) internal view {
        if (signature.length != SIGNATURE_BYTES || _isZero(signature)) revert InvalidSignature();
        if (_isZero(key)) revert InfiniteKey();
        // e(key, H(message)) · e(-generator, signature) = 1
        bytes memory pairs = abi.encodePacked(key, hashToG2(message), NEGATED_GENERATOR, signature);
        (bool ok, bytes memory result) = PAIRING_CHECK.staticcall(pairs);
        if (!ok || result.length != 32 || uint256(bytes32(result)) != 1) revert InvalidSignature();
    }

    /// The G1 point of a key of KEY_BYTES.
    function point(bytes memory key) internal pure returns (bytes memory padded) {
        padded = new bytes(128);
        assembly ("memory-safe") {
            mcopy(add(padded, 48), add(key, 32), 48)
            mcopy(add(padded, 112), add(key, 80), 48)
        }
    }

    /// A G2 point (RFC 9380, section 3, hash_to_curve). The precompile clears the cofactor of each of the two, which
    /// gives the same as clearing that of the sum.
    function hashToG2(bytes32 message) internal view returns (bytes memory) {
        bytes32[8] memory uniform = _expand(message);
        return _call(G2ADD, bytes.concat(_map(uniform, 0), _map(uniform, 4)));
    }

    /// Words `i` to `i + 3` of the uniform bytes to a point.
    function _map(bytes32[8] memory uniform, uint256 i) private view returns (bytes memory) {
        bytes memory c0 = _reduce(uniform[i], uniform[i + 1]);
        bytes memory c1 = _reduce(uniform[i + 2], uniform[i + 3]);
        return _call(MAP_FP2_TO_G2, abi.encodePacked(bytes16(0), c0, bytes16(0), c1));
    }

    /// The 64 bytes modulo P, 48 bytes.
    function _reduce(bytes32 high, bytes32 low) private view returns (bytes memory) {
        return _call(MODEXP, abi.encodePacked(uint256(64), uint256(1), uint256(48), high, low, uint8(1), P));
    }

    /// expand_message_xmd of RFC 9380, section 5.3.1, with SHA-256, to 256 bytes: two elements of the field's quadratic
    /// extension, 64 bytes for each of their coordinates.
    function _expand(bytes32 message) private pure returns (bytes32[8] memory uniform) {
        bytes32 first = sha256(abi.encodePacked(new bytes(64), message, uint16(256), uint8(0), TAG));
        bytes32 last = 0;
        for (uint8 i = 0; i < 8; i++) {
            last = sha256(abi.encodePacked(first ^ last, i + 1, TAG));
            uniform[i] = last;
        }
    }

    function _call(address precompile, bytes memory input) private view returns (bytes memory output) {
        bool ok;
        (ok, output) = precompile.staticcall(input);
        if (!ok || output.length == 0) revert PrecompileFailed(precompile);
    }

    function _isZero(bytes memory point_) private pure returns (bool) {
        return keccak256(point_) == keccak256(new bytes(point_.length));
    }
}
