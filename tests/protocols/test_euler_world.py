"""Euler in a world: what is stated beside its discount does not count."""

from __future__ import annotations

from run.small import conserved, loan, one_market


def test_a_vote_on_the_stated_bonus_does_not_move_the_discount() -> None:
    """What is seized is the same whatever the bonus, which does not count."""
    legs = [*loan("a", 1.0, 900.0)]
    rules = {"kind": "euler", "version": "v2"}
    vote = {"at": 0.0, "kind": "governance", "protocol": "pool", "parameters": {"ETH": {"incentive": 0.2}}}
    (_, stated), (_, voted) = (conserved(one_market(legs, rules=rules, scenario={"events": events})) for events in ([], [vote]))
    assert stated["seized"][0] == voted["seized"][0] > 0.0
