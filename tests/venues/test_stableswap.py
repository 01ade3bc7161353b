"""StableSwap pools: within a fifth of a basis point of the exact invariant, and of the real pool's numbers."""

from __future__ import annotations

import os
from decimal import Decimal, localcontext
from pathlib import Path

import numpy as np
import pytest

from delever.core.profile import buy, sell, sold_at
from delever.ingest.source import Source
from delever.model.errors import InputError
from delever.venues.stableswap import StableSwap, curve_of_many

DATA = Path(os.environ.get("DELEVER_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
BP = 1e-4
TRADES = 200


def pool(amplification: float, base: float, quote: float) -> StableSwap:
    return StableSwap(pair="A/B", A=amplification, balances={"A": base, "B": quote}, fee=0.0004)


class Exact:
    """The contract's invariant in forty digits."""

    def __init__(self, amplification: float, base: float, quote: float) -> None:
        self.ann = Decimal(2.0 * amplification)
        x, y = Decimal(base), Decimal(quote)
        self.d = x + y
        for _ in range(100):
            product = self.d**3 / (4 * x * y)
            self.d = (self.ann * (x + y) + 2 * product) * self.d / ((self.ann - 1) * self.d + 3 * product)

    def other(self, held: Decimal) -> Decimal:
        """The balance of one asset where the pool holds this much of the other (a quadratic)."""
        b, c = held + self.d / self.ann - self.d, self.d**3 / (4 * held * self.ann)
        return ((b * b + 4 * c).sqrt() - b) / 2


def errors(amplification: float, base: float, quote: float, displaced: bool) -> tuple[float, float]:
    """Largest relative error of proceeds and of amounts bought, in trades of up to 40 % of the pool."""
    random = np.random.default_rng(int(amplification) + int(base))
    table = pool(amplification, base, quote).table(Source(), 1.0)
    exact = Exact(amplification, base, quote)
    worst_sale, worst_purchase = 0.0, 0.0
    for share, at in zip(random.uniform(0.0, 1.0, TRADES) ** 2, random.uniform(-0.5, 0.5, TRADES), strict=True):
        start, trade = float(displaced) * at * min(base, quote), 0.4 * share * (base + quote)
        x = Decimal(base) + Decimal(start)
        y = exact.other(x)
        paid, bought = y - exact.other(x + Decimal(trade)), x - exact.other(y + Decimal(trade))
        worst_sale = max(worst_sale, abs(sell(start, trade, *table.rows())[1] / float(paid) - 1.0))
        worst_purchase = max(worst_purchase, abs(buy(start, trade, *table.rows())[1] / float(bought) - 1.0))
    return worst_sale, worst_purchase


@pytest.mark.parametrize("balances", [(241954.0, 235285.0), (100.0, 100.0), (30.0, 170.0), (170.0, 30.0)])
@pytest.mark.parametrize("amplification", [5.0, 30.0, 100.0, 500.0, 2000.0])
def test_trades_of_up_to_40_percent_of_the_pool_are_within_a_fifth_of_a_basis_point(
        amplification: float, balances: tuple[float, float]) -> None:
    with localcontext() as context:
        context.prec = 40
        assert max(errors(amplification, *balances, displaced=False)) < 0.1 * BP
        assert max(errors(amplification, *balances, displaced=True)) < 0.2 * BP


def test_the_real_pool_is_within_a_thirtieth_of_a_basis_point_from_its_start() -> None:
    with localcontext() as context:
        context.prec = 40
        worst_sale, worst_purchase = errors(30.0, 241954.0, 235285.0, displaced=False)
    print(f"proceeds {worst_sale / BP:.3f} bp, amounts bought {worst_purchase / BP:.3f} bp")
    assert max(worst_sale, worst_purchase) < BP / 30.0


class ExactOfMany(Exact):
    """The same for a pool of more assets, of which all but two are as they are."""

    def __init__(self, amplification: float, base: float, quote: float, others: list[float]) -> None:
        held = [Decimal(units) for units in (base, quote, *others)]
        n, self.others = len(held), held[2:]
        self.ann, self.d = Decimal(n * amplification), sum(held, Decimal(0))
        for _ in range(200):
            product = self.d
            for units in held:
                product *= self.d / (n * units)
            self.d = (self.ann * sum(held) + n * product) * self.d / ((self.ann - 1) * self.d + (n + 1) * product)

    def other(self, held: Decimal) -> Decimal:
        """As get_y of the contract."""
        n = 2 + len(self.others)
        c = self.d ** (n + 1) / (n**n * held * self.ann)
        for units in self.others:
            c /= units
        b = held + sum(self.others) + self.d / self.ann - self.d
        return ((b * b + 4 * c).sqrt() - b) / 2


@pytest.mark.parametrize("balances", [(100.0, 100.0, 100.0), (40.0, 150.0, 110.0), (170.0, 60.0, 20.0, 50.0)])
@pytest.mark.parametrize("amplification", [10.0, 200.0, 2000.0])
def test_two_assets_of_a_pool_of_more_trade_as_the_contract_says(amplification: float, balances: tuple[float, ...]) -> None:
    held = dict(zip("ABCD", balances, strict=False))
    table = StableSwap(pair="A/B", A=amplification, balances=held, fee=0.0).table(Source(), 1.0)
    random = np.random.default_rng(int(amplification))
    with localcontext() as context:
        context.prec = 40
        exact = ExactOfMany(amplification, balances[0], balances[1], list(balances[2:]))
        x, y, size = Decimal(balances[0]), Decimal(balances[1]), 0.4 * min(balances[0], balances[1])
        assert float(exact.other(x)) == pytest.approx(balances[1], rel=1e-14)
        for trade in (size * random.uniform(0.0, 1.0, 100) ** 2).tolist():
            paid, bought = y - exact.other(x + Decimal(trade)), x - exact.other(y + Decimal(trade))
            assert sell(0.0, trade, *table.rows())[1] == pytest.approx(float(paid), rel=0.5 * BP)
            assert buy(0.0, trade, *table.rows())[1] == pytest.approx(float(bought), rel=0.5 * BP)


def test_two_assets_by_the_way_of_many_are_two_assets() -> None:
    node_w, sold = curve_of_many(120.0, 80.0, [], 30.0, 512)
    cells, other_w, other_sold, _, liquidity = pool(30.0, 120.0, 80.0).table(Source(), 1.0).rows()
    inside = np.abs(sold) < 70.0
    found = [sold_at(float(w), cells, other_w, other_sold, liquidity) for w in node_w[inside]]
    assert found == pytest.approx(sold[inside].tolist(), rel=1e-4, abs=1e-3)


def test_prices_at_the_nodes_are_those_of_the_invariant() -> None:
    with localcontext() as context:
        context.prec = 40
        exact = Exact(30.0, 100.0, 80.0)
        table = pool(30.0, 100.0, 80.0).table(Source(), 1.0)
        for sold, w in zip(table.sold[400:625:8].tolist(), table.node_w[400:625:8].tolist(), strict=True):
            x, step = 100 + Decimal(sold), Decimal("1e-12")
            price = (exact.other(x - step) - exact.other(x + step)) / (2 * step)
            assert 1.0 / w**2 == pytest.approx(float(price), rel=1e-11)


def test_a_balanced_pool_trades_at_par_from_its_start() -> None:
    table = pool(30.0, 100.0, 100.0).table(Source(), 1.0)
    cells, node_w, sold, _, liquidity = table.rows()
    assert table.start_log_price == pytest.approx(0.0, abs=1e-15)
    assert sold_at(float(node_w[table.start]), cells, node_w, sold, liquidity) == 0.0


def test_liquidity_is_deeper_near_par_the_higher_the_amplification() -> None:
    proceeds = [sell(0.0, 30.0, *pool(a, 100.0, 100.0).table(Source(), 1.0).rows())[1] for a in (1.0, 5.0, 30.0, 200.0)]
    assert proceeds == sorted(proceeds)
    assert proceeds[0] > 30.0 * 100.0 / 130.0  # more than a constant product pays


@pytest.fixture
def curve(monkeypatch: pytest.MonkeyPatch) -> StableSwap:
    """The Curve stETH/ETH pool of 19 June 2023; where the file is missing, CI fails and others skip."""
    if not (DATA / "aave_steth_2023-06").exists():
        message = f"no data at {DATA}: set DELEVER_DATA to the folder of data sets"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    monkeypatch.setenv("DELEVER_DATA", str(DATA))
    return StableSwap(pair="stETH/ETH", data="aave_steth_2023-06/curve_pool.json", half_life="6 h")


def test_the_curve_pool_sells_steth_at_the_rate_of_the_day(curve: StableSwap) -> None:
    source = Source()
    table = curve.table(source, 1.0)
    rate = sell(0.0, 1.0, *table.rows())[1] * (1.0 - table.fee_out)
    assert rate == pytest.approx(0.9987, abs=5e-5)
    assert table.half_life == 21600.0
    assert list(source.hashes) == ["aave_steth_2023-06/curve_pool.json"]


@pytest.mark.parametrize(("fields", "message"), [
    (dict(), "neither data nor all of A, balances and fee"),
    (dict(A=30, fee=0.0004), "neither data nor all"),
    (dict(data="pool.json", A=30), "has data and A"),
    (dict(A=0, fee=0.0004, balances={"A": 1.0, "B": 1.0}), "A .*greater than 0"),
    (dict(A=30, fee=0.0004, balances={"A": 0.0, "B": 1.0}), "balances.A is 0"),
    (dict(A=30, fee=0.0004, balances={"A": 1.0, "B": -1.0}), "balances.B is -1"),
    (dict(A=30, fee=0.0004, balances={"A": 1.0}), "balances.B is missing"),
    (dict(A=30, fee=4, balances={"A": 1.0, "B": 1.0}), "fee is 4; it is a share, so 0.04"),
])
def test_bad_input_is_answered_with_name_and_remedy(fields: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        StableSwap(pair="A/B", **fields)


@pytest.mark.parametrize(("text", "message"), [
    ('{"A": 30, "fee": 0.0004}', "balances"),
    ('{"A": 30, "fee": 0.0004, "balances": {"A": 1, "C": 1}}', r"balances.C is not one of the pair A/B"),
    ('{"A": -3, "fee": 0.0004, "balances": {"A": 1, "B": 1}}', "positive"),
    ('{"A": 30, "fee', "pool.json"),
])
def test_a_bad_pool_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "pool.json").write_text(text)
    with pytest.raises(InputError, match=message) as error:
        StableSwap(pair="A/B", data="pool.json").table(Source(tmp_path), 1.0)
    assert "pool.json" in str(error.value)
