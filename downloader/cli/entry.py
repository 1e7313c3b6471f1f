"""The entry point of the installed command: Ctrl-C during the imports ends the program without a traceback."""

import os
import sys

from downloader._version import __version__


def main() -> None:
    """Run the command and exit."""
    if sys.argv[1:] == ["--version"] and _write_version():
        return
    import signal

    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from downloader.engine.interpreter import exit_at_once, pause_collector

    pause_collector()
    from downloader.cli.main import main as run

    try:
        run()
    except SystemExit as end:
        if isinstance(end.code, int):
            exit_at_once(end.code)
        raise


def _write_version() -> bool:
    """Answer ``--version`` without the imports of the command. Returns False where the command itself must answer."""
    if "_DL_COMPLETE" in os.environ or sys.platform == "win32" or sys.stdout is None:
        return False
    try:
        os.write(1, f"dl {__version__}\n".encode())
    except OSError:  # the command prints the message
        return False
    return True


def testserver() -> None:
    """The entry point of ``dl-testserver``. Does not return."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from downloader.extras import hint_for
    from downloader.testserver.__main__ import main as run

    signal.signal(signal.SIGINT, signal.default_int_handler)
    run(hint_for=hint_for)
