"""One measured run: `dl`, in a process that ends when its owner does (its standard input is a pipe from there).

On Linux the kernel sees to that, see `downloader.compare.measure`, so that what runs is the command and nothing else.
"""

import os
import sys
import threading

from downloader.cli.main import main  # the command itself, as typed, is what is measured


def _end_with_owner() -> None:
    while os.read(0, 4096):
        pass
    os._exit(1)  # workers notice, and end too


if __name__ == "__main__":
    if sys.platform != "linux":
        threading.Thread(target=_end_with_owner, name="owner", daemon=True).start()
    main(sys.argv[1:])
