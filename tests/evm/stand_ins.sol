// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.10;

// What stands around the contracts that are tested: a token, prices and rates that are told, and names of refusals.

contract Token {
  uint8 public immutable decimals;
  uint256 public totalSupply;
  mapping(address => uint256) public balanceOf;

  constructor(uint8 decimals_) {
    decimals = decimals_;
  }

  function mint(address to, uint256 amount) external {
    balanceOf[to] += amount;
    totalSupply += amount;
  }

  function approve(address, uint256) external pure returns (bool) {
    return true;
  }

  function transfer(address to, uint256 amount) external returns (bool) {
    return transferFrom(msg.sender, to, amount);
  }

  // nobody here needs an allowance
  function transferFrom(address from, address to, uint256 amount) public returns (bool) {
    balanceOf[from] -= amount;
    balanceOf[to] += amount;
    return true;
  }
}

contract Prices {
  mapping(address => uint256) public getAssetPrice; // 1e-8 USD per token

  function set(address asset, uint256 price) external {
    getAssetPrice[asset] = price;
  }
}

// Answers every question about rates with three words: supply, borrow, borrow [1e-27 a year].
contract Rates {
  uint256 immutable supplied;
  uint256 immutable owed;

  constructor(uint256 supplied_, uint256 owed_) {
    supplied = supplied_;
    owed = owed_;
  }

  fallback(bytes calldata) external returns (bytes memory) {
    return abi.encode(supplied, owed, owed);
  }
}

contract Refusals {
  function HealthFactorNotBelowThreshold() external {}
  function MustNotLeaveDust() external {}
  function InvalidBurnAmount() external {}
  function CollateralCannotBeLiquidated() external {}
  function SpecifiedCurrencyNotBorrowedByUser() external {}
}
