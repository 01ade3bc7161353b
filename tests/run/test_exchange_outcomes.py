"""What a run keeps of exchanges: who was closed, who bore what, when; tables agree with each other and with the state."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from delever.model.world import World
from delever.protocols.margin import FLOWS
from delever.run.figures import summarise
from delever.run.stress import Run, stress
from delever.run.timeline import AT_MOST, digest, medians
from run.exchange_small import ETH, exchange
from run.small import everything, unlike

LAYERS = ("insurance_fund", "backstop", "adl", "socialised_loss")
MONEY = tuple(column.name for column in FLOWS.values())
SAFETY = ("timeline", "adl", "perps")


@cache
def run(lending: bool = False) -> Run:
    return stress(exchange(lending), keep=False, threads=1)


def figures(table: pa.Table) -> dict[str, float]:
    return dict(zip(table["figure"].to_pylist(), table["value"].to_pylist(), strict=True))


def column(name: str, lending: bool = False) -> np.ndarray:
    return np.asarray(run(lending).paths[name], float)


def test_the_world_of_these_tests_needs_every_layer() -> None:
    for layer in LAYERS:
        assert column(f"{layer}.perps").sum() > 0.0, layer


def test_the_last_time_of_the_timeline_is_the_end_of_the_run() -> None:
    timeline, paths = run().timeline, run().paths
    last = timeline.filter(pc.equal(timeline["time"], 7200.0))
    assert last["path"].to_pylist() == paths["path"].to_pylist()
    for use in ("liquidated", "taken_over", "deleveraged", "haircut", *LAYERS, "fund_left", "vault_equity"):
        assert np.asarray(last[use]) == pytest.approx(np.asarray(paths[f"{use}.perps"]), rel=1e-12, abs=1e-6), use


def test_what_has_been_borne_never_shrinks() -> None:
    timeline = run().timeline
    for path in range(7):
        mine = timeline.filter(pc.equal(timeline["path"], path))
        assert np.all(np.diff(np.asarray(mine["time"])) > 0.0) and mine.num_rows == 48
        for use in ("liquidated", "taken_over", "deleveraged", "haircut", *LAYERS):
            assert np.all(np.diff(np.asarray(mine[use])) >= 0.0), use


def test_the_list_of_deleveraged_positions_adds_up_to_the_outcomes() -> None:
    adl = run().adl
    path = np.asarray(adl["path"])
    for name, of in (("notional", "deleveraged.perps"), ("haircut", "haircut.perps")):
        assert np.bincount(path, np.asarray(adl[name]), 7) == pytest.approx(column(of), rel=1e-9), name
    assert np.asarray(adl["haircut"]) == pytest.approx(
        np.asarray(adl["units"]) * (np.asarray(adl["mark"]) - np.asarray(adl["price"])), rel=1e-9, abs=1e-9)
    assert {name.rstrip("0123456789") for name in adl["account"].to_pylist()} <= {"short", "long"}


def test_nobody_is_deleveraged_beyond_the_position_he_has() -> None:
    book = {row["account"]: row["amount"] for row in run().model.positions.book.legs.to_pylist() if row["side"] == "position"}
    adl = run().adl.group_by(["path", "account"]).aggregate([("units", "sum")]).to_pylist()
    assert adl
    for row in adl:
        part = row["units_sum"] / book[row["account"]]
        assert 0.0 < part <= 1.0 + 1e-12, row


def test_the_profit_of_a_deleveraged_part_is_counted_from_the_entry_price() -> None:
    adl = run().adl
    assert np.asarray(adl["profit"]) == pytest.approx(
        np.asarray(adl["units"]) * (np.asarray(adl["mark"]) - ETH), rel=1e-9, abs=1e-6)


def test_severity_is_the_part_of_what_the_fund_left_that_winners_paid() -> None:
    haircut, booked, paid = (column(f"{name}.perps") for name in ("haircut", "deficit_booked", "insurance_fund"))
    hit = column("adl_accounts.perps") > 0
    assert hit.any()
    assert column("adl_severity.perps")[hit] == pytest.approx((haircut / (haircut + booked - paid))[hit], rel=1e-9)
    assert np.isnan(column("adl_severity.perps")[~hit]).all()


def test_concentration_of_haircuts_is_that_of_the_list() -> None:
    adl = run().adl.group_by(["path", "account"]).aggregate([("haircut", "sum"), ("profit", "sum")]).to_pylist()
    for path in range(7):
        mine = [row for row in adl if row["path"] == path]
        assert int(column("adl_accounts.perps")[path]) == len(mine)
        if not mine:
            continue
        total = sum(row["haircut_sum"] for row in mine)
        largest = column("adl_largest_part.perps")[path]  # none where only a fallen vault was closed, at the mark
        assert largest == pytest.approx(max(r["haircut_sum"] for r in mine) / total if total else math.nan, rel=1e-9, nan_ok=True)
        shares = [row["haircut_sum"] / row["profit_sum"] for row in mine if row["profit_sum"] > 0.0]
        assert column("adl_largest_haircut.perps")[path] == pytest.approx(max(shares), rel=1e-9)
        taken = total / sum(row["profit_sum"] for row in mine)
        assert column("adl_profit_taken.perps")[path] == pytest.approx(taken, rel=1e-9)


def test_every_dollar_booked_was_paid_socialised_or_stays() -> None:
    borne = sum(column(f"{name}.perps") for name in ("insurance_fund", "socialised_loss", "residual_shortfall"))
    assert column("deficit_booked.perps") == pytest.approx(borne, rel=1e-9)


def test_figures_are_means_of_the_paths() -> None:
    found = figures(run().summary)
    for name in (*MONEY, *LAYERS, "residual_shortfall", "accounts_liquidated"):
        assert found[f"{name}.perps"] == pytest.approx(float(column(f"{name}.perps").mean()), rel=1e-12), name
    start, adl = column("first_liquidation.perps"), column("first_adl.perps")
    assert found["probability_of_adl.perps"] == float(np.mean(~np.isnan(adl)))
    delay = (adl - start)[~np.isnan(adl)]
    assert found["adl_delay.perps"] in delay.tolist() and min(delay) >= 0.0


def test_a_world_of_exchanges_has_no_figures_of_loans() -> None:
    found = figures(run().summary)
    assert not {"var", "bad_debt", "lar", "repaid_debt", "liquidations"} & set(found)
    assert all(not math.isnan(value) for name, value in found.items() if name.split(".")[0] in MONEY)


def test_figures_of_loans_count_loans_alone() -> None:
    """The debt of the pool, without the positions of the exchange; liquidations of the pool alone."""
    found, paths = figures(run(True).summary), run(True).paths
    assert found["liquidations"] == pytest.approx(float(np.mean(np.asarray(paths["liquidations.pool"]))))
    assert found["bad_debt"] == pytest.approx(float(np.mean(np.asarray(paths["bad_debt.pool"]))))
    owed = sum(row["amount"] for row in run(True).model.positions.book.legs.to_pylist() if row["side"] == "debt")
    from delever.run.figures import debt_at_start

    assert debt_at_start(run(True).model) == pytest.approx(owed, rel=1e-12)


def test_perps_stand_in_a_table_of_their_own_and_add_up() -> None:
    rows = {row["figure"]: row for row in run().perps.to_pylist()}
    assert set(rows) == set(MONEY)
    longs = sum(row["amount"] for row in run().model.positions.book.legs.to_pylist()
                if row["side"] == "position" and row["amount"] > 0.0)
    for figure, row in rows.items():
        assert row["value"] == pytest.approx(figures(run().summary)[f"{figure}.perps"], rel=1e-12)
        assert row["open_interest"] == pytest.approx(longs * ETH, rel=1e-12)
        assert row["of_open_interest"] == pytest.approx(row["value"] / row["open_interest"], rel=1e-12)
    assert not [name for name in figures(run().summary) if "ETH-PERP" in name and not name.startswith("extra")]


@pytest.mark.parametrize("lending", [False, True])
def test_no_bit_of_any_table_depends_on_chunks_or_workers(lending: bool) -> None:
    for chunk, threads in ((1, 1), (3, 2)):
        again = stress(exchange(lending), keep=False, chunk=chunk, threads=threads)
        for name in ("paths", "summary", *SAFETY):
            assert unlike(getattr(run(lending), name), getattr(again, name)) == [], (name, chunk)


def test_a_run_folder_keeps_the_tables_and_an_interrupted_run_ends_with_the_same(tmp_path: Path) -> None:
    whole = stress(exchange(), tmp_path / "run", chunk=3, threads=1)
    assert {f"{name}.parquet" for name in SAFETY} <= {path.name for path in (tmp_path / "run").iterdir()}
    read = stress(exchange(), tmp_path / "run")

    class Interrupted(Exception):
        pass

    def stop(stage: str, done: int, of: int) -> None:
        if stage == "simulating" and done >= 3:
            raise Interrupted

    with pytest.raises(Interrupted):
        stress(exchange(), tmp_path / "half", chunk=3, threads=1, progress=stop)
    assert list((tmp_path / "half" / "parts").glob("*.parquet"))
    rest = stress(exchange(), tmp_path / "half", chunk=2, threads=1)
    for name in SAFETY:
        assert unlike(getattr(whole, name), getattr(read, name)) == [], name
        assert unlike(getattr(whole, name), getattr(rest, name)) == [], name


def test_a_world_that_only_lends_keeps_no_such_tables(tmp_path: Path) -> None:
    lends = stress(everything(paths=2), tmp_path / "run", threads=1)
    assert [getattr(lends, name).num_columns for name in SAFETY] == [0, 0, 0]
    assert not [path.name for path in (tmp_path / "run").iterdir() if path.stem in SAFETY]


def test_a_digest_shows_the_largest_change_and_the_end() -> None:
    full, short = medians(run().timeline, "perps"), digest(run().timeline, "perps")
    assert short.num_rows <= AT_MOST
    time, adl = np.asarray(full["time"]), np.asarray(full["deleveraged"])
    at = int(np.argmax(np.diff(adl)))
    assert {time[at], time[at + 1], 7200.0} <= set(short["time"].to_pylist())
    where = [row["time"] for row in short.to_pylist()]
    assert np.asarray(short["deleveraged"]).tolist() == adl[np.isin(time, where)].tolist()


def test_nothing_happens_on_a_quiet_day() -> None:
    quiet: World = exchange(fall=-0.001, paths=2, prices={"kind": "lognormal", "volatility": {"ETH": 0.01}})
    calm = stress(quiet, keep=False, threads=1)
    found = figures(calm.summary)
    assert calm.adl.num_rows == 0 and found["probability_of_adl.perps"] == 0.0
    assert math.isnan(found["first_liquidation.perps"]) and math.isnan(found["adl_severity.perps"])
    assert digest(calm.timeline, "perps")["fund_left"].to_pylist() == [20_000.0]
    assert figures(summarise(calm.model, calm.paths)).keys() == found.keys()
