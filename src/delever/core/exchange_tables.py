"""The tables of margin exchanges and of what stands behind every protocol. Axes as in core/tables.py."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

INSURANCE, BACKSTOP, ADL, SOCIALISED = range(4)  # layers of a default waterfall
LAYERS = 4
CHARGE, PUT = range(2)  # columns of Margins.option
OVERSHOOT, FAIRNESS_REGRET, COVERABILITY, ROUNDS = range(4)  # Safety.rounds: USD, USD, lowest profit of winners / deficit


class Margins(NamedTuple):
    """What exchanges ask for positions, and where these trade. Shared by all paths but for funding and `in_usd`.

    Money is in the exchange's unit. `seen.price` of its reserves is, too; what is reported is multiplied by `in_usd`.
    """

    perp: np.ndarray  # [reserves] 1: a position in a perp
    weight: np.ndarray  # [reserves] of an exchange: 1 - haircut of collateral, 1 of cash, 0 of perps; of lending -1
    first: np.ndarray  # [protocols + 1] reserves of a protocol stand together
    cash: np.ndarray  # [protocols] reserve of the exchange's cash, its unit: USD or a coin; -1: a lending protocol
    tiers: np.ndarray  # [reserves] number of tiers
    floor: np.ndarray  # [reserves, tiers] notional at which a tier begins [unit]
    rate: np.ndarray  # [reserves, tiers] maintenance margin, share of the notional
    deducted: np.ndarray  # [reserves, tiers] maintenance amount: MM = notional x rate - deducted [unit]
    market: np.ndarray  # [reserves] market of the perp, -1: none
    position_first: np.ndarray  # [reserves + 1] where its holders begin
    position_account: np.ndarray  # [positions]
    position_leg: np.ndarray  # [positions] the leg in which it holds the perp
    funded: np.ndarray  # [reserves] 1: pays funding
    paid: np.ndarray  # [reserves, paths] F: funding that a unit held has paid so far [unit]
    gross: np.ndarray  # [reserves, paths] its absolute changes, added up x the highest rate of the tiers [unit]
    option: np.ndarray  # [reserves, 2] CHARGE: margin of a short option beside its mark [unit], 0: none is one; PUT: 1 where
    # that is the charge times the mark once the mark is above 1
    in_usd: np.ndarray  # [protocols, paths] an exchange's unit, as its prices were seen [USD]; of lending 1
    counted: np.ndarray  # [terms, paths] factor on maintenance margins and on what collateral counts for: that of Reserves


class Safety(NamedTuple):
    """What stands behind a protocol: funds and vaults, and what the layers of the default waterfall have done."""

    fund: np.ndarray  # [reserves, paths] insurance fund, units
    vault: np.ndarray  # [reserves, paths] backstop vault: cash at the cash reserve, positions and collateral at theirs
    backed: np.ndarray  # [protocols] maintenance margins that the vault must hold to take an account; negative: no vault
    served: np.ndarray  # [LAYERS, protocols, paths] what each bore: paid, taken over below zero, haircuts, socialised [USD]
    rounds: np.ndarray  # [ROUNDS, protocols, paths] how auto-deleveraging fitted what was needed, round by round
    dry: np.ndarray  # [LAYERS, protocols, paths] when the layer could first not serve in full [s]; inf: never
    first: np.ndarray  # [2, protocols, paths] first liquidation, first deleveraging [s]; inf: never
    began: np.ndarray  # [LAYERS + 1, protocols, paths] since when each bore anything; last: a deficit stayed [s]; inf: never


class Closings(NamedTuple):
    """Positions that auto-deleveraging closed; grows by doubling."""

    path: np.ndarray  # [closings]
    step: np.ndarray  # [closings]
    account: np.ndarray  # [closings]
    reserve: np.ndarray  # [closings] the perp
    units: np.ndarray  # [closings] closed, signed as the position was
    price: np.ndarray  # [closings] at which [unit]
    haircut: np.ndarray  # [closings] what that cost against the mark [unit]
    in_usd: np.ndarray  # [closings] the unit at that moment [USD]


class Flows(NamedTuple):
    """What happened to positions, in USD at the mark, and what it cost."""

    liquidated: np.ndarray  # [R, P] closed by engines: on books, or close-outs
    taken: np.ndarray  # [R, P] taken over by the vault
    deleveraged: np.ndarray  # [R, P] of winners, closed by ADL
    haircut: np.ndarray  # [R, P] what winners lost by it against the mark
    slippage: np.ndarray  # [R, P] what closing on books cost against the mark
    closed: np.ndarray  # [2, R, P] units closed by engines or handed to the vault: 0 of positions > 0, 1 of those < 0 [units]
    worth: np.ndarray  # [2, R, P] what their owners had for them, signed as the units; both [2, 0, P] where nobody asks


class Fallen(NamedTuple):
    """Called accounts of exchanges that are below zero, for the layers of the default waterfall."""

    slot: np.ndarray  # [slots] in the order called; -1: an earlier layer has finished with it
    n: int  # entries that mean something
    active: np.ndarray  # [paths] takes part in this block
