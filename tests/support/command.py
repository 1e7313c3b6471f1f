"""`dl` in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess, Popen


class Shell:
    """Runs `dl` in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(
        self, *words: str, stdin: str = "", before: Callable[[], None] | None = None, **variables: str
    ) -> "CompletedProcess[str]":
        """Run `dl` with these words. ``before``: called in the new process. ``variables``: of its environment."""
        environment = {**os.environ, "XDG_CONFIG_HOME": str(self.folder / "config"), **variables}
        command = [sys.executable, "-m", "downloader", *words]
        return subprocess.run(
            command,
            cwd=self.folder,
            env=environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            preexec_fn=before,
        )

    def list(self, *lines: str, name: str = "urls.txt") -> str:
        """A list with these lines."""
        (self.folder / name).write_text("\n".join(lines) + "\n")
        return name


def start_dl(urls: list[str], folder: Path, strategy: str, *flags: str) -> "Popen[str]":
    """Start `dl` in a session of its own, so that all its processes can be found, with three files in flight at most."""
    listing = folder.with_name("urls.txt")
    listing.write_text("\n".join(urls) + "\n")
    command = [sys.executable, "-m", "downloader", str(listing), "-s", strategy, "-d", str(folder), *flags]
    if strategy != "serial":
        command += ["-j", "3"]
    return Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
