"""Driving a Scheduler by hand."""

from downloader.core.model import Attempt
from downloader.core.scheduling.scheduler import Scheduler


def take_all(run: Scheduler, now: float = 0.0, most: int = 1) -> list[Attempt]:
    """All Attempts that may start at ``now``, taken ``most`` at a time."""
    attempts: list[Attempt] = []
    while batch := run.take(now, most):
        attempts += batch
    return attempts
