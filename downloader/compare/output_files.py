"""The output files of a study. They are checked before anything is measured, and written at the end."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from downloader.compare.measurements import Study
from downloader.errors import StorageError, UsageError

STDOUT = "-"


@dataclass(frozen=True, slots=True)
class Outputs:
    """The paths of the output files, empty where none is wanted; ``-`` is standard output for ``json`` and ``csv``."""

    json: str = ""
    csv: str = ""
    html: str = ""
    png: str = ""

    @property
    def takes_stdout(self) -> bool:
        """Whether standard output carries JSON or CSV, so that nothing else may be printed to it."""
        return STDOUT in (self.json, self.csv)

    def check(self) -> None:
        """Raises UsageError or StorageError if a file could not be written, or if a package for it is missing."""
        named = [name for name in (self.json, self.csv, self.html, self.png) if name]
        if len({Path(name).absolute() for name in named}) < len(named):
            raise UsageError("two outputs are the same file", hint="give each output another name")
        for name in named:
            path = Path(name)
            if name == STDOUT:
                if name in (self.html, self.png):
                    raise UsageError("only --json and --csv can go to standard output")
            elif not path.absolute().parent.is_dir():
                raise StorageError(f"cannot write {name}: its folder does not exist")
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
        """Write all files. Raises StorageError."""
        from downloader.compare import export

        if self.json:
            _write_file(self.json, export.as_json(study))
        if self.csv:
            _write_file(self.csv, export.as_csv(study).encode())
        if self.html:
            from downloader.compare import page

            _write_file(self.html, page.render(study).encode())
        if self.png:
            from downloader.compare import picture

            picture.write(study, Path(self.png))


def _write_file(name: str, data: bytes) -> None:
    if name == STDOUT:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    try:
        Path(name).write_bytes(data)
    except OSError as error:
        raise StorageError(f"cannot write {name}: {error.strerror}") from None
