"""Words that tables print and that are no figure, field or kind, each with what it means here."""

from __future__ import annotations

from delever.report import limits, solvency

WORDS: dict[str, str] = {
    "health factor": "collateral times thresholds over what is owed, both at prices seen; below 1 an account may be liquidated",
    "eligible": "debt of accounts that may be liquidated at a price: all of it, whatever a single call may repay",
    "liquidatable now": "debt that the next calls may repay: eligible debt, cut by close factors and least sizes",
    "bad debt": "debt beyond what an account's collateral is worth; in a run: without collateral, written off or still open",
    "shortfall": "debt less what stands behind it, account by account, where there is any; on exchanges, equity below zero",
    "deficit": "what a closed account owes, before a fund or a layer of the waterfall has borne any of it",
    "wall": "how much is eligible at every price: a sum over accounts, nobody acts and no price answers",
    "distance": "fall of the named asset, and of what follows it, at which an account becomes eligible",
    "nearest": "smallest fall of one asset alone, against what it is priced in, at which an account becomes eligible",
    "fall": "price now over price then, less one, with the sign turned: 30 % is 70 of 100",
    "extra fall": "how much deeper a market fell than outside: deepest fall less deepest outside fall, both since the start",
    "outside price": "price that the scenario draws or replays: what everybody else pays, and selling here does not move it",
    "seen price": "price that a protocol uses: its oracle's, which follows markets or outside prices with a delay",
    "mark": "price by which an exchange values positions",
    "depth": "what must be sold for a price to fall by 1 %, times 100 (USD per unit of log price) unless a venue says otherwise",
    "n": "branching ratio: USD sold by force for each USD sold by force at that level; above 1 selling feeds on itself",
    "L P / D": "leveraged exposure times penalty over depth, the rule of thumb that n makes exact",
    "spectral radius": "growth of forced sales a generation, across assets and protocols; below 1 every chain ends",
    "generation": "calls that one round of forced sales sets off; all of a generation sell at the same prices",
    "cascade": "blocks in a row with liquidations",
    "forced sale": "what is sold because an account is called or closed; what owners sell on their own is none",
    "haircut": "on collateral, the share of its value that does not count; of a winner in ADL, what closing cost",
    "ADL": "auto-deleveraging: an exchange closes winners' positions against those of bankrupt accounts",
    "ran dry": "a layer was asked for more than it had",
    "remainder": "what a book's totals hold beyond the assets that its source lists",
    "twin": "the same path with nobody liquidated, so that what liquidations did is the difference",
    "path": "one draw of outside prices and of everything else that is random; the same number is the same draw in every variant",
    "step": "time between two looks at the outside, in which a chain makes as many blocks as fit",
    "block": "moment at which a network carries out transactions, in the order of what they bid",
    "horizon": "time from the book's moment until the end of a run",
    "reverse stress": "search of the smallest size of a shock, order, push of a feed or outage that breaks a stated limit",
    "limit": "what must not happen: any bad debt, liquidated > 20 %, fund runs dry, price of stETH < 0.9, a figure > 5m",
    "bracket": "from the largest size that is known not to break a limit to the smallest that does, 1 % apart",
    "monotone": "no larger size of the grid leaves a limit unbroken; between sizes of the grid nobody looks",
    "cost": "what an attacker loses by slippage and fees where prices come back before he trades back; an estimate",
    "capital": "what an attacker must have at hand, at the start's price",
    "deviations": "distance of a shock in standard deviations of the scenario's own log prices over its horizon",
    "phase diagram": "figures of a cascade over volatility, depth, leverage or latency of the whole world, multiplied",
    "latency": "in a sweep: heartbeat, delay and averaging time of every feed are multiplied",
    "graceful": "no elasticity between neighbouring cells is above 2, nor is the upper end of the largest one's interval",
    "abrupt": "the steepest step's elasticity is above 2, surely: so is the lower end of its interval, at a level for all steps",
    "first passage": "when a price first comes to where an account is liquidated: how probable within a horizon, and how soon",
    "boundary": "the price, or point of several, at which an account's health factor is 1, or its equity its maintenance margin",
    "one price": "of a boundary: all that moves the account is one log price, so its first passage has a closed form",
    "ratio of prices": "the same of one price against another, or of two along a chain: log-normal as they are",
    "basket": "several prices move what an account has to spare, each by itself: its first passage is simulated",
    "closed form": "by a formula: the first passage of a log price that diffuses, looked at once a step",
    "simulated": "on the scenario's own price paths, without anybody who acts",
    "delta": "change of a probability by a relative rise of a price, S dP/dS: -0.12 is 0.12 points less at a price 1 % higher",
    "gamma": "change of delta by a relative rise of the price: its bend",
    "vega": "change of a probability by a relative rise of all volatilities, expected prices as they are",
    "elasticity": "relative change of a figure over that of what it answers to: of a probability to leverage, or between "
                  "neighbouring cells of a sweep",
    "convexity of ruin": "the farther from liquidation, the smaller a rise of leverage that multiplies its probability",
    "leverage": "assets over what of them is the owner's: collateral / (collateral - debt), on exchanges positions / "
                "equity; in a sweep what loans owe is multiplied, and what is posted divided",
    "estimate": "fitted to data, which are named",
    "assumption": "chosen, not measured: try others",
    "time unhealthy": "time that accounts stand below their threshold or maintenance margin at the end of a step, added up",
    "exposure shed": "debt repaid by liquidators, or positions closed by engine, vault and ADL, of what there was at the start",
    "deleveraging event": "a stated share of a protocol's debt or positions is closed by force within a stated time",
    "regretted": "of a liquidation: with what it held before, the account would be healthy a stated time later, or at the end",
    "called in error": "of accounts called for the first time those that were healthy at outside prices: a feed, or a market "
                       "that was pushed, was wrong",
    "markout": "what was closed by force is worth so much later, less what its owner had for it; + is the owner's loss",
    "recovery": "from the first forced closing until prices, health or liquidity stay within a stated band (assumption)",
    "used by then": "share of a buffer that was gone when a later layer, or bad debt, was reached; the rest stood idle meanwhile",
    "fairness regret": "of ADL: largest share of a winner's profit taken, less the smallest possible, times the deficit",
    "sequential": "of a change: prices, positions, parameters and scenario go over one after the other, in a stated order",
    "shapley": "of a change: a part is the mean of what it does over every order in which parts can go over",
    "equity": solvency.EQUITY,
    "at exit": solvency.AT_EXIT,
    "solvency gap": solvency.GAP,
    "free option": limits.FREE,
    "toxic frontier": limits.FRONTIER,
    "collateral factor": limits.FACTOR,
    "95 % interval": "range that holds the true figure in 95 of 100 runs of other seeds: sampling error alone",
    "few paths": "an interval that rests on fewer paths than it takes to believe it",
}
CALLED = {"liquidatable": "liquidatable now", "liq. now": "liquidatable now", "health": "health factor", "hf": "health factor",
          "branching ratio": "n", "lpd": "L P / D", "lp/d": "L P / D", "l·p/d": "L P / D", "auto-deleveraging": "ADL",
          "dry": "ran dry", "assumed": "assumption", "estimated": "estimate", "interval": "95 % interval",
          "regret": "regretted", "outcomes": "deleveraging event", "unused": "used by then", "unused then": "used by then",
          "first fall": "nearest", "ruin": "convexity of ruin",
          "seen": "seen price", "outside": "outside price", "cascade length": "cascade"}


def meaning_of(word: str) -> tuple[str, str] | None:
    """(how tables write it, what it means); None: no word of ours."""
    wanted = " ".join(word.casefold().replace("_", " ").split())
    wanted = CALLED.get(wanted, wanted).casefold()
    return next(((name, text) for name, text in WORDS.items() if name.casefold() == wanted), None)
