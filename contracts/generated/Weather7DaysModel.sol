// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Form} from "../src/Form.sol";
import {ProofConsumer} from "../src/ProofConsumer.sol";
import {Real} from "../src/Real.sol";

/// @title What proofs of the model `weather, 7 days` show
/// @notice To extend. {_acceptProof} checks a proof for the sender and returns what it shows; the functions behind it read
/// that by name. Everything here follows from the model's short key; make it again with the key and compare.
abstract contract Weather7DaysModel is ProofConsumer {
    /// There is no value of this number.
    error NoSuchValue(uint256 index, uint256 count);

    /// The model: the hash of its short key.
    bytes32 public constant MODEL_ID = 0x00840d14970f593887dc91256f2e2f1380aa176569b6c84f16d7f2ced5965666;
    /// Input `pressure`: [2, 3], each an integer times 2^-7, from -256 to 255.9921875.
    Form public constant INPUT_PRESSURE = Form.wrap(0x00020700000000020000000300000003ffffffffffff8000000000000000ffff);
    /// Input `/station:0`: [8], committed to.
    uint256 private constant INPUT_STATION_0_AT = 0;
    /// Output `wind`: [1, 4], each an integer times 2^2, from -2000000 to 2000000.
    Form public constant OUTPUT_WIND = Form.wrap(0x0003fe00000000010000000400000004fffffffffff85ee000000000000f4240);
    /// Output `7-day class`: [1], each an integer times 2^0, from 0 to 1.
    Form public constant OUTPUT_7_DAY_CLASS = Form.wrap(0x0001000000000001000000010000000100000000000000000000000000000001);
    /// Output `storm`: [1], each an integer times 2^0, from 0 to 1.
    Form public constant OUTPUT_STORM = Form.wrap(0x0001000000000001000000010000000100000000000000000000000000000001);
    /// Output `wind`: [1], each an integer times 2^-8, from 0 to 0.99609375.
    Form public constant OUTPUT_NUMBER_6 = Form.wrap(0x00010800000000010000000100000001000000000000000000000000000000ff);
    /// Output `?`: [1, 2], committed to.
    uint256 private constant OUTPUT_NUMBER_7_AT = 64;
    /// Bytes of what a proof shows: points of what is committed to, then values of what is public.
    uint256 public constant SHOWN = 155;

    /// Checks a proof for the sender, uses up the sender's number, and returns what the model was proved to compute.
    function _acceptProof(bytes calldata proof, uint256 nonce) internal returns (bytes calldata shown) {
        return _accept(MODEL_ID, proof, nonce, SHOWN);
    }

    /// Input `pressure`: value number `index`, row after row, in real units.
    function _valueInputPressure(bytes calldata shown, uint256 index) internal pure returns (Real) {
        _below(index, INPUT_PRESSURE.count());
        return INPUT_PRESSURE.realAt(shown, 128, index);
    }

    /// Input `pressure`: all values, row after row.
    function _allInputPressure(bytes calldata shown) internal pure returns (Real[] memory values) {
        values = new Real[](INPUT_PRESSURE.count());
        for (uint256 i = 0; i < values.length; ++i) values[i] = INPUT_PRESSURE.realAt(shown, 128, i);
    }

    /// Input `pressure`: where the greatest value of a row is; the first of equals.
    function _greatestInputPressure(bytes calldata shown, uint256 row) internal pure returns (uint256) {
        _below(row, INPUT_PRESSURE.lines());
        return INPUT_PRESSURE.greatest(shown, 128, row);
    }

    /// Input `/station:0`: the commitment to it, a point; compare its hash with one that you trust.
    function _pointInputStation0(bytes calldata shown) internal pure returns (bytes calldata) {
        return shown[INPUT_STATION_0_AT:INPUT_STATION_0_AT + POINT];
    }

    /// Output `wind`: value number `index`, row after row, in real units.
    function _valueOutputWind(bytes calldata shown, uint256 index) internal pure returns (Real) {
        _below(index, OUTPUT_WIND.count());
        return OUTPUT_WIND.realAt(shown, 140, index);
    }

    /// Output `wind`: all values, row after row.
    function _allOutputWind(bytes calldata shown) internal pure returns (Real[] memory values) {
        values = new Real[](OUTPUT_WIND.count());
        for (uint256 i = 0; i < values.length; ++i) values[i] = OUTPUT_WIND.realAt(shown, 140, i);
    }

    /// Output `wind`: where the greatest value of a row is; the first of equals.
    function _greatestOutputWind(bytes calldata shown, uint256 row) internal pure returns (uint256) {
        _below(row, OUTPUT_WIND.lines());
        return OUTPUT_WIND.greatest(shown, 140, row);
    }

    /// Class 0: sun
    /// Class 1: rain ??*/ }
    ///
    /// Output `7-day class`: value number `index`, row after row, an integer.
    function _valueOutput7DayClass(bytes calldata shown, uint256 index) internal pure returns (int256) {
        _below(index, OUTPUT_7_DAY_CLASS.count());
        return OUTPUT_7_DAY_CLASS.integerAt(shown, 152, index);
    }

    /// Output `storm`: value number `index`, row after row, yes or no.
    function _valueOutputStorm(bytes calldata shown, uint256 index) internal pure returns (bool) {
        _below(index, OUTPUT_STORM.count());
        return OUTPUT_STORM.integerAt(shown, 153, index) != 0;
    }

    /// Output `wind`: value number `index`, row after row, in real units.
    function _valueOutputNumber6(bytes calldata shown, uint256 index) internal pure returns (Real) {
        _below(index, OUTPUT_NUMBER_6.count());
        return OUTPUT_NUMBER_6.realAt(shown, 154, index);
    }

    /// Output `?`: the commitment to it, a point; compare its hash with one that you trust.
    function _pointOutputNumber7(bytes calldata shown) internal pure returns (bytes calldata) {
        return shown[OUTPUT_NUMBER_7_AT:OUTPUT_NUMBER_7_AT + POINT];
    }

    function _below(uint256 index, uint256 count) private pure {
        if (index >= count) revert NoSuchValue(index, count);
    }
}
