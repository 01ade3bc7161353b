"""Vaults by hand: paid in the order of the queue, losses borne by all alike, cash moved to where it lacks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from delever import worlds
from delever.model.book import Book
from delever.model.errors import InputError
from delever.model.world import World
from delever.run.stress import stress
from run.small import conserved, fall

LN2, DAY_IN_MINUTES = float(np.log(2.0)), 1440.0


def world(vault: dict[str, Any], cash: tuple[float, float] = (1000.0, 1000.0), events: Any = (), **changes: Any) -> World:
    """Two markets, in each of which one owes 850 USD against 1 ETH at 1000; claims are cash + 850."""
    rows = [{"market": market, "account": f"in {market}", "asset": asset, "side": side, "amount": amount}
            for market in ("one", "two") for asset, side, amount in (("ETH", "collateral", 1.0), ("USD", "debt", 850.0))]
    markets = {name: {"collateral": "ETH", "loan": "USD", "liquidation_threshold": 0.9, "cash": units}
               for name, units in zip(("one", "two"), cash, strict=True)}
    markets["two"]["liquidation_threshold"] = 0.86
    return worlds.load({
        "as_of": "2024-01-01T00:00:00Z", "assets": {"ETH": {"price": 1000.0}},
        "protocols": {"morpho": {"rules": "morpho.v1", "markets": markets,
                                 "book": Book.from_table(pa.Table.from_pylist(rows), protocol="morpho")}},
        "actors": {"liquidators": {"kind": "liquidators", "rule": "always"}, "vault": {"kind": "vaults", "asset": "USD"} | vault},
        "scenario": {"horizon": 600, "step": 60, "paths": 2, "seed": 1, "prices": {"kind": "lognormal"},
                     "events": list(events)}} | changes)


def figures(of: World) -> dict[str, float]:
    state, found = conserved(of)
    return {name: float(values[0]) for name, values in found.items() if name.startswith("vault")} | {
        "booked": float(state.ledgers.booked[0].min())}


BOTH = {"morpho/one": 1500.0, "morpho/two": 500.0}


def test_nobody_leaves_and_nothing_moves_where_nothing_is_stated() -> None:
    found = figures(world({"supplied": BOTH}))
    assert found["vault_withdrawn"] == found["vault_waiting"] == found["vault_moved"] == found["vault_gain"] == 0.0


def test_who_leaves_is_paid_in_the_order_of_the_queue_as_far_as_there_is_cash() -> None:
    """A share of 2000 wants to go and is paid; where all do, 1000 of the first's 1500 are there and 500 of the second's."""
    found = figures(world({"supplied": BOTH, "base": 1.0, "loss": 0.0, "locked": 0.0}))
    per_day = 2000.0 * (1.0 - np.exp(-600.0 / 86400.0))
    assert found["vault_withdrawn"] == pytest.approx(per_day, rel=1e-9) and found["vault_waiting"] == pytest.approx(0.0, abs=1e-9)
    a_quarter_is_locked = {"supplied": BOTH, "locked": 86400.0 / 60.0 * LN2 * 4.0}  # so half of those who stay leave a minute
    hurried = figures(world(a_quarter_is_locked))
    assert hurried["vault_withdrawn"] == pytest.approx(1500.0, rel=1e-9)
    assert 480.0 < hurried["vault_waiting"] <= 500.0


def test_a_market_s_bad_debt_is_the_vault_s_by_its_part_of_the_claims() -> None:
    """ETH falls to 700: 850 - 700 / LIF are bad debt in each market; of claims of 1850 the vault has 1500 and 500."""
    found = figures(world({"supplied": BOTH}, events=[fall(0.3)]))
    factors = [1.0 / (1.0 - 0.3 * (1.0 - lltv)) for lltv in (0.9, 0.86)]
    lost = sum((850.0 - 700.0 / factor) * part / 1850.0 for factor, part in zip(factors, (1500.0, 500.0), strict=True))
    assert found["vault_gain"] == pytest.approx(-lost, rel=1e-9)


def test_losses_make_depositors_leave() -> None:
    calm, uneasy = (figures(world({"supplied": BOTH, "loss": loss}, events=[fall(0.3)])) for loss in (0.0, 1000.0))
    assert calm["vault_withdrawn"] == 0.0 and uneasy["vault_withdrawn"] > 100.0
    assert uneasy["vault_gain"] == pytest.approx(calm["vault_gain"], rel=1e-9), "who is paid before bears it all the same"


def test_cash_is_moved_from_the_market_least_lent_out_to_the_one_most_until_either_is_at_its_target() -> None:
    """Market two has 10 in cash and 850 owed: 850 (1 / 0.9 - 1) - 10 = 84.44 are lacking there; one has plenty."""
    moving = {"supplied": {"morpho/one": 1500.0, "morpho/two": 500.0}, "every": 60.0, "target": 0.9}
    found = figures(world(moving, cash=(1000.0, 10.0)))
    assert found["vault_moved"] == pytest.approx(850.0 * (1.0 / 0.9 - 1.0) - 10.0, rel=1e-9)
    assert found["vault_gain"] == pytest.approx(0.0, abs=1e-9)
    capped = figures(world(moving | {"caps": {"morpho/two": 520.0}}, cash=(1000.0, 10.0)))
    assert capped["vault_moved"] == pytest.approx(20.0, rel=1e-9)


@pytest.mark.parametrize(("vault", "said"), [
    ({"supplied": {}}, "actors.vault.supplied is empty"),
    ({"supplied": {"morpho/three": 1.0}}, "morpho/three"),
    ({"supplied": BOTH, "caps": {"morpho": 1.0}}, "morpho"),
    ({"supplied": {"morpho/one": 1.0}, "caps": {"morpho/two": 1.0}}, "is not supplied"),
])
def test_mistakes_are_one_line(vault: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as error:
        world(vault)
    assert said in str(error.value) and "\n" not in str(error.value)


def test_a_vault_cannot_have_more_than_the_market() -> None:
    with pytest.raises(InputError, match=r"cash and debts of the market are 1850"):
        conserved(world({"supplied": {"morpho/one": 1851.0}}))


def test_who_joins_pays_into_the_first_market_and_dilutes_nobody() -> None:
    found = figures(world({"supplied": BOTH, "joins": 1.0, "base": 0.0}))
    assert found["vault_joined"] == pytest.approx(2000.0 * (np.exp(600.0 / 86400.0) - 1.0), rel=1e-9)
    assert found["vault_gain"] == pytest.approx(0.0, abs=1e-9) and found["vault_withdrawn"] == 0.0


def test_days_differ_by_unrest_around_what_is_stated() -> None:
    """400 paths of one day: e^(s z - s^2 / 2) has a log of mean -s^2 / 2 and deviation s, leaving and joining apart."""
    days = {"supplied": BOTH, "base": 1e-3, "joins": 1e-3, "unrest": 0.5}
    scenario = {"horizon": 600, "step": 60, "paths": 400, "seed": 3, "prices": {"kind": "lognormal"}}
    found = conserved(world(days, scenario=scenario))[1]
    leave, joins = (np.log(next(v for k, v in found.items() if k.startswith(name)) / (2.0 * 600.0 / 86400.0))
                    for name in ("vault_withdrawn", "vault_joined"))
    for logs in (leave, joins):
        assert abs(logs.mean() + 0.125) < 4.0 * 0.5 / 20.0 and abs(logs.std() - 0.5) < 4.0 * 0.5 / np.sqrt(800.0)
    assert abs(np.corrcoef(leave, joins)[0, 1]) < 4.0 / 20.0


def test_curators_take_a_market_s_cash_to_the_first_one() -> None:
    """Surely in the first step: of the 1000 in market two 500 are the vault's."""
    found = figures(world({"supplied": BOTH, "sweeps": {"morpho/two": 1e9}}))
    assert found["vault_moved"] == pytest.approx(500.0, rel=1e-12) and found["vault_gain"] == pytest.approx(0.0, abs=1e-9)


def test_curators_bring_cash_only_where_all_is_lent_out() -> None:
    """Market two lacks cash: 30 come in the first step, and then 3.4 % are there."""
    terms = {"supplied": BOTH, "refills": {"morpho/two": 1e9}, "brought": 30.0}
    assert figures(world(terms, cash=(1000.0, 1.0)))["vault_moved"] == pytest.approx(30.0, rel=1e-12)
    assert figures(world(terms))["vault_moved"] == 0.0


def test_curators_bring_nothing_to_a_market_whose_collateral_is_worth_less_than_its_debts() -> None:
    """ETH at 840 backs 850, unseen where the oracle stands still; at 860 all goes on."""
    terms = {"supplied": BOTH, "refills": {"morpho/two": 1e9}, "brought": 30.0}
    blind = {"feeds": {"still": {"kind": "fixed", "of": "ETH/USD"}},
             "oracles": {f"morpho/{name}": {"ETH": "still"} for name in ("one", "two")}}
    sunk, afloat = (figures(world(terms, cash=(1000.0, 1.0), events=[fall(share)], **blind)) for share in (0.16, 0.14))
    assert sunk["vault_moved"] == 0.0 and afloat["vault_moved"] == pytest.approx(30.0, rel=1e-12)


def test_depositors_leave_a_vault_whose_loans_are_worth_more_than_what_backs_them() -> None:
    """All of it, unseen by the oracle: half of those who stay leave a minute, as far as there is cash."""
    blind = {"feeds": {"still": {"kind": "fixed", "of": "ETH/USD"}},
             "oracles": {f"morpho/{name}": {"ETH": "still"} for name in ("one", "two")}}
    terms = {"supplied": BOTH, "unbacked": DAY_IN_MINUTES * LN2}
    sunk, afloat = (figures(world(terms, events=[fall(share)], **blind)) for share in (0.16, 0.14))
    assert afloat["vault_withdrawn"] == 0.0 == sunk["vault_gain"]
    assert sunk["vault_withdrawn"] == pytest.approx(1500.0, rel=1e-9) and 480.0 < sunk["vault_waiting"] < 500.0


def test_chance_is_by_path_and_not_by_chunk() -> None:
    terms = {"supplied": BOTH, "base": 0.5, "joins": 0.5, "unrest": 1.0, "sweeps": {"morpho/two": 100.0}}
    of = world(terms, scenario={"horizon": 6000, "step": 60, "paths": 7, "seed": 1, "prices": {"kind": "lognormal"}})
    whole, parts = (stress(of, keep=False, threads=1, chunk=chunk).paths for chunk in (7, 2))
    assert whole.equals(parts)


@pytest.mark.parametrize("field", ["sweeps", "refills"])
def test_curators_need_another_market_than_the_first(field: str) -> None:
    with pytest.raises(InputError, match="is the first"):
        world({"supplied": BOTH, field: {"morpho/one": 1.0}})
