"""Prints a comparison on the terminal, piece by piece as the results arrive."""

import sys
from collections.abc import Callable

from downloader.compare.measurements import Comparison, Study, Sweep


class ComparePrinter:
    """Prints results to standard output; to standard error where ``silent`` (standard output then carries JSON or CSV).

    ``timeline``: also draw when each file waited, started and ended.
    """

    def __init__(self, timeline: bool, silent: bool) -> None:
        from rich.console import Console

        console = Console(file=sys.stderr if silent else None)
        self._console = console if console.is_terminal else Console(file=console.file, width=100)
        self._timeline = timeline

    def after(self, clear: Callable[[], object]) -> Callable[[Comparison | Sweep], None]:
        """A function that prints one comparison or sweep, after it has called ``clear`` to remove the progress line."""

        def show(result: Comparison | Sweep) -> None:
            from downloader.compare import table, timeline

            clear()
            if isinstance(result, Sweep):
                table.show_sweep(result, self._console)
                return
            table.show(result, self._console)
            if self._timeline:
                timeline.show(result, self._console)

        return show

    def conclude(self, study: Study) -> None:
        """Print the advice, and how the figures were measured."""
        from downloader.compare import certainty, screen, table

        table.show_advice(study, self._console)
        if not certainty.is_load_known(study):
            screen.say(self._console, "This system does not tell how much of the machine other programs used meanwhile.")
        against = "against each other" if any(item.own for item in study.comparisons) else "against the server's digests"
        screen.say(
            self._console,
            f"elapsed: the whole command, from its start to its exit; CPU: with its workers. Files in {study.machine.files}, "
            f"compared byte for byte {against}.",
        )
