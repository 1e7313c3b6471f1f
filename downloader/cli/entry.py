"""The entry point of the installed command: Ctrl-C during the imports ends the program without a traceback."""

import signal


def main() -> None:
    """Run the command and exit."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from downloader.cli.main import main as run

    run()
