"""Where the files of a run go if that is no folder: the object store that ``--dir`` names, and what cannot be done there."""

import os
import secrets
import tempfile

from downloader.core.names.exists_policy import ON_EXISTS
from downloader.core.names.locations import LocationKind, parse_location
from downloader.engine.contract import WorkerConfig
from downloader.errors import UsageError
from downloader.extras import require
from downloader.settings.definitions import Settings
from downloader.storage.base import Storage, StoreOptions
from downloader.storage.object_scratch import PREFIX


def object_store(settings: Settings) -> tuple[str, StoreOptions | None]:
    """The folder that files are written to, and the object store that they are uploaded to then; None: ``--dir`` is a folder.

    For a store, the folder is a new one among the temporary files. Raises UsageError for what a store cannot do.
    """
    location = parse_location(settings.dir)
    if location.kind is LocationKind.FOLDER:
        return os.path.expanduser(settings.dir), None
    if location.kind is LocationKind.TAR:
        raise UsageError("--dir tar:// is not supported here")
    require(f"--dir {location.target.partition(':')[0]}://", "obstore", extra="s3")
    if settings.on_complete:
        hint = "--process MODULE:FUNCTION gets each file before it is uploaded"
        raise UsageError("--on-complete needs a folder: an object has no path", hint=hint)
    run = secrets.token_hex(8)
    options = StoreOptions(location.target, settings.endpoint_url, settings.connect_timeout, run)
    return os.path.join(tempfile.gettempdir(), PREFIX + run), options


def open_destination(config: WorkerConfig, make: bool) -> Storage:
    """The object store of a run, in the process of the run. ``make``: files are written, and not only looked for.

    Raises UsageError, StorageError.
    """
    from downloader.storage.object_storage import ObjectStorage  # here: `object_store` says first how obstore is installed

    assert config.store is not None  # noqa: S101 - the caller has asked
    return ObjectStorage(config.store, config.root, ON_EXISTS[config.on_exists].before, make)
