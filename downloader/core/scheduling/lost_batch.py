"""What becomes of a batch of Attempts that is not run to its end. Pure."""

from collections.abc import Iterable

from downloader.core.model import Attempt, End, Outcome


def unstarted(attempts: Iterable[Attempt]) -> list[Outcome]:
    """The Outcomes of Attempts that were taken and not started."""
    return [Outcome(attempt.key, End.UNSTARTED) for attempt in attempts]


def ends_of_lost_batch(count: int, begun: int, behind: End = End.UNSTARTED) -> list[End]:
    """How each Attempt of a lost batch ended, in the order of the batch.

    A worker runs the Attempts of a batch one after the other, and its Outcomes are lost with it. So the Attempts before
    ``begun`` have ended, but nobody knows how; the one at ``begun`` was running; those behind it were not started.

    Args:
        count: number of Attempts in the batch.
        begun: index of the Attempt that the worker began last; -1 if it began none.
        behind: how the Attempts behind that one ended, where it is not certain that none was begun.

    Raises:
        ValueError: ``begun`` is not an index of the batch, and not -1.
    """
    if not -1 <= begun < count:
        raise ValueError(f"a batch of {count} has no Attempt {begun}")
    if begun < 0:
        return [behind] * count
    return [End.UNREPORTED] * begun + [End.WORKER_LOST] + [behind] * (count - begun - 1)
