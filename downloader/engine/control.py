"""How a run tells a running Attempt that it must end earlier than it was asked to.

When a file is fetched in several Segments, the scheduler may give the rest of a running Segment to another Attempt. The run
then orders the running Attempt to end at the first byte that is no longer its own. Statistics are kept apart, in
`downloader.engine.stats`: a display reads numbers, an Attempt obeys a `Cut`.
"""


class Cut:
    """The order to one slot: which Attempt must end, and where. The run writes the order, the Attempt and its driver read it.

    An order names its Attempt, so an order that arrives late never ends the next Attempt in the same slot. The order is one
    tuple, so a reader in another thread sees either all of it or nothing.
    """

    __slots__ = ("order",)

    def __init__(self) -> None:
        self.order: tuple[int, int] | None = None
        """The key of an Attempt, and the offset in its file where that Attempt must end (0: at once); None: no order."""

    def end_at(self, key: int, stop: int) -> None:
        """Order the Attempt ``key`` to end at the offset ``stop``."""
        self.order = (key, stop)

    def clear(self) -> None:
        """Withdraw the order: the Attempt that it named has ended."""
        self.order = None

    def stop_of(self, key: int) -> int | None:
        """The offset where the Attempt ``key`` must end; None where nothing was ordered."""
        order = self.order
        return order[1] if order is not None and order[0] == key else None
