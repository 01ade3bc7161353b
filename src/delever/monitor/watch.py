"""Looks at a world again and again, and gives the last look to whoever asks: Prometheus over HTTP, people by message.

A look that fails gives no figures: those of the last one stand for a few intervals, with their time, then they are withheld.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from threading import Event, Lock
from typing import TYPE_CHECKING, Any

from delever.model.errors import InputError
from delever.monitor import metrics as m
from delever.monitor.alerts import CRITICAL, STALE, Alarms, Told
from delever.monitor.look import look
from delever.monitor.metrics import Sample

if TYPE_CHECKING:
    from delever.model.world import World

Say = Callable[[str], None]
COUNTED = (m.LOOKS, m.FAILED)


class Watch:
    """The last look at a world."""

    def __init__(self, read: Callable[[], World], every: float, assets: Sequence[str] = (),
                 clock: Callable[[], float] = time.time, tell: Callable[[list[Told]], None] = lambda told: None) -> None:
        """read: the world as it is now; InputError or OSError: not now. every: [s] between looks. tell: what is new."""
        self.read, self.every, self.assets, self.clock, self.tell = read, every, tuple(assets), clock, tell
        self.lock, self.alarms = Lock(), Alarms()
        self.figures: list[Sample] = []
        self.looked = self.took = 0.0
        self.looks = self.failures = self.in_a_row = 0

    def once(self) -> str:
        """Look; empty, or why there was nothing to see."""
        began, why, found = self.clock(), "", list[Sample]()
        try:
            found = look(self.read(), datetime.fromtimestamp(began, UTC), self.assets)
        except (InputError, OSError) as error:
            why = " ".join(str(error).split())
        with self.lock:
            self.looks += 1
            self.took = self.clock() - began
            if why:
                self.failures += 1
                self.in_a_row += 1
            else:
                self.figures, self.looked, self.in_a_row = found, began, 0
        new = [Told(CRITICAL, f"the look failed: {why}")] if self.in_a_row == 2 else []
        new += [] if why else self.alarms.judge(found, began)
        if new:
            self.tell(new)
        return why

    def samples(self) -> list[Sample]:
        """What there is to tell now."""
        with self.lock:
            fresh = self.looked > 0.0 and self.clock() - self.looked <= STALE * self.every
            of_itself = [Sample(m.UP, float(self.looks > 0 and not self.in_a_row)), Sample(m.EVERY, self.every),
                         Sample(m.TOOK, self.took), Sample(m.LOOKS, float(self.looks)), Sample(m.FAILED, float(self.failures))]
            if self.looked > 0.0:
                of_itself.append(Sample(m.LOOKED, self.looked))
            return [*(self.figures if fresh else ()), *of_itself]

    def collect(self) -> Iterator[Any]:
        """As prometheus_client asks for it."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        samples = self.samples()
        for metric in m.EVERY_METRIC:
            mine = [one for one in samples if one.metric is metric]
            if mine:
                kind = CounterMetricFamily if metric in COUNTED else GaugeMetricFamily
                family = kind(metric.name.removesuffix("_total"), metric.meaning, labels=metric.labels)
                for one in mine:
                    family.add_metric(one.labels, one.value)
                yield family

    def run(self, stop: Event, say: Say) -> None:
        """Look every so often until told to stop; a look that takes longer than its interval puts off the next."""
        while not stop.is_set():
            began = time.monotonic()
            if why := self.once():
                say(f"no look: {why}")
            stop.wait(max(self.every - (time.monotonic() - began), 0.0))


def serve(watch: Watch, host: str, port: int) -> Callable[[], None]:
    """Give the figures at http://HOST:PORT/metrics; what ends it. OSError: the port is taken."""
    from prometheus_client import CollectorRegistry, start_http_server

    registry = CollectorRegistry()
    registry.register(watch)
    server, thread = start_http_server(port, host, registry)

    def end() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return end


def messages(urls: Sequence[str]) -> Callable[[list[Told]], None]:
    """Tells people where Apprise's addresses lead; InputError: one is no address."""
    import apprise

    to = apprise.Apprise()
    for url in urls:
        if not to.add(url):
            raise InputError("is no address that Apprise knows", "--notify", url, 'write for example "mailto://..." or "slack://..."')

    def tell(told: list[Told]) -> None:
        worst = any(one.severity == CRITICAL and not one.over for one in told)
        kind = apprise.NotifyType.FAILURE if worst else (
            apprise.NotifyType.SUCCESS if all(one.over for one in told) else apprise.NotifyType.WARNING)
        to.notify(title="delever", body="\n".join(one.text for one in told), notify_type=kind)

    return tell
