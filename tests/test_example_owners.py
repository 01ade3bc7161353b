"""examples/crvusd, its owners: what a known process did is found in its anonymous states; and what the real file holds."""

from __future__ import annotations

import importlib
import math
import os
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import yaml

from delever.protocols.llamma_formulas import effective

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "examples" / "crvusd"
DATA = Path(os.environ.get("DELEVER_DATA") or ROOT.parent / "shared" / "data")
NEEDED = ("crvusd_2023-11", "llamalend_2024", "oracles")
with_data = pytest.mark.skipif(not all((DATA / name).is_dir() for name in NEEDED) and not os.environ.get("CI"),
                               reason="the data of crvUSD are not here (DELEVER_DATA)")
MODULES = ("borrower_days", "owners", "owners_effect")
GROWTH, FAR, NEAR, SCALE, CLOSES, WATCHING = 1.0002, 0.004, 0.4, 0.05, 0.01, 0.5
HOLDING, SNAPSHOTS, LOANS = 0.15, 50, 300


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> dict[str, ModuleType]:
    monkeypatch.syspath_prepend(str(FOLDER))
    for name in MODULES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    return {name: importlib.import_module(name) for name in MODULES}


class Town:
    """Borrowers with names, whose acts are known; the file has neither. Half of them, who watch, defend."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.names = 0
        self.loans = [self.opened(2000.0) for _ in range(LOANS)]
        self.acts: dict[tuple[int, int], tuple[str, float]] = {}  # (day, name): what, gain
        self.there: list[list[int]] = []  # names, in the order of the file, by snapshot
        self.lines = ["market,debt_crvusd,collateral_units,n_bands"]

    def opened(self, price: float) -> dict[str, float]:
        """A new loan, 1 to 60 % above its bands; round amounts are common."""
        rng, bands = self.rng, int(self.rng.choice([4, 10, 10, 50]))
        held = float(rng.choice([10.0, 5.0, round(float(rng.lognormal(2.0, 1.0)), 6)], p=[0.1, 0.1, 0.8]))
        self.names += 1
        return {"name": self.names, "held": held, "bands": bands, "watches": rng.random() < WATCHING,
                "rounded": rng.uniform(0.0, 0.01),
                "debt": effective(held, bands, 0.09, 100.0) * price * math.exp(-rng.uniform(0.01, 0.6))}

    def snapshot(self) -> None:
        self.lines += [f"weth,{one['debt']:.8g},{one['held']:.8g},{one['bands']}" for one in self.loans]
        self.there.append([int(one["name"]) for one in self.loans])

    def lives(self, day: int, price: float, lowest: float) -> None:
        """A day: each acts at most once; debts grow; loans are opened anywhere in the order."""
        rng, stay = self.rng, []
        for one in self.loans:
            edge = one["debt"] / effective(one["held"], int(one["bands"]), 0.09, 100.0) * math.exp(one["rounded"])
            x, act, gain = math.log(lowest / edge), "nothing", 0.0
            hazard = FAR + NEAR * math.exp(-x / SCALE)
            if x <= 0.0:
                act, one["held"] = "sold", one["held"] * rng.uniform(0.9, 1.0)
            elif rng.random() < CLOSES:
                act = "close"
            elif rng.random() < HOLDING / 10.0:
                act, gain = "re-lever", -float(rng.uniform(0.02, 0.2))
                one["debt"] *= math.exp(-gain)
            elif one["watches"] and rng.random() < -math.expm1(-hazard):
                act, gain = "defend", 0.006 + 0.04 * math.exp(rng.normal())
                share = float(rng.choice([0.0, 0.0, 1.0, 0.5], p=[0.4, 0.2, 0.35, 0.05]))
                one["debt"], one["held"] = one["debt"] * math.exp(-share * gain), one["held"] * math.exp((1.0 - share) * gain)
            self.acts[day, int(one["name"])] = (act, gain)
            one["debt"] *= GROWTH
            if act != "close":
                stay.append(one)
        for _ in range(rng.poisson(CLOSES * LOANS)):
            stay.insert(int(rng.integers(0, len(stay) + 1)), self.opened(price))
        self.loans = stay


@pytest.fixture
def town(example: dict[str, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Town:
    """Its file and prices, where the example looks for them."""
    made, days = Town(2), example["borrower_days"]
    price = 2000.0 * np.exp(np.cumsum(np.r_[0.0, made.rng.normal(0.0, 0.02, SNAPSHOTS)]))
    rounds = ["round,answer,update"]
    made.snapshot()
    for day in range(SNAPSHOTS - 1):
        lowest = 0.99 * min(price[day], price[day + 1])
        rounds += [f"0,{usd * 1e8:.0f},{days.START + days.DAY * (day + at):.0f}"
                   for at, usd in ((0.0, price[day]), (0.5, lowest))]
        made.lives(day, price[day], lowest)
        made.snapshot()
    for name, lines in (("crvusd_2023-11/crvusd_borrower_states_DERIVED.csv", made.lines),
                        ("oracles/chainlink_ETHUSD_2023-04_2024-01.csv", rounds)):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    monkeypatch.setenv("DELEVER_DATA", str(tmp_path))
    return made


def test_snapshots_are_cut_where_they_were_made(example: dict[str, ModuleType], town: Town) -> None:
    """Up to a few of 300: who came or acted at the very beginning or end may be put on the other side of it."""
    days = example["borrower_days"]
    rows = days.states(days.data("crvusd_2023-11", "crvusd_borrower_states_DERIVED.csv"))["weth"]
    cut, made = (np.cumsum([len(one) for one in each]) for each in (days.snapshots(rows), town.there))
    assert len(cut) == len(made) and np.abs(cut - made).max() <= 3


def test_everybody_is_followed_and_what_he_did_is_found(example: dict[str, ModuleType], town: Town) -> None:
    """Names and acts, which the file has not. Rows of the panel are those of the file."""
    found = example["borrower_days"].panel()
    name = np.concatenate(town.there)[:len(found.owner)]
    day = np.repeat(np.arange(SNAPSHOTS), [len(one) for one in town.there])[:len(found.owner)]
    within = day < SNAPSHOTS - 1
    truth = [town.acts[key] for key in zip(day[within].tolist(), name[within].tolist(), strict=True)]
    acted, gain = np.array([act for act, _ in truth]), np.array([gain for _, gain in truth])
    gone = np.isnan(found.gain[within])
    assert (gone == (acted == "close")).mean() > 0.999
    own = (acted != "sold") & ~gone & (acted != "close")
    assert (np.abs(found.gain[within] - gain)[own] < 1e-4).mean() > 0.999
    for mine, other in ((name, found.owner), (found.owner, name)):
        assert np.mean([len(np.unique(other[mine == one])) == 1 for one in np.unique(mine)]) > 0.98


def test_the_process_is_found_within_its_errors(example: dict[str, ModuleType], town: Town) -> None:
    """Hazards of all at risk are less than half near the boundary, where those who never act collect; of the watchers true."""
    days, owners = example["borrower_days"], example["owners"]
    fits = owners.fit(days.at_risk(days.panel()))
    close, defend = fits.hazards["close"], fits.hazards["defend"]
    assert abs(close.at(0.3) / CLOSES - 1.0) < 0.25
    for x in (0.02, 0.05):
        true, watcher = FAR + NEAR * math.exp(-x / SCALE), fits.watching.hazards[0]
        assert float(defend.at(x)) / true < WATCHING and 0.7 < float(watcher.at(x)) / true < 1.4, x
    assert fits.watching.low <= WATCHING <= fits.watching.high
    assert fits.again[0] > 2.0 * fits.again[1]  # who has defended watches
    size, error = fits.sizes["defend"]  # nothing of it here
    assert abs(size) < 3.0 * error
    for name, true in (("repays", 0.4), ("adds", 0.65)):
        value, error = fits.anywhere[name]
        assert abs(value - true) < 3.0 * error, name
    value, error = fits.anywhere["gain"]
    assert abs(value - 0.046) < 3.0 * error


@with_data
def test_the_real_file(example: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
                       ) -> None:
    """Its counts; collateral moves by itself where bands should begin; and the page has what the command prints."""
    monkeypatch.setenv("DELEVER_DATA", str(DATA))
    days, owners = example["borrower_days"], example["owners"]
    every = days.panel()
    assert (len(every.x), int(every.day.max()) + 1, len(np.unique(every.market))) == (71_071, 92, 3)
    moved = (np.abs(every.more) > 1e-6) & (np.abs(every.less) < days.SAME)
    assert moved[(every.x > -0.1) & (every.x < -0.01)].mean() > 0.5 and moved[(every.x > 0.1) & (every.x < 0.2)].mean() < 0.01
    risk = days.at_risk(every)
    assert len(risk.x) == 61_021
    owners.main()
    page = (ROOT / "docs" / "owners.md").read_text()
    assert [line for line in capsys.readouterr().out.splitlines() if line not in page] == []


@with_data
def test_what_they_change(example: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch) -> None:
    """A quick fall leaves them no time, a slow one does; figures of the page, of fewer paths."""
    monkeypatch.setenv("DELEVER_DATA", str(DATA))
    effect = example["owners_effect"]
    monkeypatch.setattr(effect, "PATHS", 8)
    there = effect.of_the_day(example["borrower_days"].at_risk(example["borrower_days"].panel()))
    loans, who = effect.book(there), effect.AT_ONCE | {"defend": 4.0, "gain": 0.04, "spread": 1.06, "repays": 0.4}
    page = (ROOT / "docs" / "owners.md").read_text()
    assert f"All: {len(there.debt)} loans that owe {there.debt.sum() / 1e6:.1f}m USD" in page
    shares = {over: effect.repaid(loans, 0.1, over, who).mean() / effect.repaid(loans, 0.1, over, None)[0] for over in (0.25, 4)}
    assert shares[0.25] == pytest.approx(0.994, abs=0.02) and shares[4] == pytest.approx(0.924, abs=0.07)


def test_the_preset_of_the_page_is_an_actor() -> None:
    from delever.actors.defenders import Defenders

    text = (ROOT / "docs" / "owners.md").read_text()
    given = yaml.safe_load(text.split("```yaml\n")[1].split("```")[0])["actors"]["owners"]
    assert Defenders.model_validate({key: value for key, value in given.items() if key != "kind"}).watching < 1.0
