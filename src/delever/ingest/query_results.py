"""Results of SQL services in the envelopes of their APIs, as rows of a table: one file a service, in ENVELOPES."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from delever.ingest.dune import DUNE
from delever.ingest.flipside import FLIPSIDE
from delever.model.errors import InputError

ENVELOPES = (DUNE, FLIPSIDE)
EVENTS = ("txhash", "transactionhash", "evtindex", "eventindex", "eventname", "transactiontype", "logid", "evttxhash")


def rows_of(value: Any, where: str) -> list[Mapping[str, Any]] | None:
    """Records of a result; None: it is no result of these services."""
    for envelope in ENVELOPES:
        if envelope.told(value):
            try:
                return envelope.rows(value)
            except InputError as error:
                raise error.at(where) from None
    return None
