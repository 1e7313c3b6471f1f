"""One measured run: `dl`, in a process that ends when its owner does (its standard input is a pipe from there)."""

import os
import sys
import threading

from downloader.cli.main import main  # the command itself, as typed, is what is measured


def _end_with_owner() -> None:
    while os.read(0, 4096):
        pass
    os._exit(1)  # workers notice, and end too


if __name__ == "__main__":
    threading.Thread(target=_end_with_owner, name="owner", daemon=True).start()
    main(sys.argv[1:])
