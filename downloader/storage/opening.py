"""Opens the place where the files of a run go, in a worker process: in the same way for every strategy."""

from downloader.storage.base import Storage, StoreOptions
from downloader.storage.folder import Folder


def open_storage(root: str, store: StoreOptions | None = None, elsewhere: bool = False) -> Storage:
    """The place where files go. Raises StorageError, UsageError.

    Args:
        root: the path of the folder that files are written to.
        store: the object store that complete files are uploaded to; None: the folder is their place.
        elsewhere: this may be another machine than that of the run: a folder must be there already, and for a store the worker
            has a temporary folder of its own, which `Storage.close` removes.
    """
    if store is None:
        return Folder(root, make=not elsewhere)
    from downloader.storage.object_storage import ObjectStorage  # here: few runs need it

    if not elsewhere:
        return ObjectStorage(store, root)
    from downloader.storage.object_scratch import new_scratch

    return ObjectStorage(store, new_scratch(), removes_scratch=True)
