"""The files that a study is written to: what is asked for is checked before anything is measured."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from downloader.compare.results import Study
from downloader.errors import StorageError, UsageError

STDOUT = "-"


@dataclass(frozen=True, slots=True)
class Outputs:
    """Names of files, empty where none is wanted; ``-`` is standard output for ``json`` and ``csv``."""

    json: str = ""
    csv: str = ""
    html: str = ""
    png: str = ""

    @property
    def takes_stdout(self) -> bool:
        """Whether nothing else may be printed there."""
        return STDOUT in (self.json, self.csv)

    def check(self) -> None:
        """Raises UsageError or StorageError for what could not be written in the end."""
        named = [name for name in (self.json, self.csv, self.html, self.png) if name]
        if len({Path(name).absolute() for name in named}) < len(named):
            raise UsageError("two outputs are one file", hint="give each a name of its own")
        for name in named:
            path = Path(name)
            if name == STDOUT:
                if name in (self.html, self.png):
                    raise UsageError("only --json and --csv can go to standard output")
            elif not path.absolute().parent.is_dir():
                raise StorageError(f"cannot write {name}: its folder is not there")
            elif path.is_dir():
                raise StorageError(f"cannot write {name}: it is a folder")
            elif not os.access(path if path.exists() else path.absolute().parent, os.W_OK):
                raise StorageError(f"cannot write {name}: permission denied")
        if self.html:
            from downloader.compare import page

            page.check()
        if self.png:
            from downloader.compare import picture

            picture.check()

    def write(self, study: Study) -> None:
        """Write them. Raises StorageError."""
        from downloader.compare import export

        if self.json:
            _put(self.json, export.as_json(study))
        if self.csv:
            _put(self.csv, export.as_csv(study).encode())
        if self.html:
            from downloader.compare import page

            _put(self.html, page.render(study).encode())
        if self.png:
            from downloader.compare import picture

            picture.write(study, Path(self.png))


def _put(name: str, data: bytes) -> None:
    if name == STDOUT:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    try:
        Path(name).write_bytes(data)
    except OSError as error:
        raise StorageError(f"cannot write {name}: {error.strerror}") from None
