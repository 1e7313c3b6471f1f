"""Driving a Scheduler by hand."""

from downloader.core.model import Attempt
from downloader.core.scheduling.scheduler import Scheduler


def take_all(run: Scheduler, now: float = 0.0, limit: int = 1) -> list[Attempt]:
    """All Attempts that may start at ``now``, taken at most ``limit`` at a time."""
    attempts: list[Attempt] = []
    while batch := run.take(now, limit):
        attempts += batch
    return attempts
