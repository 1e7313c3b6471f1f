"""Which part of a rate limit each worker of a cluster has. Pure: a driver sends the orders, and reports their answers.

The parts never add up to more than the limit: a part that is to be smaller is taken back first, and is given to another worker
only when the first has answered. The part of a lost worker stays reserved until the worker's lease has ended.

Half of the limit is divided equally, so that a worker that begins with a file is never without; the other half as the workers
have work.
"""

from collections.abc import Mapping

WORTH_CHANGING = 0.1
"""A part that would change by less than this, relative to what it should be, stays as it is."""


class RateShares:
    """The parts of all workers. A worker is identified by a text; a part is a number from 0 to 1."""

    def __init__(self) -> None:
        self.granted: dict[str, float] = {}  # the worker may use so much, or has perhaps not heard yet that it may not
        self._ordered: dict[str, float] = {}  # orders without an answer
        self._reserved: list[tuple[float, float]] = []  # parts of lost workers, and until when

    def join(self, worker: str) -> None:
        """A worker takes part; it has no part of the limit until an order says so."""
        self.granted[worker] = 0.0

    def leave(self, worker: str, until: float) -> None:
        """A worker is lost, and may go on until then (monotonic seconds)."""
        self._ordered.pop(worker, None)
        self._reserved.append((self.granted.pop(worker, 0.0), until))

    def answered(self, worker: str) -> None:
        """The worker has obeyed the last order."""
        if worker in self._ordered:
            self.granted[worker] = self._ordered.pop(worker)

    def failed(self, worker: str) -> None:
        """Nobody knows whether the worker has obeyed the last order."""
        self._ordered.pop(worker, None)

    def orders(self, loads: Mapping[str, int], now: float) -> dict[str, float]:
        """The parts that workers are to be told now.

        Args:
            loads: for each worker that takes part, how much work it has.
            now: monotonic seconds.
        """
        self._reserved = [(part, until) for part, until in self._reserved if until > now]
        free = 1.0 - sum(self.granted.values()) - sum(part for part, _ in self._reserved)
        orders: dict[str, float] = {}
        for worker, target in self._targets(loads).items():
            granted = self.granted[worker]
            part = min(target, granted + max(0.0, free))
            if worker in self._ordered or abs(part - granted) <= WORTH_CHANGING * target:
                continue
            orders[worker] = self._ordered[worker] = part
            if part > granted:
                free -= part - granted
                self.granted[worker] = part
        return orders

    def _targets(self, loads: Mapping[str, int]) -> dict[str, float]:
        workers = [worker for worker in self.granted if worker in loads]
        total = sum(loads[worker] for worker in workers)
        each = 1.0 / max(1, len(workers))
        return {worker: 0.5 * each + 0.5 * (loads[worker] / total if total else each) for worker in workers}
