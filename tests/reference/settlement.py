"""What included transactions do, one after the other or as a batch: they are looked at anew, and hold or revert."""

from __future__ import annotations

import math
from collections import Counter, defaultdict

from reference.accounts import Account, Claim, View
from reference.auctions import Auctions, Kick, Lot
from reference.banding import KINDS as OF_BANDS
from reference.banding import Called, Llammas
from reference.bands import Amm
from reference.bidding import GAS_OF, Offer, brings, for_sale, gain, left_over, sold
from reference.conversion import KINDS as OF_BURNERS
from reference.conversion import Burners
from reference.exchange import Exchange, Sale
from reference.lending import ROUNDING, Call, Lender, Lending
from reference.liquities import KINDS as OF_TROVES
from reference.liquities import Liquities, System, TroveCall
from reference.owned import Owned
from reference.owners import Deal
from reference.persons import Shift
from reference.redemption import KINDS as OF_ISSUERS
from reference.redemption import Issuers
from reference.setting import Feed, Order, Setting, Transaction
from reference.storefront import Stock, Storefronts
from reference.winders import Round

OF_FAMILIES = {"calls": ("claim",), "clip": ("kick", "take", "redo"), "comet": ("absorb", "buy_collateral"), "llamma": OF_BANDS,
               "liquity": OF_TROVES}


class Settlement(Owned):
    """The part of a path that carries out what its blocks take in."""

    w: Setting
    x: Exchange
    counts: Counter[str]
    auctions: Auctions
    storefronts: Storefronts
    lending: Lending
    issuers: Issuers
    llammas: Llammas
    liquities: Liquities
    burners: Burners
    deficit: dict[tuple[str, str], float]
    fund: defaultdict[tuple[str, str], float]
    liquidated: dict[str, int]
    repaid: dict[str, float]
    time: float
    left: dict[tuple[str, str], float]  # of the cash known to calls of a batch: what others of them have not taken

    # ---- offers ------------------------------------------------------------------------------------------------

    def call_of(self, account: Account, view: View, most: float = math.inf) -> Offer | None:
        """The call of an unhealthy account at what is now. most: units of the debt that are brought."""
        return self.offer_of_call(self.lending.assess(account, self.w.rules[account.protocol], view, most))

    def offer_of_call(self, call: Call) -> Offer | None:
        if call.claim is None:
            return None
        protocol = call.claim.account.protocol
        offer = Offer.of_claim(call.claim, self.w.home.get(protocol, ""))
        offer.named, offer.most = self.w.rules[protocol].kind != "pro_rata", call.most
        return offer

    def offer_of_kick(self, account: Account, kick: Kick) -> Offer:
        return Offer("kick", account.protocol, account, self.w.home.get(account.protocol, ""), [],
                     [(account.debt[0].asset, kick.reward)], [], kick)

    def offer_of_take(self, lot: Lot, most: float) -> Offer | None:
        bought = self.auctions.take_of(lot, most)
        if bought is None:
            return None
        paid, units = bought
        return Offer("take", lot.protocol, lot, self.w.home.get(lot.protocol, ""), [(lot.owing.asset, paid)],
                     [(lot.leg.asset, units)], [(lot.leg.asset, lot.owing.asset, units)], bought)

    def offer_of_redo(self, lot: Lot, view: View) -> Offer | None:
        reward = self.auctions.redo_of(lot, view)
        if reward is None:
            return None
        return Offer("redo", lot.protocol, lot, self.w.home.get(lot.protocol, ""), [], [(lot.owing.asset, reward)], [], reward)

    def offer_of_absorption(self, account: Account, view: View) -> Offer:
        base = self.w.stores[account.protocol].base
        return Offer("absorb", account.protocol, account, self.w.home.get(account.protocol, ""), [],
                     [(base, self.storefronts.counted_on(account, view))], [])

    def offer_of_stock(self, stock: Stock, view: View, most: float) -> Offer | None:
        bought = self.storefronts.buy_of(stock, view, most)
        if bought is None:
            return None
        base, (paid, units) = self.w.stores[stock.protocol].base, bought
        return Offer("buy_collateral", stock.protocol, stock, self.w.home.get(stock.protocol, ""), [(base, paid)],
                     [(stock.asset, units)], [(stock.asset, base, units)], bought)

    def resized(self, offer: Offer, most: float) -> Offer | None:
        """The same with at most so many units brought, at what is now."""
        if offer.kind == "take":
            assert isinstance(offer.ref, Lot)
            return self.offer_of_take(offer.ref, most)
        if isinstance(offer.ref, Stock):
            return self.offer_of_stock(offer.ref, self.seen(offer.protocol), most)
        if isinstance(offer.ref, Amm | Called):
            return self.llammas.anew(offer.ref, self.time, most)
        if isinstance(offer.ref, System):
            return self.liquities.redemption(offer.ref, self.time, most)
        assert isinstance(offer.ref, Account)
        return self.call_of(offer.ref, self.seen(offer.protocol), most)

    def anew(self, t: Transaction) -> Offer | None:
        """What it would do now; None: nothing."""
        if isinstance(t.ref, Amm | Called):
            return self.llammas.anew(t.ref, self.time, t.most or math.inf)
        if isinstance(t.ref, System | TroveCall):
            return self.liquities.anew(t.ref, self.time, t.most or math.inf)
        if isinstance(t.ref, Lot):
            if t.kind == "redo":
                return self.offer_of_redo(t.ref, self.seen(t.ref.protocol))
            offer = self.offer_of_take(t.ref, t.most)
            return None if offer is None or offer.pays[0][1] / offer.gets[0][1] > t.price * (1.0 + 1e-9) else offer
        if isinstance(t.ref, Stock):
            offer = self.offer_of_stock(t.ref, self.seen(t.ref.protocol), t.most)
            return None if offer is None or offer.pays[0][1] / offer.gets[0][1] > t.price * (1.0 + 1e-9) else offer
        assert isinstance(t.ref, Account)
        account, view = t.ref, self.seen(t.ref.protocol)
        if t.kind == "absorb":
            return self.offer_of_absorption(account, view) if self.storefronts.unsafe(account, view) else None
        if t.kind == "kick":
            kick = self.auctions.kick_of(account, view, self.auctions.raising())
            return self.offer_of_kick(account, kick) if kick is not None else None
        if self.health(account, view) >= 1.0:
            return None
        return self.call_of(account, view, t.most or math.inf)

    # ---- execution ---------------------------------------------------------------------------------------------

    def execute(self, included: list[Transaction]) -> None:
        claimed = {id(t.ref) for t in included if t.kind == "claim"}
        self.counts["raced"] += sum(t.kind == "top_up" and id(t.ref) in claimed for t in included)
        together = [] if self.w.sequential else [t for t in included if not t.parts]
        alone = [t for t in included if t.parts or self.w.sequential]
        of_rules = [kind for family in self.w.families() for kind in OF_FAMILIES[family]]
        kinds = ["oracle", *self.w.owners_kinds(), *of_rules, "order", *OF_ISSUERS, *OF_BURNERS]
        self.sell([sale for kind in kinds for sale in self.batch([t for t in together if t.kind == kind])])
        for t in alone:
            self.sell(self.settle(t))

    def sell(self, sales: list[Sale]) -> None:
        """What an order could not sell it offers again; who redeems and burns takes it back."""
        brought = self.x.trade(sales, real=True)
        for sale, got, left in zip(sales, brought, self.x.left, strict=True):
            self.counts["sold in part"] += left > 0.0
            order = Sale(*sale).order
            if isinstance(order, Order):
                order.sold -= left
            elif isinstance(order, Transaction):
                order.brought, order.unsold = got, left
                (self.issuers if order.kind in OF_ISSUERS else self.burners).take_back(order)

    def batch(self, alike: list[Transaction]) -> list[Sale]:
        """Transactions of one kind that have their turn; first calls of an account come before second ones."""
        if not alike or alike[0].kind != "claim":
            return [sale for t in alike for sale in self.settle(t)]
        found: list[Sale] = []
        rounds: list[list[Transaction]] = []
        for t in alike:
            turn = sum(other.ref is t.ref for one in rounds for other in one)
            rounds += [[]] * (turn == len(rounds))
            rounds[turn] = [*rounds[turn], t]
        for one in rounds:
            self.lending.known, self.left = self.lending.cash(), self.lending.cash()
            found += [sale for t in one for sale in self.settle(t)]
        self.lending.known = None
        return found

    def pay_gas(self, t: Transaction, kind: str) -> None:
        net = self.w.chains[t.chain]
        if net.gas:
            self.x.ledger.move(net.native, net.gas[GAS_OF.get(kind, kind)] * t.bid * 1e-9, t.payer, "block_builders")

    def settle(self, t: Transaction) -> list[Sale]:
        """Do one transaction; what it sells."""
        for one in (t, *t.parts):
            self.pay_gas(t, one.kind)
        if isinstance(t.ref, str):
            self.answered(self.w.feeds[t.ref])
            return []
        if isinstance(t.ref, Order):
            t.ref.sold += t.amount
            self.counts["orders"] += 1
            return [Sale(t.ref.asset, t.ref.into, t.amount, "order_owners", t.ref.venue, t.ref)]
        if isinstance(t.ref, Lender):
            return self.paid_out(t, t.ref)
        if t.kind == "top_up":
            assert isinstance(t.ref, Account)
            done = self.topped_up(t, t.ref)
        elif isinstance(t.ref, Deal):
            done = self.lent_more(t.ref) if t.kind in ("lever", "wind") else self.closed(t.ref)
            if done is not None and isinstance(t.ref, Round):
                t.ref.happened()
                self.counts[t.kind] += 1
        elif t.kind in OF_ISSUERS:
            done = self.issuers.settle(t, self.time)
        elif t.kind in OF_BURNERS:
            done = self.burners.settle(t, self.time)
        elif isinstance(t.ref, Shift):
            done = self.shifted(t.ref, t.payer)
        else:
            done = self.both(t) if t.parts else self.taken(t)
        if done is None:
            self.counts["reverted"] += 1 + len(t.parts)
            self.counts[f"reverted_{t.kind}"] += 1
            return []
        return done

    def answered(self, feed: Feed) -> None:
        assert feed.flight is not None
        feed.answer, feed.updated, feed.flight, feed.land = feed.flight, self.time, None, math.inf
        self.counts["answers"] += 1

    def paid_out(self, t: Transaction, lender: Lender) -> list[Sale]:
        if self.lending.there(lender.protocol, lender.asset) <= 0.0:
            self.counts["reverted"] += 1
            self.counts["reverted_withdrawal"] += 1
            return []
        units = self.lending.withdraw(lender, t.amount)
        self.x.ledger.move(lender.asset, units, "cash", lender.name)
        self.counts["withdrawals"] += 1
        return []

    def shifted(self, shift: Shift, who: str) -> list[Sale] | None:
        """One account of somebody is mended out of another."""
        persons = self.w.persons
        assert persons is not None
        views = {account.protocol: self.seen(account.protocol) for account in (shift.here, shift.there)}
        early = self.health(shift.here, views[shift.here.protocol]) >= 1.0
        if not persons.holds(shift, self.lending, views):
            self.counts["shift over the cap"] += persons.capped
            return None
        for move in shift.moves:
            protocol, leg = move.account.protocol, move.leg
            owed = leg in move.account.debt
            index = views[protocol].borrow_index[leg.asset] if owed else views[protocol].supply_index[leg.asset]
            there, units = leg.amount * index, move.units
            if units < 0.0 and -units >= there * (1.0 - ROUNDING):  # all; what a debt does not need, he keeps
                units, leg.amount = -there, 0.0
            else:
                leg.amount += units / index
            units = -units if owed else units  # come into the reserve
            self.x.ledger.move(leg.asset, units, who, "cash")
            self.lending.move(protocol, leg.asset, units)
        self.counts["shifts"] += 1
        self.counts[f"shift {shift.way}"] += 1
        self.counts["shift before a call"] += early
        self.counts["shift into a vault"] += shift.here.protocol in self.w.auctions
        self.counts["shift within a protocol"] += shift.here.protocol == shift.there.protocol
        return []

    def taken(self, t: Transaction) -> list[Sale] | None:
        """One call, sold at once."""
        offer = self.anew(t)
        if offer is not None and self.lending.known is not None and isinstance(offer.what, Claim) and not self.lending.in_turn(
                offer.what, self.left):
            self.counts["left by others"] += 1
            return None
        if offer is None or (t.must_pay and offer.pays and gain(offer, self.x) < 0.0):
            return None
        if isinstance(offer.ref, Amm):
            got = self.llammas.trade(offer.ref, offer, t.payer, self.time)
            return sold([(a, b, got) for a, b, _ in offer.sales], t.payer) if got > 0.0 else None
        if isinstance(offer.ref, TroveCall):
            return self.troves_called(offer.ref, t.payer)
        if isinstance(offer.ref, System):
            left = self.liquities.redeem(offer.ref, offer, t.payer, self.time)
            return None if left is None else sold(left, t.payer)
        self.carry_out(offer, t.payer)
        return sold(offer.sales, t.payer)

    def troves_called(self, ref: TroveCall, who: str) -> list[Sale] | None:
        """Troves are liquidated; what depositors of their pool sell."""
        done = self.liquities.liquidate(ref, who)
        if done is None:
            return None
        s = ref.system
        self.repaid[s.protocol] += done[0] * math.exp(self.seen_log_price(s.protocol, s.b)) * self.x.usd(self.w.unit[s.protocol])
        self.counts["liquidations"] += 1
        self.liquidated[s.protocol] += 1
        return done[1]

    def seen_log_price(self, protocol: str, asset: str) -> float:
        raise NotImplementedError

    def both(self, t: Transaction) -> list[Sale] | None:
        """Two calls, of which the first pays for the second: all or none."""
        a, b = (self.anew(part) for part in t.parts)
        if a is None or b is None or (out := brings(a, b, self.x)) is None or out < a.pays[0][1]:
            return None
        for offer in (a, b):
            if isinstance(offer.ref, Amm):
                self.llammas.trade(offer.ref, offer, t.payer, self.time)
            elif isinstance(offer.ref, System):
                self.liquities.redeem(offer.ref, offer, t.payer, self.time)
            else:
                self.carry_out(offer, t.payer)
        self.counts["pairs"] += 1
        return sold(for_sale(left_over(a, b) or []), t.payer)

    def carry_out(self, offer: Offer, who: str) -> None:
        """The protocol's side of it."""
        view = self.seen(offer.protocol)
        if isinstance(offer.what, Claim):
            self.claimed(offer.what, view, who)
        elif isinstance(offer.what, Kick):
            assert isinstance(offer.ref, Account)
            self.auctions.kick(offer.ref, view, offer.what, who)
            return
        elif isinstance(offer.ref, Stock):
            assert isinstance(offer.what, tuple)
            paid, units = offer.what
            self.storefronts.buy(offer.ref, paid, units, who)
            self.lending.move(offer.protocol, self.w.stores[offer.protocol].base, paid)
            return
        elif offer.kind == "absorb":
            assert isinstance(offer.ref, Account)
            covered = self.storefronts.absorb(offer.ref, view)
            self.volume(offer.protocol, self.w.stores[offer.protocol].base, covered, view)
        elif isinstance(offer.ref, Called):
            repaid = self.llammas.close(offer.ref, who)
            self.volume(offer.protocol, offer.ref.amm.b, repaid, view)
        elif isinstance(offer.what, tuple):
            assert isinstance(offer.ref, Lot)
            repaid = self.auctions.take(offer.ref, *offer.what, who)
            self.volume(offer.protocol, offer.ref.owing.asset, repaid, view)
            self.auctions.close(offer.ref, view)
        else:
            assert isinstance(offer.ref, Lot) and isinstance(offer.what, float)
            self.auctions.redo(offer.ref, view, offer.what, who)
            return
        self.counts["cut"] += offer.kind == "claim" and offer.most < math.inf
        self.counts["liquidations"] += 1
        self.liquidated[offer.protocol] += 1

    def volume(self, protocol: str, asset: str, units: float, view: View) -> None:
        self.repaid[protocol] += units * view.price[asset] * self.x.usd(self.w.unit[protocol])

    def claimed(self, claim: Claim, view: View, who: str) -> None:
        account, rules = claim.account, self.w.rules[claim.account.protocol]
        self.counts[f"{rules.kind} calls"] += 1
        self.counts["an incentive that moved was paid"] += rules.kind != "euler" and any(
            view.incentive(leg) != leg.incentive for leg, _, _ in claim.seize)
        self.counts["called by a close factor that moved"] += rules.close_factor != rules.close_factor_at_start
        for leg, seize, kept in claim.seize:
            leg.amount = 0.0 if leg in claim.cleared else leg.amount - seize / view.supply_index[leg.asset]
            self.x.ledger.move(leg.asset, seize - kept, "cash", who)
            self.lending.move(account.protocol, leg.asset, kept - seize)
            if self.w.feeds_fund(account.protocol):
                self.fund[account.protocol, leg.asset] += kept
        for leg, repay in claim.repay:
            leg.amount = 0.0 if leg in claim.cleared else leg.amount - repay / view.borrow_index[leg.asset]
            self.x.ledger.move(leg.asset, repay, who, "cash")
            self.lending.move(account.protocol, leg.asset, repay)
            self.volume(account.protocol, leg.asset, repay, view)
        self.absorb(account, view)

    def absorb(self, account: Account, view: View) -> None:
        """What is owed without any collateral is booked as a deficit, where the rules say so."""
        rules = self.w.rules[account.protocol]
        if rules.kind not in ("v3_3", "v4", "pro_rata", "morpho") and not (rules.kind == "euler" and rules.socialises):
            return
        if any(leg.amount > 0.0 for leg in account.collateral):
            return
        for leg in account.debt:
            self.deficit[account.protocol, leg.asset] += view.owed(leg)
            leg.amount = 0.0
