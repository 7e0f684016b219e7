// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title What a verification costs elsewhere
/// @notice The check of a Groth16 proof with one public input, as short as it can be written: four pairings, one multiple of a
/// point, one sum. Reports of gas name it beside their own, from the same machine. The key is one for measuring: the numbers
/// behind its points are known (`crates/evm/src/groth16.rs`), so anybody can make proofs under it.
contract Groth16 {
    /// A point is none, or the public input is not below the order of the group.
    error Malformed();
    /// The equation does not hold.
    error Rejected();

    /// @notice Reverts unless the proof `(a, b, c)` of the statement `input` is valid.
    function verify(uint256[2] calldata a, uint256[4] calldata b, uint256[2] calldata c, uint256 input) external view {
        bool wellFormed;
        bool accepted;
        assembly ("memory-safe") {
            let p := mload(0x40)
            wellFormed := lt(input, 21888242871839275222246405745257275088548364400416034343698204186575808495617)
            // e(a, b)
            calldatacopy(p, a, 0x40)
            calldatacopy(add(p, 0x40), b, 0x80)
            // e(-alpha, beta)
            mstore(add(p, 0x0c0), 0x030644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd3)
            mstore(add(p, 0x0e0), 0x1a76dae6d3272396d0cbe61fced2bc532edac647851e3ac53ce1cc9c7e645a83)
            mstore(add(p, 0x100), 0x1014772f57bb9742735191cd5dcfe4ebbc04156b6878a0a7c9824f32ffb66e85)
            mstore(add(p, 0x120), 0x06064e784db10e9051e52826e192715e8d7e478cb09a5e0012defa0694fbc7f5)
            mstore(add(p, 0x140), 0x021e2335f3354bb7922ffcc2f38d3323dd9453ac49b55441452aeaca147711b2)
            mstore(add(p, 0x160), 0x058e1d5681b5b9e0074b0f9c8d2c68a069b920d74521e79765036d57666c5597)
            // e(l0 + input l1, -gamma), the point made behind everything else
            mstore(add(p, 0x1c0), 0x0a09ccf561b55fd99d1c1208dee1162457b57ac5af3759d50671e510e428b2a1)
            mstore(add(p, 0x1e0), 0x2e539c423b302d13f4e5773c603948eaf5db5df8ae8a9a9113708390a06410d8)
            mstore(add(p, 0x200), 0x16aceb21a80cf8f2d36188a908b83c41d5ab129284508a356a0c7815bb8035e4)
            mstore(add(p, 0x220), 0x00d6aed828fa78623e2059b044c9a177ac5e6644991e6fb89ed9b881dd0d9151)
            mstore(add(p, 0x300), 0x2a14705537b009189da8808651eecdb82482477fe92ac12ca8b71f80fc3d49ef)
            mstore(add(p, 0x320), 0x2df7ee7f243ea8b38e1ddf14029258877a618c779fd4717db6177e19ea67ec38)
            mstore(add(p, 0x340), 0x05e86f8cc8a7a4f10f56093465679f17f8b8c3fdb41469e408b529e030f52f3f)
            mstore(add(p, 0x360), 0x2857bd14bbc09767bed8e913d3ccb42b2bc8738f715417dd6f020725d22bcd90)
            mstore(add(p, 0x380), input)
            wellFormed := and(wellFormed, staticcall(gas(), 7, add(p, 0x340), 0x60, add(p, 0x340), 0x40))
            wellFormed := and(wellFormed, staticcall(gas(), 6, add(p, 0x300), 0x80, add(p, 0x180), 0x40))
            // e(c, -delta)
            calldatacopy(add(p, 0x240), c, 0x40)
            mstore(add(p, 0x280), 0x2903ba015a9abde26a5d081e84551e63be0fd4516e46ee6d593edeba46362455)
            mstore(add(p, 0x2a0), 0x224bdc5d4327fcf8ed702e01de1c2f1657a253ba75e32a89c390142aaa28b308)
            mstore(add(p, 0x2c0), 0x2c9b96a53a7ec14e3d619656a73b0d8c274aabefa38ad2df81336d58d5471c6f)
            mstore(add(p, 0x2e0), 0x12d14e7db70b5011c98392439e03dde1c34fea829e48eab50dfea4119768da08)
            // The product of all four is one.
            wellFormed := and(wellFormed, staticcall(gas(), 8, p, 0x300, p, 0x20))
            accepted := mload(p)
        }
        if (!wellFormed) revert Malformed();
        if (!accepted) revert Rejected();
    }
}
