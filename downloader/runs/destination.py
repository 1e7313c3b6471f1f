"""Where the files of a run go: the folder or the object store that ``--dir`` names, and what cannot be done there."""

import os
from typing import TYPE_CHECKING

from downloader.core.names.exists_policy import ON_EXISTS
from downloader.core.names.locations import LocationKind, parse_location
from downloader.errors import UsageError
from downloader.settings.definitions import Settings
from downloader.storage.base import Storage, StoreOptions
from downloader.storage.folder import Folder

if TYPE_CHECKING:
    from downloader.engine.contract import WorkerConfig


def store_options(settings: Settings) -> StoreOptions | None:
    """The object store that ``--dir`` names; None where it names a folder. Raises UsageError for what a store cannot do."""
    location = parse_location(settings.dir)
    if location.kind is LocationKind.FOLDER:
        return None
    if location.kind is LocationKind.TAR:
        raise UsageError("--dir tar:// is not supported here")
    if settings.on_complete:
        hint = "--process MODULE:FUNCTION gets each file before it is uploaded"
        raise UsageError("--on-complete needs a folder: an object has no path", hint=hint)
    return StoreOptions(location.target, settings.endpoint_url, settings.connect_timeout)


def root_of(settings: Settings, store: StoreOptions | None) -> str:
    """The folder that files are written to: that of ``--dir``, or a new name in the folder for temporary files."""
    if store is None:
        path = os.path.expanduser(settings.dir)
        return path if os.path.isabs(path) else os.path.join(os.getcwd(), path)
    import secrets  # here: few runs need them
    import tempfile

    return os.path.join(tempfile.gettempdir(), f"dl-{secrets.token_hex(8)}")


def storage_for(settings: Settings, config: "WorkerConfig", make: bool) -> Storage:
    """The place where files go, in the process of the run. ``make``: make a folder that is missing.

    Raises UsageError, StorageError.
    """
    if config.store is None:
        return Folder(os.path.expanduser(settings.dir), make)
    from downloader.extras import require  # here: few runs need it

    require(f"--dir {config.store.url.partition(':')[0]}://", "obstore", extra="s3")
    from downloader.storage.object_storage import ObjectStorage

    return ObjectStorage(config.store, config.root, ON_EXISTS[settings.on_exists].before, make)
