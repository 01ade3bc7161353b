"""What a user should know of a world, a book or a run: one scheme of codes for checks, runs, what-ifs and imports.

A code is stable: a monitor may rely on it. What it means stands here and nowhere else.
"""

from __future__ import annotations

from typing import NamedTuple

from delever.ingest.own_names import Note

OK, WARN, ERROR = "ok", "warn", "error"
LEVELS = (ERROR, WARN, OK)  # worst first
CODES = {
    # books
    "account.unhealthy": "accounts below health 1 at the start",
    "account.alike": "names that differ in letter case or blanks alone",
    "account.below_maintenance": "accounts below maintenance margin at the start",
    "book.remainder": "collateral or debt that is not split into assets (remainder legs)",
    "book.unbalanced": "longs and shorts do not balance",
    "book.unsaid": "the book does not say it",
    "address.joined": "addresses that were written in several ways",
    "row.left_out": "not in the book",
    "row.summed": "rows that were added to others of the same account, asset and side",
    # protocols and their parameters
    "cap.borrow_exceeded": "more is owed than the cap",
    "cap.supply_exceeded": "more is supplied than the cap",
    "emode.unknown": "e-mode categories without parameters",
    "parameters.of_others": "terms that the contracts of these rules do not have: a run applies them all the same",
    "parameters.unused": "parameters of assets that nobody has",
    "waterfall.none": "no default waterfall: what closed accounts owe stays as deficit",
    # limits: terms against oracles, calls and depth (delever limits)
    "limit.cap_beyond_depth": "of what the cap allows a share cannot be liquidated within the slippage that is allowed",
    "limit.factor_exceeded": "loan to value above the highest that leaves no bad debt after the shock",
    "limit.fixed_price": "collateral seen at a price that is never renewed",
    "limit.free_option": "who borrows at a price that its feed has not corrected yet may gain by leaving both behind",
    "limit.split": "while its bonus grows a part of a call may lower health: several calls are paid more than one",
    "limit.spiral": "threshold beyond the toxic frontier: every liquidation lowers health",
    "limit.spiral_of_largest": "threshold beyond the toxic frontier of the largest loan: selling it lowers its health",
    "limit.supply_beyond_depth": "of what is supplied a share cannot be liquidated within the slippage that is allowed",
    # prices and markets
    "asset.unused": "assets that nothing in the world uses",
    "feed.unused": "feeds that no oracle uses",
    "market.no_venue": "market without a venue is infinitely deep",
    "oracle.none": "no oracle is stated: it is seen at the market",
    "price.apart": "price seen at the start is not the market's",
    "venue.apart": "venue stands beside the outside price",
    "venue.bounded": "more than its positions hold may have to be traded: the rest finds nobody",
    "venue.extrapolated": "depth is extrapolated beyond the last quote",
    "venue.slow": "an outside move reaches this pool, and feeds that look at it, by half in its half-life",
    "venue.unused": "venues on which nothing of the world trades",
    # who acts
    "auction.no_bidder": "lots go to whoever bids most, and nobody in the world bids on them: they stay open",
    "bid.too_low": "bids less than the least bid: is never included",
    "liquidator.none": "nobody liquidates",
    "network.none": "no network: room is unlimited and gas is free",
    "owner.none": "no owner answers a coming liquidation",
    # inputs
    "input.old": "input is of another time than the world",
    "input.undated": "inputs without a date",
    # what was asked, and what came about
    "event.in_part": "event that came about in part on every path",
    "event.no_effect": "event without any effect",
    "figure.few_paths": "figures that rest on fewer than ten paths",
    "order.in_part": "order that was carried out in part on every path",
    "order.never_ran": "order that was carried out on no path",
    "paths.drawn_in_vain": "fewer paths tell of the far tail than if all were drawn as stated",
    "paths.weighted": "paths are drawn around a move of prices, and count by their likelihood",
    "policy.never_acted": "policy that acted on no path",
    "shock.no_effect": "shock that moves no price that anybody sees",
    "variant.no_effect": "variant with the same figures as the baseline",
}


class Finding(NamedTuple):
    """One thing to know."""

    level: str  # ok: stated for the record; warn: may mislead; error: cannot be right
    code: str  # of CODES
    where: str  # place in the world, or the option that said it
    value: str
    remedy: str

    @property
    def what(self) -> str:
        """In words."""
        return CODES[self.code]


def as_finding(note: Note) -> Finding:
    """What a reader of tables noted."""
    return Finding(WARN if note.warns else OK, *note[1:])


def warnings(found: list[Finding]) -> list[Finding]:
    """Those that are more than a note: --strict ends a command with them."""
    return [one for one in found if one.level != OK]
