"""Opens the place where the files of a run go, in a worker process: in the same way for every strategy."""

from downloader.storage.base import Storage, StoreOptions
from downloader.storage.folder import Folder


def open_storage(root: str, store: StoreOptions | None = None) -> Storage:
    """The place where files go. Raises StorageError, UsageError.

    Args:
        root: the path of the folder that files are written to; it is made if it is missing.
        store: the object store that complete files are uploaded to; None: the folder is their place.
    """
    if store is None:
        return Folder(root)
    from downloader.storage.object_storage import ObjectStorage  # here: few runs need it

    return ObjectStorage(store, root)
