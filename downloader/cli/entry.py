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
    from downloader.cli import collector

    collector.pause()
    from downloader.cli.main import main as run

    try:
        run()
    except SystemExit as end:
        if isinstance(end.code, int):
            _exit_at_once(end.code)
        raise


def _exit_at_once(code: int) -> None:
    """End the process without freeing each object first, which takes 7 ms. Returns where something else waits for the end."""
    import atexit
    import threading

    waits = any(not thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread())
    if waits or sys.gettrace() is not None or sys.getprofile() is not None:  # threads of --process; a debugger, a profiler
        return
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):  # the interpreter reports it
        return
    atexit._run_exitfuncs()
    os._exit(code)


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
