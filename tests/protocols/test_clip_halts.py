"""Auctions beside policies: a halted market, and owners who are given time."""

from __future__ import annotations

from delever.core.outcomes import TOP_UPS
from delever.engine.step import step
from protocols.clip_worlds import auctions, begin, play
from run.small import fall, loan


def test_whoever_sells_what_he_buys_waits_while_that_market_is_halted() -> None:
    chunk, state, diary = begin(auctions(loan("a", 10.0, 7000.0), scenario={"events": [fall(0.01)]}))
    state.halts.trading[:] = 3000.0
    for _ in range(12):
        step(chunk, state)
    (kick,) = diary.of("kick")
    assert kick.time == 300.0
    (take,) = diary.of("take")
    assert take.time == 3000.0  # its price had long been good enough


def test_a_vault_whose_owner_has_been_called_takes_up_no_room_of_others() -> None:
    # b is called at 300, a, which would take all the room by its size, at 1500
    legs = [*loan("a", 20.0, 13_000.0), *loan("b", 10.0, 6630.0)]
    policies = {"call": {"kind": "margin_call", "protocols": ["pool"], "grace": 1500.0}}
    world = auctions(legs, {"hole": 6630.0 * 1.13, "dust": 6000.0}, policies=policies,
                     scenario={"events": [fall(0.01), fall(0.05, 1200)], "horizon": 2400})
    state, diary = play(world)
    (kick,) = diary.of("kick")
    assert kick.time == 1800.0
    assert state.lots.owed[0] == 6630.0


def test_an_owner_who_has_been_called_answers_though_there_is_no_room() -> None:
    policies = {"call": {"kind": "margin_call", "protocols": ["pool"], "grace": 1500.0}}
    people = {"owners": {"kind": "borrowers", "attentive": 1.0, "target": 1.2, "budget": 1.0}}
    world = auctions(loan("a", 20.0, 14000.0), {"hole": 1000.0, "dust": 1000.0}, actors=people, policies=policies,
                     scenario={"events": [fall(0.01)], "horizon": 600})
    state, _ = play(world)
    assert state.ledgers.totals[TOP_UPS, 0, 0] == 1.0


def test_an_owner_who_has_been_called_answers_though_a_kick_pays_nothing() -> None:
    policies = {"call": {"kind": "margin_call", "protocols": ["pool"], "grace": 1500.0}}
    people = {"owners": {"kind": "borrowers", "attentive": 1.0, "target": 1.2, "budget": 1.0}}
    world = auctions(loan("a", 20.0, 14000.0), {"tip": 0.0, "chip": 0.0}, actors=people, policies=policies,
                     scenario={"events": [fall(0.01)], "horizon": 600})
    state, _ = play(world)
    assert state.ledgers.totals[TOP_UPS, 0, 0] == 1.0
