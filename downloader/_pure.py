"""Importing this module makes Python take the .py files of this package, where compiled modules stand beside them.

`downloader` imports this module first if ``DOWNLOADER_PURE=1`` is in the environment. Worker processes inherit the environment.
"""

import os
import sys
from importlib.machinery import SOURCE_SUFFIXES, FileFinder, SourceFileLoader
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.abc import PathEntryFinder

_PACKAGE = os.path.dirname(__file__)

_find_sources = FileFinder.path_hook((SourceFileLoader, SOURCE_SUFFIXES))


def _finder_of(folder: str) -> "PathEntryFinder":
    if folder != _PACKAGE and not folder.startswith(_PACKAGE + os.sep):
        raise ImportError(folder)
    return _find_sources(folder)


sys.path_hooks.insert(0, _finder_of)
sys.path_importer_cache.pop(_PACKAGE, None)  # the finder that has found this module
