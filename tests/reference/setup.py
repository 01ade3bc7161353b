"""Reads a world and its books into the setting of one path."""

from __future__ import annotations

import math
from typing import Any

from delever.model.asset import factor_of, price_usd
from delever.model.book import Book
from delever.model.oracle import compose
from delever.model.world import World
from reference.accounts import Account, Leg, Rules
from reference.pool import Market
from reference.randomness import cholesky, normals
from reference.setting import Feed, Order, Setting
from reference.setup_bands import amms_of, is_llamma
from reference.setup_derived import backed_of, failures_of, pairs_of, redeemers_of
from reference.setup_house import auctions_of, bidders_of, breakers_of, chain_of, chains_of, margin_calls_of, stores_of
from reference.setup_lending import lenders_of, reserves_of, terms_of
from reference.setup_liquity import is_liquity, systems_of
from reference.setup_margin import arbitrageurs_of, count_of, exchanges_of, is_exchange, mark_of, option_of, waterfall_of
from reference.setup_persons import persons_of
from reference.setup_terms import carriers_of, followers_of, limits_of, loopers_of, votes_of, winders_of
from reference.setup_venues import desks_of, fee_rules_of, further_of, outages_of, pools_of, profile_of, providers_of

YEAR = 365.0 * 86400.0  # [s]


def setting_of(world: World, path: int, source: Any = None) -> Setting:
    """What path `path` of the world starts from. source: where venues find their data, if they need any."""
    scenario, markets = world.scenario, markets_of(world, source)
    moves, depth_shocks = outside(world, list(markets), path)
    chains, blocks = chains_of(world)
    further = further_of(world, markets, source)
    lending = {name: p for name, p in world.protocols.items() if not is_exchange(p)}
    exchanges = exchanges_of(world)
    actors = {actor.kind: actor for actor in world.actors.values()}
    people, accounts = actors.get("borrowers"), accounts_of(world)
    return Setting(
        steps=scenario.steps, dt=scenario.step, blocks=blocks, sequential=world.execution.mode == "sequential",
        markets=markets, wraps={name: (a.wraps, a.rate) for name, a in world.assets.items() if a.wraps},
        moves=moves, depth_shocks=depth_shocks, feeds={name: feed_of(spec, world) for name, spec in world.feeds.items()},
        sight=sight_of(world), unit={name: p.unit for name, p in world.protocols.items()},
        rates={(name, asset): (r.supply_rate / YEAR, r.borrow_rate / YEAR)
               for name, p in lending.items() for asset, r in terms_of(name, p).items()},
        rules={name: rules_of(p.rules) for name, p in lending.items() if not (is_llamma(p) or is_liquity(p))},
        amms=amms_of(world), systems=systems_of(world), accounts=accounts,
        further=further, pools=pools_of(world, markets, further), outages=outages_of(world),
        providers=providers_of(world), fee_rules=fee_rules_of(world), desks=desks_of(world),
        orders=orders_of(world), reserves=reserves_of(world, accounts), lenders=lenders_of(world),
        chains=chains, home={name: chain_of(world, p) for name, p in world.protocols.items()}, bidders=bidders_of(world),
        auctions=auctions_of(world), stores=stores_of(world), breakers=breakers_of(world), margin_calls=margin_calls_of(world),
        people=list(actors), attentive=people.attentive if people else 0.0, target=people.target if people else 1.1,
        budget=people.budget if people else 0.0, top_up_fee=people.fee if people else 0.0,
        path=path, seed=scenario.seed, exchanges=exchanges, limits=limits_of(world), votes=votes_of(world),
        backed=backed_of(world), failures=failures_of(world, scenario.step / blocks), redeemers=redeemers_of(world),
        coins=pairs_of(world), followers=followers_of(world), loopers=loopers_of(world), carriers=carriers_of(world),
        winders=winders_of(world),
        persons=persons_of(world, path),
        arbitrageurs=arbitrageurs_of(world, exchanges), waterfalls={name: waterfall_of(p) for name, p in lending.items()})


def markets_of(world: World, source: Any) -> dict[str, Market]:
    """One market for each base and pegged asset, in the order of the assets."""
    found = {}
    for name, asset in world.assets.items():
        if asset.wraps:
            continue
        price, quote = price_of(world, name), asset.below
        venues = {n: v for n, v in world.venues.items() if v.pair == f"{name}/{quote}"}
        assert len(venues) <= 1 or world.liquidity == "fragmented", "the plain implementation knows venues that are apart"
        profile, half_life, venue = None, None, ""
        if venues:
            venue, half_life = next(iter(venues)), next(iter(venues.values())).half_life
            profile = profile_of(venues[venue], price, source)
        found[name] = Market(name, quote, math.log(price), profile, half_life, venue=venue)
    return found


def price_of(world: World, name: str) -> float:
    """Price at the start, in what its market quotes it in."""
    asset = world.assets[name]
    if not asset.is_option:
        return factor_of(name, world.assets)
    return option_of(world, name, 0.0).value(price_usd(asset.follows, world.assets), 0.0)


def outside(world: World, markets: list[str], path: int
            ) -> tuple[list[dict[str, float]], list[list[tuple[str, int, float]]]]:
    """Per step: the log moves of outside prices, and the changes of depth."""
    scenario, prices = world.scenario, world.scenario.prices
    assert prices.kind == "lognormal"
    named = [m for m in markets if m in prices.volatility]
    correlation = [[1.0 if a == b else prices.correlation.get(f"{a}/{b}", prices.correlation.get(f"{b}/{a}", 0.0))
                    for b in named] for a in named]
    factor, dt = cholesky(correlation), scenario.step / YEAR
    moves, depth = [], []
    for k in range(1, scenario.steps + 1):
        z = normals(len(named), path, k, scenario.seed)
        move = {m: prices.drift.get(m, 0.0) * dt for m in markets}
        for i, m in enumerate(named):
            vol = prices.volatility[m]
            move[m] += -0.5 * vol * vol * dt
            move[m] += vol * math.sqrt(dt) * sum(factor[i][b] * z[b] for b in range(i + 1))
        depth.append([])
        for event in scenario.events:
            first = int(event.at // scenario.step) + 1
            if event.kind in ("price", "peg"):
                parts = max(1, round(event.over / scenario.step))
                for asset, change in event.change.items() if first <= k < first + parts else ():
                    move[asset] += math.log(1.0 + change) / parts
            if k != first:
                continue
            if event.kind == "depth":
                sides = {"both": (0, 1), "bids": (0,), "asks": (1,)}[event.side]
                depth[-1] += [(pair.split("/")[0], side, 1.0 + change) for pair, change in event.change.items() for side in sides]
        moves.append(move)
    return moves, depth


def orders_of(world: World) -> list[Order]:
    step = world.scenario.step
    return [Order(s.order.asset, s.order.into or "USD", s.order.amount, int(s.at // step) + 1,
                  max(1, round(s.over / step)), s.fee, chain=chain_of(world, s), venue=s.venue or "")
            for s in world.scenario.events if s.kind == "order"]


def feed_of(spec: Any, world: World) -> Feed:
    base, quote = spec.of.split("/")
    given = getattr(spec, "answer", None)
    feed = Feed(spec.kind, base, quote, math.nan if given is None else math.log(given), venue=spec.venue or "")
    if spec.kind == "mark":
        feed.formula = spec.formula
        feed.index, feed.exchange = mark_of(world, spec)
        feed.inverse = world.assets[base].inverse
    if spec.kind == "ema":
        feed.over = spec.over
    if spec.kind == "rate":
        feed.answer = math.log(world.assets[base].rate)
    if spec.kind == "push":
        feed.heartbeat, feed.deviation, feed.delay, feed.fee = spec.heartbeat, spec.deviation, spec.delay, spec.fee
        feed.updated, feed.first, feed.chain = -spec.age, spec.first, chain_of(world, spec)
    return feed


def sight_of(world: World) -> dict[tuple[str, str], tuple[float, list[tuple[str, int]]]]:
    found = {}
    for protocol, expressions in world.oracles.items():
        for asset, expression in expressions.items():
            oracle = compose(expression, asset, world.assets, world.feeds)
            found[protocol, asset] = (math.log(oracle.constant), list(oracle.feeds))
    return found


def rules_of(spec: Any) -> Rules:
    if spec.kind == "clip":
        return Rules("clip")
    if spec.kind == "comet":
        return Rules("comet")
    if spec.kind == "pro_rata":
        return Rules("pro_rata", spec.close_factor, dust=spec.dust, full_below=spec.full_below)
    if spec.kind == "euler":
        return Rules("euler", 1.0, most_discount=spec.most_discount, socialises=spec.socialises)
    if spec.kind == "compound":
        return Rules("compound", spec.close_factor, seize_share=spec.seize_share)
    if spec.kind == "morpho":
        return Rules("morpho")
    if spec.version == "v4":
        return Rules("v4", 1.0, target_health=spec.target_health, least_bonus=spec.least_bonus, full_bonus_at=spec.full_bonus_at)
    return Rules(spec.version, spec.close_factor)


def accounts_of(world: World) -> list[Account]:
    """All accounts of lending protocols, in the order of their books; those of exchanges and in bands have numbers, too."""
    found: list[Account] = []
    others = 0  # accounts of exchanges so far
    for name, protocol in world.protocols.items():
        assert isinstance(protocol.book, Book)
        if is_exchange(protocol) or is_llamma(protocol) or is_liquity(protocol):
            others += count_of(world, name)
            continue
        mine: dict[str, Account] = {}
        terms = terms_of(name, protocol)
        for row in protocol.book.of(name).legs.to_pylist():
            account = mine.get(row["account"])
            if account is None:
                account = mine[row["account"]] = Account(
                    name, row["account"], others + len(found) + len(mine), [], [])
            account.category = max(account.category, row["emode"] or 0)
            reserve = terms[row["asset"]]
            callable_ = row["asset"] == "USD" or world.assets[row["asset"]].seizable
            leg = Leg(row["asset"], row["amount"], callable=callable_ and row["label"] != "remainder")
            if row["side"] == "debt":
                account.debt.append(leg)
                continue
            special = reserve.emode.get(row["emode"]) if row["emode"] else None
            leg.threshold = special.liquidation_threshold if special else reserve.liquidation_threshold
            leg.incentive = special.incentive if special else reserve.incentive
            leg.fee = reserve.protocol_fee
            leg.category = row["emode"] or 0
            if row["liquidation_threshold"] is not None:
                leg.threshold = row["liquidation_threshold"]
            account.collateral.append(leg)
        found += mine.values()
    return found
