"""What a link carries comes back as it was; what it cannot carry is left out."""

from __future__ import annotations

from urllib.parse import parse_qsl

from hypothesis import given
from hypothesis import strategies as st

from delever.web.view import LEAST, MOST, View, move_of, view_of

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12)
NAMES = WORDS.map(lambda text: text.replace("=", "").strip()).filter(bool)
MOVES = st.integers(-95, 300).map(lambda percent: percent / 100)
VIEWS = st.builds(
    View, source=WORDS, settings=st.dictionaries(NAMES.filter(lambda name: not name.endswith(".book")), NAMES, max_size=3).map(
        lambda found: tuple(found.items())),
    asset=WORDS, span=st.sampled_from(["falls", "rises"]), shock=MOVES,
    others=st.dictionaries(NAMES, MOVES, max_size=2).map(lambda found: tuple(found.items())),
    unit=st.sampled_from(["usd", "share"]), protocol=WORDS, collateral=WORDS, debt=WORDS, account=WORDS, path=NAMES, kind=WORDS,
    mine=st.booleans())


@given(VIEWS)
def test_a_link_gives_back_the_view_that_it_was_made_of(view: View) -> None:
    assert view_of(parse_qsl(view.query(), keep_blank_values=True)) == view


def test_the_first_view_needs_no_query() -> None:
    assert View().query() == ""


@given(st.lists(st.tuples(st.sampled_from(["open", "set", "other", "shock", "unit", "span", "mine", "x"]), st.text(max_size=9))))
def test_no_link_breaks_the_page(pairs: list[tuple[str, str]]) -> None:
    found = view_of(pairs)
    assert found.unit in ("usd", "share") and found.span in ("falls", "rises") and LEAST <= found.shock <= MOST


def test_a_move_is_one_that_a_price_can_do() -> None:
    assert move_of("-0.95") == -0.95
    assert move_of("3") == 3.0
    assert [move_of(text) for text in ("-0.96", "3.01", "nan", "inf", "", "a third")] == [None] * 6


def test_a_dropped_book_stands_in_no_link() -> None:
    view = View(settings=(("protocols.aave.book", "/tmp/x.parquet"), ("scenario.paths", "9")))
    assert parse_qsl(view.query()) == [("set", "scenario.paths=9")]
