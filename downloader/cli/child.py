"""The `dl` command as `dl compare` starts it for a measured run: it also ends when the process that started it ends.

Its standard input is a pipe from that process. On Linux the kernel kills the command when the pipe closes, see
`downloader.compare.measure`, so the measured process runs nothing but the command. On other systems a thread reads the pipe
and ends the process at its end.
"""

import os
import sys
import threading

from downloader.engine.interpreter import pause_collector


def _exit_with_parent() -> None:
    while os.read(0, 4096):
        pass
    os._exit(1)  # worker processes notice the end of their parent, and end too


if __name__ == "__main__":
    if sys.platform != "linux":
        threading.Thread(target=_exit_with_parent, name="owner", daemon=True).start()
    pause_collector()
    from downloader.cli.main import main  # from here on, exactly what the user's command runs

    main(sys.argv[1:])
