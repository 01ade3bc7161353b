// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.10;

// What stands around the contracts that are tested: a token, prices and rates that are told, who trades, and names of refusals.

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

interface Pair {
  function token0() external view returns (address);

  function getReserves() external view returns (uint112, uint112, uint32);
}

// Prices in 1e-8 USD per token: told, or what a pair of tokens of 18 decimals stands at now, in its other token.
// Compound asks for a market's, in 1e-36 USD per smallest unit: told.
contract Prices {
  mapping(address => uint256) told;
  mapping(address => Pair) followed;

  function set(address asset, uint256 price) external {
    told[asset] = price;
  }

  function follow(address asset, Pair pair) external {
    followed[asset] = pair;
  }

  function getAssetPrice(address asset) external view returns (uint256) {
    Pair pair = followed[asset];
    if (address(pair) == address(0)) return told[asset];
    (uint256 one, uint256 other, ) = pair.getReserves();
    return pair.token0() == asset ? (other * 1e8) / one : (one * 1e8) / other;
  }

  function getUnderlyingPrice(address market) external view returns (uint256) {
    return told[market];
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

interface Lending {
  function getUserAccountData(address) external view returns (uint256, uint256, uint256, uint256, uint256, uint256);
}

contract Watch {
  // health factors as the pool says them [1e-18]
  function healths(Lending pool, address[] calldata who) external view returns (uint256[] memory found) {
    found = new uint256[](who.length);
    for (uint256 i = 0; i < who.length; i++) (, , , , , found[i]) = pool.getUserAccountData(who[i]);
  }
}

// An oracle that is told its price.
contract Price {
  uint256 public price;

  function set(uint256 price_) external {
    price = price_;
  }
}

interface Ticked {
  function token0() external view returns (Token);

  function token1() external view returns (Token);

  function mint(address to, int24 lower, int24 upper, uint128 liquidity, bytes calldata) external returns (uint256, uint256);

  function swap(address to, bool zeroForOne, int256 amount, uint160 limit, bytes calldata) external returns (int256, int256);
}

// Provides to pools of Uniswap v3 and trades with them, out of what it has.
contract Trader {
  function provide(Ticked pool, int24 lower, int24 upper, uint128 liquidity) external {
    pool.mint(address(this), lower, upper, liquidity, "");
  }

  function trade(Ticked pool, bool zeroForOne, int256 amount, uint160 limit) external returns (int256, int256) {
    return pool.swap(address(this), zeroForOne, amount, limit, "");
  }

  function uniswapV3MintCallback(uint256 amount0, uint256 amount1, bytes calldata) external {
    Ticked(msg.sender).token0().transfer(msg.sender, amount0);
    Ticked(msg.sender).token1().transfer(msg.sender, amount1);
  }

  function uniswapV3SwapCallback(int256 amount0, int256 amount1, bytes calldata) external {
    if (amount0 > 0) Ticked(msg.sender).token0().transfer(msg.sender, uint256(amount0));
    if (amount1 > 0) Ticked(msg.sender).token1().transfer(msg.sender, uint256(amount1));
  }
}

contract Digest {
  function digest(bytes calldata data) external pure returns (bytes32) {
    return keccak256(data);
  }
}

contract Refusals {
  function HealthFactorNotBelowThreshold() external {}
  function MustNotLeaveDust() external {}
  function InvalidBurnAmount() external {}
  function CollateralCannotBeLiquidated() external {}
  function SpecifiedCurrencyNotBorrowedByUser() external {}
}
