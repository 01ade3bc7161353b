"""Positions and balances fetched from an exchange through ccxt, with keys that can read; nothing but reading is asked.

Keys stand in the environment, as ccxt's own tools name them (`OKX_APIKEY`, `OKX_SECRET`, `OKX_PASSWORD`), or in a JSON file that
the user names: ccxt's settings of one exchange, `{"apiKey": ..., "secret": ...}`, or of several accounts and sub-accounts,
`{"desk 1": {...}, "desk 2": {...}}`. `"params"` are sent along with each request. Keys are never shown: what an exchange says is
stripped of them. A private key, which could sign for its owner, is refused.

Where the exchange's own answers have a reader here, ccxt signs and sends, and they are read as the exchange gave them, page after
page; of any other exchange what ccxt unifies is read, `fetch_positions` and `fetch_balance`.
https://docs.ccxt.com/#/README?id=implicit-api-methods
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from delever.model.errors import InputError, nearest

SECRETS = ("apiKey", "secret", "password", "uid", "login", "token", "walletAddress")
SIGNING = ("privateKey", "twofa")  # more than reading asks for
PAGES = 1000  # most of one answer
SHORTEST = 4  # characters of a secret that are worth stripping


@dataclass(frozen=True)
class Ask:
    """One answer of an exchange: the part that it is, ccxt's method for it, and what goes with it."""

    part: str
    method: str
    params: Mapping[str, Any] = field(default_factory=dict)
    cursor: tuple[str, str] | None = None  # where the answer has the next page's, and what it is sent as
    user: str = ""  # the parameter that the wallet's address goes into


@dataclass(frozen=True)
class Exchange:
    """What is asked of an exchange whose own answers are read. needs: of SECRETS; None: what ccxt says."""

    asks: tuple[Ask, ...]
    needs: tuple[str, ...] | None = None


def _bybit(**params: str) -> Ask:
    return Ask("positions", "privateGetV5PositionList", {**params, "limit": 200}, ("nextPageCursor", "cursor"))


OWN: dict[str, Exchange] = {
    "binanceusdm": Exchange(
        (
            Ask("positionRisk", "fapiPrivateV3GetPositionRisk"),
            Ask("balance", "fapiPrivateV3GetBalance"),
            Ask("multiAssetsMargin", "fapiPrivateGetMultiAssetsMargin"),
        )
    ),
    "binancecoinm": Exchange((Ask("positionRisk", "dapiPrivateGetPositionRisk"), Ask("balance", "dapiPrivateGetBalance"))),
    "bybit": Exchange(
        (
            _bybit(category="linear", settleCoin="USDT"),
            _bybit(category="linear", settleCoin="USDC"),
            _bybit(category="inverse"),
            Ask("wallet", "privateGetV5AccountWalletBalance", {"accountType": "UNIFIED"}),
            Ask("info", "privateGetV5AccountInfo"),
        )
    ),
    "okx": Exchange(
        (
            Ask("positions", "privateGetAccountPositions"),
            Ask("balance", "privateGetAccountBalance"),
            Ask("config", "privateGetAccountConfig"),
            Ask("instruments", "publicGetPublicInstruments", {"instType": "SWAP"}),
            Ask("instruments", "publicGetPublicInstruments", {"instType": "FUTURES"}),
        )
    ),
    "hyperliquid": Exchange(
        (
            Ask("state", "publicPostInfo", {"type": "clearinghouseState"}, user="user"),
            Ask("spot", "publicPostInfo", {"type": "spotClearinghouseState"}, user="user"),
            Ask("abstraction", "publicPostInfo", {"type": "userAbstraction"}, user="user"),
        ),
        ("walletAddress",),
    ),
}
SAY_WHICH = {"binance": "binanceusdm for USD-M, binancecoinm for COIN-M"}  # ids that are several exchanges of ours
LEFT = {"hyperliquid": "positions on builder-deployed markets: the main exchange alone is asked"}
UNIFIED = {"bitget": {"paginate": True, "paginationCalls": PAGES}}  # where ccxt gives a page unless told otherwise


def fetch(name: str, keys: str | Path | None = None, account: str = "own") -> tuple[dict[str, Any], list[str]]:
    """(account -> answers, what they cannot say) of an exchange by ccxt's name for it; `account` is who the one account is.

    keys: the file with them; None: they are in the environment.
    """
    ccxt = _ccxt(name)
    found: dict[str, Any] = {}
    unknown: list[str] = [LEFT[name]] if name in LEFT else []
    for who, settings in _accounts(name, keys, account).items():
        place = f"{name}, account {who}"
        try:
            found[who] = _answers(ccxt, name, settings, keys, who)
        except InputError as error:
            raise error.at(place) from None
        except ccxt.BaseError as error:
            said = _without(str(error), settings)
            remedy = "the key must be able to read, from this machine's address; nothing else is asked of it"
            raise InputError(f"{type(error).__name__} of the exchange", place, said, remedy) from None
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            said = _without(f"{type(error).__name__} {error}", settings)
            remedy = "see that the settings beside the keys are ccxt's, or give the exchange's answers as files"
            raise InputError("is not as ccxt knows it", place, said, remedy) from None
    if name not in OWN:
        unknown.append(f'contracts that ccxt does not ask {name} for by default, as in other coins: say "params" in the keys')
    return found, unknown


def _answers(ccxt: Any, name: str, settings: Mapping[str, Any], keys: str | Path | None, who: str) -> dict[str, Any]:
    """Answers of one account."""
    asked = dict(settings)
    params = asked.pop("params", {})
    if not isinstance(params, Mapping):
        raise InputError("params are no object", f"{keys}, {who}", remedy='write "params": {"subAccount": "..."}')
    options = {"defaultType": "swap", **asked.pop("options", {})}
    exchange = getattr(ccxt, name)({"options": options, **asked, "verbose": False})  # which would print keys
    _enough(exchange, name, keys, who)
    return _own(exchange, name, params) if name in OWN else _unified(exchange, name, params)


def _ccxt(name: str) -> Any:
    if importlib.util.find_spec("ccxt") is None:
        raise InputError("needs what talks to exchanges", "--exchange", remedy="install the extra `exchange` (ccxt)")
    ccxt = importlib.import_module("ccxt")
    if name in SAY_WHICH:
        raise InputError("is several exchanges", "--exchange", name, f"write {SAY_WHICH[name]}")
    if name not in ccxt.exchanges:
        raise InputError("is no exchange of ccxt", "--exchange", name, nearest(name, ccxt.exchanges))
    return ccxt


def _accounts(name: str, keys: str | Path | None, account: str) -> dict[str, dict[str, Any]]:
    """Account -> ccxt's settings, secrets among them."""
    if keys is None:
        found = {secret: os.environ.get(variable(name, secret), "") for secret in SECRETS}
        return {account: {secret: value for secret, value in found.items() if value}}
    try:
        value = json.loads(Path(keys).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        # What cannot be parsed is not shown: it holds keys.
        reason = getattr(error, "strerror", None) or "it is not JSON"
        raise InputError("cannot be read", str(keys), reason, 'write {"apiKey": "...", "secret": "..."}') from None
    if not isinstance(value, dict) or not value:
        raise InputError("has no keys", str(keys), remedy='write {"apiKey": "...", "secret": "..."}')
    accounts = value if all(isinstance(one, dict) for one in value.values()) else {account: value}
    signing = next((secret for secret in SIGNING for one in accounts.values() if secret in one), None)
    if signing is not None:
        raise InputError(f"has a {signing}", str(keys), remedy="it can do more than read: take it out, reading needs none")
    return {str(who): dict(settings) for who, settings in accounts.items()}


def variable(name: str, secret: str) -> str:
    """The variable of the environment that a secret is in.

    >>> variable("okx", "apiKey")
    'OKX_APIKEY'
    """
    return f"{name}_{secret}".upper()


def _enough(exchange: Any, name: str, keys: str | Path | None, who: str) -> None:
    """All that the exchange asks for is there."""
    own = OWN.get(name)
    asked = tuple(secret for secret, needed in exchange.requiredCredentials.items() if needed)
    needs = own.needs if own is not None and own.needs is not None else asked
    signing = next((secret for secret in needs if secret in SIGNING), None)
    if signing is not None:
        remedy = f"ccxt reads {name} with a {signing} alone, which is more than reading: give the exchange's answers as files"
        raise InputError("cannot be fetched with keys that only read", "--exchange", name, remedy)
    missing = [secret for secret in needs if not getattr(exchange, secret, None)]
    if missing:
        shown = ", ".join(variable(name, secret) for secret in missing) if keys is None else ", ".join(missing)
        where = "the environment" if keys is None else f"{keys}, {who}"
        raise InputError(f"has no {shown}", where, remedy="set it, or name a file with --keys; keys that only read are enough")


def _own(exchange: Any, name: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """The exchange's own answers by what they are; several of a kind as a list, none for what is empty."""
    found: dict[str, list[Any]] = {}
    for ask in OWN[name].asks:
        answers = found.setdefault(ask.part, [])
        sent = {**ask.params, **params} | ({ask.user: exchange.walletAddress} if ask.user else {})
        for page in range(PAGES + 1):
            if page == PAGES:
                raise InputError(f"has more than {PAGES} pages of {ask.part}", remedy="give the answers as files")
            answer = getattr(exchange, ask.method)(dict(sent))
            if not isinstance(answer, Mapping) or answer.get("data") != []:
                answers.append(answer.strip('"') if isinstance(answer, str) else answer)
            after = _next(answer, ask)
            if not ask.cursor or after in (None, "", sent.get(ask.cursor[1])):
                break
            sent[ask.cursor[1]] = after
    return {part: answers[0] if len(answers) == 1 else answers for part, answers in found.items()}


def _next(answer: Any, ask: Ask) -> Any:
    """The cursor of the page behind an answer that has rows."""
    result = answer.get("result") if isinstance(answer, Mapping) else None
    return result.get(ask.cursor[0]) if isinstance(result, Mapping) and ask.cursor and result.get("list") else None


def _unified(exchange: Any, name: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """What ccxt unifies."""
    if not exchange.has.get("fetchPositions"):
        raise InputError("has no positions that ccxt can fetch", value=name, remedy="give the exchange's answers as files")
    return {
        "positions": exchange.fetch_positions(None, {**UNIFIED.get(name, {}), **params}),
        "balance": exchange.fetch_balance(dict(params)),
    }


def _without(said: str, settings: Mapping[str, Any]) -> str:
    """What an exchange said, without secrets and without signed addresses."""
    for secret in SECRETS:
        value = settings.get(secret)
        if isinstance(value, str) and len(value) >= SHORTEST:
            said = said.replace(value, "***")
    return " ".join(word.partition("?")[0] if "://" in word else word for word in said.split())
