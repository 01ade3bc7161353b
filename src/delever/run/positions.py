"""A world's books as the engine's tables: accounts in the order of the book, legs in fixed places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from delever.actors.base import Actor
from delever.core.exchange_tables import Margins
from delever.core.tables import BookTables
from delever.engine.index import EITHER
from delever.ingest.answers import DOLLARS
from delever.ingest.positions import read_export
from delever.ingest.source import BookTables as Sourced
from delever.ingest.source import RowsRead, Source
from delever.model.asset import USD
from delever.model.book import COLLATERAL, POSITION, REMAINDER, Book
from delever.model.book_rows import own_rows
from delever.model.checks import check_book
from delever.model.errors import InputError, nearest
from delever.model.exchange import instruments
from delever.model.new_assets import no_parameters
from delever.model.parameters import ROUNDING, CollateralParameters, categories_of, look_up
from delever.model.world import ReserveParameters, World
from delever.protocols.base import Rules
from delever.run.exchanges import held_at, lay_margins, with_cash

LITTLE = 1e-9  # share of a reserve that is nothing


@dataclass(frozen=True)
class Positions:
    """All accounts of a world."""

    tables: BookTables
    reserves: tuple[tuple[str, str], ...]  # (protocol, asset) of each reserve
    supply_rate: np.ndarray  # [R] growth of the log index [1/s]
    borrow_rate: np.ndarray  # [R]
    cash: np.ndarray  # [R] units that can be taken out at the start; inf: without end
    owed: np.ndarray  # [R] units owed at the start
    dust: np.ndarray  # [R] units that are nothing
    fee: np.ndarray  # [R] share of the incentive that the protocol keeps
    accounts: tuple[str, ...]  # names, in the order of the tables
    protocol: np.ndarray  # [accounts]
    owners: tuple[str, ...]  # names; one person's accounts on any protocols are known as his
    owner: np.ndarray  # [accounts] number
    book: Book
    margins: Margins  # of no path: funding columns are [R, 1]
    sense: np.ndarray  # [R] -1 of inverse perps, whose long is short of dollars that are priced in the coin; else 1
    categories: tuple[tuple[int, int], ...]  # (reserve, efficiency-mode category) of the terms behind those of reserves
    bands: np.ndarray  # [accounts] that a loan of LLAMMA lies in, 0: as its rules say
    interest_rate: np.ndarray  # [accounts] that a trove of Liquity v2 pays [1/year], nan: as its rules say
    category: np.ndarray  # [accounts] of efficiency mode; 0: none

    @property
    def of_term(self) -> np.ndarray:
        """Reserve of each term: the reserves', then those of their categories [terms]."""
        return np.array([*range(len(self.reserves)), *(r for r, _ in self.categories)], np.int64)

    @property
    def stocks(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Cash, owed, dust [R]."""
        return self.cash, self.owed, self.dust

    @property
    def held(self) -> np.ndarray:
        """Units that accounts hold as collateral [R]."""
        book, first = self.tables, int(self.tables.first_debt[0])
        held = np.arange(first) < book.collaterals[book.signature][:, None]
        return np.bincount(book.reserve[book.signature][:, :first][held], book.amount[:, :first][held],
                           len(self.reserves)).astype(np.float64)

    def reserve(self, protocol: str, asset: str) -> int:
        """Number of a reserve."""
        return self.reserves.index((protocol, asset))


def read_books(world: World, source: Source) -> Book:
    """The books of all protocols as one. Of a book that several name, or that names protocols, each takes its own rows."""
    parts = []

    def shared(book: str | Book) -> list[str]:
        return [other for other, protocol in world.protocols.items()
                if protocol.book is book or (isinstance(book, str) and protocol.book == book)]

    for name, protocol in world.protocols.items():
        book = protocol.book
        where = book if isinstance(book, str) else f"book of {name}"
        if isinstance(book, str):
            try:
                tables = source.book(book) if not book.endswith(".json") else exported(book, name, world, source)
            except InputError as error:
                raise error.at("", "protocols", name, "book") from None
            read, accounts = tables.legs.num_rows, tables.accounts if tables.accounts.num_columns else None
            legs, accounts = (own_rows(table, name, shared(book), where) for table in (tables.legs, accounts))
            used, book = legs.num_rows, Book.from_table(legs, accounts, where, name)
        else:
            read = book.legs.num_rows
            book = Book(*(own_rows(table, name, shared(book), where) for table in (book.legs, book.accounts)))
            used = book.legs.num_rows
        others = f"{read - used:,} of other protocols of this world" if used < read else ""
        source.rows.append(RowsRead(name, where, read, used, others))
        check_book(book, world, where, name)
        parts.append(book)
    return Book.concat(parts)


def exported(file: str, name: str, world: World, source: Source) -> Sourced:
    """The positions in an exchange's own answer (JSON), under the names that the world gives its perps and its margin."""
    unit, parameters = world.protocols[name].unit, look_up(world.protocols[name].parameters)
    margin = {asset: asset for asset, entry in parameters.items() if isinstance(entry, CollateralParameters)}
    elsewhere = {other.unit for key, other in world.protocols.items() if key != name and other.book == file}
    found = read_export(source.json(file, lists=True), file, instruments=instruments(name, world),
                        collateral={**DOLLARS, **margin}, coin=None if unit == USD and not elsewhere else unit)
    lost = next((coin for coin in found.left if coin not in elsewhere), None)
    if lost is not None:
        raise InputError(f"has contracts margined in {lost}, and {name} counts in {unit}", file,
                         remedy=f"give the world an exchange with `unit: {lost}` and the same book, or take them out of it")
    source.notes += [f"{name}: {note}" for note in found.notes]
    return Sourced(found.table, pa.table({}))


def tabulate(world: World, book: Book) -> Positions:
    """Accounts in the order of first appearance, collateral legs first, then debts."""
    legs = with_cash(book.legs, world)
    people = legs["owner"].combine_chunks().dictionary_encode()
    protocols, numbers = list(world.protocols), {name: i for i, name in enumerate(world.protocols)}
    protocol = np.array([numbers[name] for name in legs["protocol"].to_pylist()])
    names = pc.binary_join_element_wise(legs["protocol"], legs["account"], "\0").combine_chunks().dictionary_encode()
    account = names.indices.to_numpy()
    asset = legs["asset"].combine_chunks().dictionary_encode()
    is_debt = pc.not_equal(legs["side"], COLLATERAL).to_numpy(zero_copy_only=False)  # of a margin account: a position
    is_position = pc.equal(legs["side"], POSITION).to_numpy(zero_copy_only=False)
    remainder = pc.equal(legs["label"], REMAINDER).to_numpy(zero_copy_only=False)
    amount, opened = held_at(legs, world)
    own = legs["liquidation_threshold"].to_numpy(zero_copy_only=False).astype(float)
    emode = legs["emode"].to_numpy(zero_copy_only=False)
    assets, number_of_assets = asset.dictionary.to_pylist(), len(asset.dictionary)

    # one reserve for each (protocol, asset) that the book holds, in a stable order
    key = protocol * number_of_assets + asset.indices.to_numpy()
    held, reserve = np.unique(key, return_inverse=True)
    reserves = tuple((protocols[k // number_of_assets], assets[k % number_of_assets]) for k in held)
    parameters = {name: look_up(spec.parameters) for name, spec in world.protocols.items()}
    exchange = np.array([name in world.exchanges for name in protocols])

    # threshold, incentive and seizability of each leg, worked out once for each (reserve, e-mode, side)
    threshold, incentive = np.where(is_debt, 0.0, own), np.zeros(len(amount))
    seizable, term, categories = np.zeros(len(amount), np.int64), reserve.ravel().copy(), list[tuple[int, int]]()
    kinds, kind_of = np.unique(np.column_stack([reserve, emode, is_debt]), axis=0, return_inverse=True)
    lacking: dict[str, list[str]] = {}  # by protocol, collateral without parameters
    for k, (r, category, debt) in enumerate(kinds):
        mine = kind_of.ravel() == k
        name, asset_name = reserves[r]
        entry = parameters[name].get(asset_name)
        spec = world.assets.get(asset_name)
        seizable[mine] = 1 if spec is None or spec.seizable else 0
        if debt:
            continue
        if exchange[protocols.index(name)]:
            threshold[mine] = 1.0 - entry.haircut if isinstance(entry, CollateralParameters) else 1.0
            continue
        assert entry is None or isinstance(entry, ReserveParameters)
        if entry is None:
            if np.isnan(threshold[mine]).any() or (seizable[mine].any() and not remainder[mine].all()):
                lacking.setdefault(name, []).append(asset_name)
            continue
        if category and category not in categories_of(parameters[name]) and np.isnan(threshold[mine]).any():
            remedy = f"write `emode: {{{category}: {{liquidation_threshold: 93 %, incentive: 1 %}}}}` there, or 0 in the book"
            raise InputError(f"e-mode category {category} has no parameters", f"protocols.{name}.parameters.{asset_name}",
                             remedy=remedy)
        chosen = entry.emode.get(int(category), entry)
        if chosen is not entry:
            term[mine] = len(reserves) + len(categories)
            categories.append((int(r), int(category)))
        threshold[mine] = np.where(np.isnan(threshold[mine]), chosen.liquidation_threshold, threshold[mine])
        rules = world.protocols[name].rules
        worked_out = rules.incentives(threshold[mine]) if isinstance(rules, Rules) else None
        incentive[mine] = chosen.incentive if worked_out is None else worked_out

    for name, lacks in lacking.items():
        raise no_parameters(world, name, list(dict.fromkeys(lacks)), parameters[name])

    # legs in fixed places: [accounts, most collaterals + most debts]
    accounts = len(names.dictionary)
    order = np.lexsort((np.arange(len(account)), is_debt, account))
    place, counts = _places(account[order], is_debt[order], accounts)
    first_debt = int(counts[:, 0].max())
    width = first_debt + int(counts[:, 1].max())
    column = place + np.where(is_debt[order], first_debt, 0)
    at = account[order], column

    def spread(values: np.ndarray, kind: type) -> np.ndarray:
        table: np.ndarray = np.zeros((accounts, width), kind)
        table[at] = values[order]
        return table

    reserve_of, threshold_of, term_of = spread(reserve.ravel(), np.int64), spread(threshold, np.float64), spread(term, np.int64)
    incentive_of, seizable_of, amounts = spread(incentive, np.float64), spread(seizable, np.int64), spread(amount, np.float64)
    of = np.zeros(accounts, np.int64)
    of[account] = protocol
    margin = exchange[of].astype(np.int64)
    names_of = [name.partition("\0") for name in names.dictionary.to_pylist()]
    active = {account for actor in world.actors.values() if isinstance(actor, Actor) for account in actor.trades_for()}
    for i, (name, _, account_name) in enumerate(names_of):
        if (name, account_name) in active:
            margin[i] = EITHER
    negative = amounts < 0
    negative[:, 0] &= margin == 0  # the sign of cash makes no difference
    coded = np.column_stack([of, margin, counts, reserve_of, _codes(threshold_of), _codes(incentive_of), seizable_of, negative,
                             term_of])
    _, first, signature = np.unique(coded, axis=0, return_index=True, return_inverse=True)
    cost = spread(np.where(is_position, amount * opened, 0.0), np.float64) if is_position.any() else np.zeros((accounts, 0))
    tables = BookTables(np.ascontiguousarray(amounts), small(signature.ravel()), small(of[first]), small(reserve_of[first]),
                        threshold_of[first], incentive_of[first], small(seizable_of[first]), small(counts[first, 0]),
                        small(counts[first, 1]), np.array([first_debt]), small(margin[first]), np.ascontiguousarray(cost),
                        small(term_of[first]))
    year = 365.0 * 86400.0
    entries = [entry if isinstance(entry := parameters[name].get(asset_name), ReserveParameters) else None
               for name, asset_name in reserves]
    return Positions(tables, reserves,
                     np.array([entry.supply_rate / year if entry else 0.0 for entry in entries]),
                     np.array([entry.borrow_rate / year if entry else 0.0 for entry in entries]),
                     *lent(world, reserves, tables),
                     np.array([entry.protocol_fee if entry else 0.0 for entry in entries]),
                     tuple(account_name for _, _, account_name in names_of), of,
                     *owners_of(people, account, accounts), book,
                     lay_margins(world, reserves, parameters, tables),
                     np.array([-1.0 if name in world.assets and world.assets[name].inverse else 1.0 for _, name in reserves]),
                     tuple(categories), *(most_of(legs[name].to_numpy(), account, accounts, none) for name, none in (
                         ("bands", 0), ("interest_rate", np.nan), ("emode", 0))))


def owners_of(people: pa.DictionaryArray, account: np.ndarray, accounts: int) -> tuple[tuple[str, ...], np.ndarray]:
    """Names of owners in the order of their first accounts, and the owner of each account. people: of each leg."""
    owner = np.zeros(accounts, np.int64)
    owner[account] = people.indices.to_numpy()
    known, first, number = np.unique(owner, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    names = people.dictionary.to_pylist()
    return tuple(str(names[known[i]]) for i in np.argsort(first)), rank[number]


def most_of(values: np.ndarray, account: np.ndarray, accounts: int, none: float) -> np.ndarray:
    """The largest value of any leg of each account [accounts]. values, account: [legs]; none: where none says one."""
    out = np.full(accounts, none)
    np.fmax.at(out, account, values)
    return out


def lent(world: World, reserves: Sequence[tuple[str, str]], tables: BookTables
         ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What each reserve has and is owed at the start, and what is nothing to it [R]; see Protocol.cash and Protocol.borrowed."""
    for name, protocol in world.protocols.items():
        for part in ("cash", "borrowed", "rates"):
            for asset in getattr(protocol, part):
                if (name, asset) not in reserves:
                    raise InputError(f"nobody holds or owes it on {name}", path=("protocols", name, part, asset),
                                     remedy=nearest(asset, [held for of, held in reserves if of == name]))
    first, sig = int(tables.first_debt[0]), tables.signature
    owes = (np.arange(tables.amount.shape[1] - first) < tables.debts[sig][:, None]) & (tables.margin[sig] == 0)[:, None]
    owed = np.bincount(tables.reserve[sig][:, first:][owes], tables.amount[:, first:][owes], len(reserves)).astype(np.float64)
    place = np.arange(tables.amount.shape[1])
    held = np.where(place >= first, place - first < tables.debts[sig][:, None], place < tables.collaterals[sig][:, None])
    moved = np.bincount(tables.reserve[sig][held], np.abs(tables.amount[held]), len(reserves))
    for r, (name, asset) in enumerate(reserves):
        stated = world.protocols[name].borrowed.get(asset)
        if stated is not None and stated < owed[r] * (1.0 - ROUNDING):
            raise InputError(f"is less than the {owed[r]:,.6g} that its book owes", path=("protocols", name, "borrowed", asset),
                             value=f"{stated:,.6g}", remedy="it counts them too: state all that is borrowed, or leave it out")
        owed[r] = owed[r] if stated is None else max(stated, owed[r])
    cash = np.array([world.protocols[name].cash.get(asset, np.inf) for name, asset in reserves])
    return cash, owed, np.where(cash < np.inf, LITTLE * (np.where(cash < np.inf, cash, 0.0) + moved), 0.0)


def small(numbers: np.ndarray) -> np.ndarray:
    """In 32 bits: what kernels look up at random should fit their cache."""
    return np.ascontiguousarray(numbers, np.int32)


def _places(account: np.ndarray, is_debt: np.ndarray, accounts: int) -> tuple[np.ndarray, np.ndarray]:
    """Place of each leg on its side, and legs a side [accounts, 2]; rows sorted by account, then side."""
    group = account * 2 + is_debt
    new = np.r_[True, group[1:] != group[:-1]]
    start = np.maximum.accumulate(np.where(new, np.arange(len(group)), 0))
    counts = np.bincount(group, minlength=2 * accounts).reshape(accounts, 2)
    return np.arange(len(group)) - start, counts


def _codes(values: np.ndarray) -> np.ndarray:
    """Small integers, equal where the values are."""
    return np.unique(values, return_inverse=True)[1].reshape(values.shape)


__all__ = ["COLLATERAL", "Positions", "read_books", "tabulate"]
