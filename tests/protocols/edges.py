"""Cases of contract vectors that stand on an edge: how many come out as the contracts say, and how near to it the others are.

    python -m protocols.edges        from the folder of tests, prints both, file by file
    alike     the case agrees, at the tolerance of the other cases of its file
    apart     it does not; one smallest unit of one of its numbers turns the contract's decision, by its own integers
    blurred   what a float64 does not hold of one of its numbers turns it: no arithmetic on floats can know it
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from protocols import compound_cases as compound
from protocols import test_aave_vectors as aave
from protocols import test_clip_vectors as clip
from protocols import test_comet_vectors as comet
from protocols import test_liquity_vectors as liquity
from protocols import test_llamma_vectors as llamma
from protocols import test_morpho_vectors as morpho
from protocols.test_liquity_reference import FILES
from protocols.vectors import cases, raws
from reference import contracts

Case = dict[str, Any]
Raw = dict[str, int]
Decide = Callable[[Raw], str]
FIXED = ("base_decimals", "asset_decimals", "loan_decimals", "collateral_decimals")  # what no unit is of
FLOAT = 2**54  # of a number to half a unit of the last digit that a float64 has of it


class Edges(NamedTuple):
    """What is asked of the cases of a file."""

    check: Callable[[Case], None]  # fails where ours is not the contract's
    decide: Callable[[Case], tuple[Decide, Raw]] | None = None  # the contract's decision, and the case's numbers
    near: Callable[[Case], bool] | None = None  # the same where no single number turns it

    def alike(self, case: Case) -> bool:
        """Whether ours is the contract's."""
        try:
            self.check(case)
        except AssertionError:
            return False
        return True

    def within(self, case: Case, relative: int = 0) -> bool:
        """Whether one smallest unit of one number, or that number over `relative`, turns the contract's decision."""
        if self.decide is None:
            return self.near is not None and self.near(case)
        decide, g = self.decide(case)
        steps = {name: value // relative if relative else 1 for name, value in g.items() if name not in FIXED}
        return any(decide(g | {name: g[name] + way * step}) != decide(g)
                   for name, step in steps.items() if step for way in (-1, 1))


def by_kind(**checks: Callable[[Case], None]) -> Callable[[Case], None]:
    """A file of several kinds."""
    return lambda case: checks[case["kind"]](case)


def on_take(case: Case) -> tuple[Decide, Raw]:
    """Clipper.take, at the price that its curve gave; a redo decides nothing that rounding could turn."""
    if case["kind"] == "redo":
        return lambda g: "", {}
    return contracts.take, raws(case) | {"price": int(case["out"]["price"][0])}


def on_absorption(case: Case) -> tuple[Decide, Raw]:
    """Comet.isLiquidatable; numbers of collaterals one behind the other."""
    given = case["in"]
    places = [(c, name) for c in range(len(given["collateral"])) for name in ("amount", "price", "liquidate_collateral_factor")]

    def decide(g: Raw) -> str:
        held = [{"amount": g[f"{c} amount"], "price": g[f"{c} price"], "factor": g[f"{c} liquidate_collateral_factor"],
                 "decimals": one["decimals"]} for c, one in enumerate(given["collateral"])]
        debt = max(-g["principal"], 0) * g["base_borrow_index"] // 10**15
        return "unsafe" if contracts.short_of(held, debt, g["base_price"], given["base_decimals"]) < 0 else "safe"
    return decide, {f"{c} {name}": int(given["collateral"][c][name][0]) for c, name in places} | {
        name: int(given[name][0]) for name in ("principal", "base_borrow_index", "base_price")}


def on_aave_call(case: Case) -> tuple[Decide, Raw]:
    """liquidationCall of v3.6."""
    given, before = case["in"], case["out"]["before"]
    of = {reserve["asset"]: reserve for reserve in given["reserves"]}
    c, d = of[given["collateral_asset"]], of[given["debt_asset"]]
    mode = given["emode"] or {"collateral_assets": ()}
    bonus = (mode if c["asset"] in mode["collateral_assets"] else c)["bonus"]
    numbers = {"supplied": c["supplied"], "debt": d["debt"], "price_c": c["price"], "price_d": d["price"],
               "health": before["health_factor"], "all_debt": before["debt_base"]}
    offer = {} if given["debt_to_cover"] == "max" else {"cover": given["debt_to_cover"]}
    return partial(contracts.aave_call, c, d, bonus=bonus), {name: int(pair[0]) for name, pair in (numbers | offer).items()}


def nearly_empty(head: bool, case: Case) -> bool:
    """A call leaves less of the pool, by the integers, than a float64 knows of what was in it."""
    return liquity.on_edge(case, head) < 10 * liquity.CANCELLED


def check_scenario(head: bool, case: Case) -> None:
    """Every step, and the end."""
    assert not liquity.differences(case, head), case["id"]


ON: dict[str, Edges] = {
    **{f"aave_{contract}_{kind}": Edges(partial(aave.check_case, contract), on_aave_call if contract == "v3_6" else None)
       for contract, kind in aave.CALLS},
    "comet_absorb": Edges(comet.check_absorption, on_absorption),
    "comet_buy": Edges(comet.check_purchase, lambda case: (contracts.buy, raws(case))),
    "compound_v2": Edges(compound.check_call, lambda case: (partial(compound.decided, case), compound.raw_numbers(case))),
    "llamma_softliq": Edges(llamma.check_path),
    "maker_auction": Edges(clip.check_auction),
    "maker_bark": Edges(clip.check_bark, lambda case: (contracts.bark, raws(case))),
    "maker_clip": Edges(by_kind(take=clip.check_take, redo=clip.check_redo), on_take),
    "maker_price": Edges(clip.check_price),
    "morpho_blue": Edges(morpho.check_call, lambda case: (contracts.call, raws(case))),
    **{f"liquity_v1_{name}": Edges(partial(check_scenario, name == "dev2025"), near=partial(nearly_empty, name == "dev2025"))
       for name in FILES},
}


def on_edges(name: str) -> list[Case]:
    """Cases of a file that stand on an edge."""
    return [case for case in cases(name) if case.get("edge")]


def figures(name: str) -> tuple[int, int, int, int]:
    """(cases on an edge, alike, blurred, apart though they are not)."""
    found, of = on_edges(name), ON[name]
    alike, blurred = [of.alike(case) for case in found], [of.within(case, FLOAT) for case in found]
    return len(found), sum(alike), sum(blurred), sum(not a and not b for a, b in zip(alike, blurred, strict=True))


def main() -> None:
    """Print them."""
    print(f"{'file':<24}{'on an edge':>12}{'alike':>8}{'blurred':>10}{'apart, not blurred':>20}")
    for name in ON:
        count, *others = figures(name)
        if count:
            print(f"{name:<24}{count:>12}{others[0]:>8}{others[1]:>10}{others[2]:>20}")


if __name__ == "__main__":
    main()
