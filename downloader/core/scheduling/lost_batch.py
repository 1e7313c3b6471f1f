"""What becomes of a batch of Attempts that is not run to its end. Pure."""

from collections.abc import Iterable, Sequence

from downloader.core.model import Attempt, End, Outcome


def unstarted(attempts: Iterable[Attempt]) -> list[Outcome]:
    """The Outcomes of Attempts that were taken and not started."""
    return [Outcome(attempt.key, End.UNSTARTED) for attempt in attempts]


def lost_batch(batch: Sequence[Attempt], begun: int) -> list[Outcome]:
    """The Outcomes of a batch whose worker has died, where nothing else ran in that worker; see `ends_of_lost_batch`."""
    return [Outcome(attempt.key, end) for attempt, end in zip(batch, ends_of_lost_batch(len(batch), begun), strict=True)]


def ends_of_lost_batch(count: int, begun: int) -> list[End]:
    """How each Attempt of a lost batch ended, in the order of the batch.

    A worker runs the Attempts of a batch one after the other, and its Outcomes are lost with it. So the Attempts before
    ``begun`` have ended, but nobody knows how; the one at ``begun`` was running; those behind it were not started.

    Args:
        count: number of Attempts in the batch.
        begun: index of the Attempt that the worker began last; -1 if it began none.

    Raises:
        ValueError: ``begun`` is not an index of the batch, and not -1.
    """
    if not -1 <= begun < count:
        raise ValueError(f"a batch of {count} has no Attempt {begun}")
    if begun < 0:
        return [End.UNSTARTED] * count
    return [End.UNREPORTED] * begun + [End.WORKER_LOST] + [End.UNSTARTED] * (count - begun - 1)
