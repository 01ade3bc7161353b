"""A node's JSON-RPC: calls and batches over HTTP. Addresses of nodes may hold keys: only their host is shown.

Source: ethereum.org, JSON-RPC API; www.jsonrpc.org/specification.
"""

from __future__ import annotations

import http.client
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from delever.model.errors import InputError

BATCH = 20  # calls in a request; nodes that answer one at a time are asked one at a time
PATIENCE = (1.0, 3.0, 9.0)  # seconds before the next try of a node that is busy
BUSY = (429, 500, 502, 503, 504)
TIMEOUT = 120.0  # seconds
SHORTEST = 8  # characters of a part of an address that may be a key

Call = tuple[str, list[Any]]  # method, parameters


class Node:
    """A node behind an address. sleep: what waits between tries."""

    def __init__(self, address: str, sleep: Callable[[float], None] = time.sleep) -> None:
        try:
            parts = urlsplit(address.strip())
            good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.username is None and parts.port != 0
        except ValueError:
            good = False
        if not good or not address.strip().isprintable() or " " in address.strip():
            raise InputError("is no address of a node", "--rpc", remedy="write https://... or http://localhost:8545")
        self.address, self.sleep = address.strip(), sleep
        self.shown = f"node {parts.hostname}"
        self.keys = [part for part in re.split(r"[/?&=]", f"{parts.path}?{parts.query}") if len(part) >= SHORTEST]
        self.batches = True

    def call(self, method: str, parameters: list[Any]) -> Any:
        """One call's result; the node's error as ours."""
        return self._result(self._ask(_request(1, (method, parameters))), method)

    def calls(self, many: Sequence[Call]) -> list[Any]:
        """Results of many calls, in their order."""
        out: list[Any] = []
        for start in range(0, len(many), BATCH):
            part = many[start : start + BATCH]
            answers = self._ask([_request(i, call) for i, call in enumerate(part)]) if self.batches else None
            by_id = {one.get("id"): one for one in answers if isinstance(one, dict)} if isinstance(answers, list) else {}
            self.batches = self.batches and len(by_id) == len(part)
            if self.batches:
                out += [self._result(by_id.get(i), method) for i, (method, _) in enumerate(part)]
            else:
                out += [self.call(method, parameters) for method, parameters in part]
        return out

    def _ask(self, body: Any) -> Any:
        content = json.dumps(body).encode()
        request = urllib.request.Request(self.address, content, {"Content-Type": "application/json", "User-Agent": "delever"})
        for pause in (*PATIENCE, None):
            try:
                with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
                    return json.loads(answer.read())
            except urllib.error.HTTPError as error:
                reason, again = f"HTTP {error.code}", error.code in BUSY
                error.close()
            except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
                reason, again = str(getattr(error, "reason", error)), isinstance(error, TimeoutError)
            except ValueError:
                reason, again = "its answer is not JSON", False
            if pause is None or not again:
                raise InputError("has no answer", self.shown, reason, "check the address and the key in it, or ask later")
            self.sleep(pause)
        raise AssertionError  # the last pause is None

    def _result(self, answer: Any, method: str) -> Any:
        if isinstance(answer, dict) and answer.get("error"):
            said = answer["error"].get("message") if isinstance(answer["error"], dict) else answer["error"]
            remedy = "old blocks need an archive node; see that the block and the addresses are of this chain"
            shown = str(said)
            for key in self.keys:
                shown = shown.replace(key, "***")
            raise InputError(f"has an error for {method}", self.shown, shown, remedy)
        if not isinstance(answer, dict) or "result" not in answer:
            raise InputError(f"has neither result nor error for {method}", self.shown, remedy="check the address")
        return answer["result"]


def _request(number: int, call: Call) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": call[0], "params": call[1]}
