"""The path of each file of a run: from the list, a template or the URL; then flattened, and spread over folders."""

from collections.abc import Callable

from downloader.core.model import Download
from downloader.core.names.file_names import default_path, path_with_server_name, safe_component, wished_path

MAX_FANOUT = 2
"""Levels of folders at most: 65,536 folders have room for hundreds of millions of files."""

Render = Callable[[Download, int, str], str]
"""Makes the path of a Download without ``out``; the arguments are those of `Namer.path_of`. Raises DownloadError."""


class Namer:
    """Gives each file its path. The same Download at the same position of the list gets the same path in every run.

    ``has_template``: paths are not made from URLs alone, so another list leads to other paths. ``asks_server``: the name that
    a server proposes matters.

    Args:
        cut_dirs: see `default_path`.
        render: makes the paths of Downloads without ``out``; None: `default_path` does.
        asks_server: see above.
        flatten: a ``/`` of a path becomes ``_``.
        fanout: number of folders in front of each path, at most `MAX_FANOUT`; each has two digits of a digest of the path.
    """

    def __init__(
        self,
        cut_dirs: int | None = None,
        render: Render | None = None,
        asks_server: bool = False,
        flatten: bool = False,
        fanout: int = 0,
    ) -> None:
        self._cut_dirs = cut_dirs
        self._render = render
        self.has_template = render is not None
        self.asks_server = asks_server
        self._flatten = flatten
        self._fanout = fanout

    def path_of(self, download: Download, index: int, server_name: str = "") -> str:
        """The path of a file, before `placed`: a safe relative path. Two Downloads may have the same.

        Args:
            download: as it was listed.
            index: its position in the list, from 1, unless the Download knows its own.
            server_name: the name that the server proposed for the file; empty: none.

        Raises:
            DownloadError: the path leaves the folder, or the template needs a column that the row does not have.
        """
        path = wished_path(download.dir, download.out) if download.out else ""
        if path:
            path = self._unplaced(path) if self._fanout else path
        elif self._render is not None:
            path = self._render(download, download.index or index, server_name)
            path = wished_path(download.dir, path) if download.dir else path
        else:
            path = default_path(download, self._cut_dirs)
            path = path_with_server_name(path, server_name) if server_name else path
        return safe_component(path.replace("/", "_")) if self._flatten else path

    def placed(self, path: str) -> str:
        """The path with the folders of ``fanout`` in front of it: ``ab/cd/path``. They depend on the path alone."""
        if not self._fanout:
            return path
        import hashlib  # here: 3 ms that few runs need to pay

        digest = hashlib.blake2b(path.encode(), digest_size=MAX_FANOUT).hexdigest()
        folders = [digest[2 * level : 2 * level + 2] for level in range(self._fanout)]
        return "/".join([*folders, path])

    def _unplaced(self, path: str) -> str:
        """The path without the folders that `placed` gives it: a list of failures names the files with them."""
        rest = path[3 * self._fanout :]
        return rest if rest and self.placed(rest) == path else path
