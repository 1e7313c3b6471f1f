"""The files of a folder that are the user's: without part files and without what the program keeps for itself."""

import os
from collections.abc import Callable, Iterator

from downloader.core.names.file_names import PART_SUFFIX, RESERVED_FOLDER, SIDECAR_SUFFIX

_LINK, _SPECIAL = "a symbolic link", "not a file"
IGNORED = frozenset({_LINK, _SPECIAL})
"""The reasons for leaving something out that are no problem."""

OnSkipped = Callable[[str, str], None]
"""Called with the path of something that is left out, and why."""


def walk(folder: str, on_skipped: OnSkipped) -> Iterator[str]:
    """The paths of all regular files of the folder and below, in the order of their bytes, relative to the folder.

    In memory are the names of one folder and of those above it. Folders that cannot be read, symbolic links, and what is
    neither file nor folder are left out, and go to ``on_skipped``. Part files, their sidecars and the folder of the journal
    are left out, too.
    """
    yield from _walk(folder, "", on_skipped)


def _walk(folder: str, prefix: str, on_skipped: OnSkipped) -> Iterator[str]:
    try:
        with os.scandir(os.path.join(folder, prefix) if prefix else folder) as entries:
            found = sorted(((os.fsencode(_key(entry)), entry) for entry in entries), key=lambda pair: pair[0])
    except OSError as error:
        on_skipped(prefix.rstrip("/") or ".", (error.strerror or str(error)).lower())
        return
    for _, entry in found:
        path = prefix + entry.name
        if entry.is_symlink():
            on_skipped(path, _LINK)
        elif entry.is_dir(follow_symlinks=False):
            if path != RESERVED_FOLDER:
                yield from _walk(folder, f"{path}/", on_skipped)
        elif not entry.is_file(follow_symlinks=False):
            on_skipped(path, _SPECIAL)
        elif not entry.name.endswith((PART_SUFFIX, SIDECAR_SUFFIX)):
            yield path


def _key(entry: "os.DirEntry[str]") -> str:
    """What a folder's entry is sorted by: with the slash that follows it in the paths below."""
    return entry.name + ("/" if entry.is_dir(follow_symlinks=False) else "")
