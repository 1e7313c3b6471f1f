"""Where the command starts: until the rest is imported, Ctrl-C ends it as it ends any program, without a traceback."""

import signal


def main() -> None:
    """The entry point. Does not return."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from downloader.cli.main import main as run

    run()
