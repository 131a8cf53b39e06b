"""Counts and durations for Prometheus."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 60, 120, 300)
_SIZES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """What a server counts; each server has its own registry."""

    def __init__(self, waiting: Callable[[], float]) -> None:
        """Name the metrics.

        Args:
            waiting: returns the number of requests that are being answered.
        """
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "fieldsmith_requests",
            "Requests by route and HTTP status.",
            ("route", "status"),
            registry=self.registry,
        )
        self.documents = Counter(
            "fieldsmith_documents",
            "Documents by plugin and whether there is a record.",
            ("plugin", "result"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "fieldsmith_request_seconds",
            "Duration of requests by route.",
            ("route",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.batches = Histogram(
            "fieldsmith_batch_documents",
            "Documents that were answered at once, by plugin.",
            ("plugin",),
            buckets=_SIZES,
            registry=self.registry,
        )
        Gauge(
            "fieldsmith_requests_in_progress",
            "Requests that wait or are being answered.",
            registry=self.registry,
        ).set_function(waiting)

    def page(self) -> bytes:
        """Return the metrics as Prometheus reads them."""
        return generate_latest(self.registry)
