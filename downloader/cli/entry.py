"""The entry point of the installed command: Ctrl-C during the imports ends the program without a traceback."""

import signal


def main() -> None:
    """Run the command and exit."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from downloader.cli.main import main as run

    run()


def testserver() -> None:
    """The entry point of ``dl-testserver``. Does not return."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from downloader.extras import hint_for
    from downloader.testserver.__main__ import main as run

    signal.signal(signal.SIGINT, signal.default_int_handler)
    run(hint_for=hint_for)
