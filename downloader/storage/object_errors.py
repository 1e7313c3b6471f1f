"""Why a call to an object store has failed: an exception of obstore, as an error of this package.

The text of such an exception is searched for the HTTP status and the code of the store. It is never shown: it may contain a URL
with a signature.

| the store says | error | what follows |
| --- | --- | --- |
| the name is taken (412) | FileExistsError | as if a file had taken the name: ``--on-exists`` |
| no credentials; 401, 403; no bucket (404); another region | FolderError | the run ends |
| 408, 409, 425, 429, 5xx but 501, no answer | StoreUnavailable | the file is tried again |
| any other status | StorageError | the file fails |
"""

import errno
import os
import re

from obstore import exceptions

from downloader.errors import FolderError, FolderFull, StorageError, StoreUnavailable

_STATUS = r"status code: (\d{3})"
_CODE = r"<Code>(\w{1,60})</Code>"
_OS_ERROR = r"\(os error (\d+)\)|code: (\d+),"
_NO_CREDENTIALS = r"169\.254\.169\.254|latest/api/token|metadata\.google\.internal|MissingCredential|NoCredentials"
_UNREACHED = (
    (r"ConnectionRefused|os error 111", "connection refused"),
    (r"dns error|failed to lookup", "the host name does not exist"),
    (r"[Cc]ertificate|UnknownIssuer", "the certificate does not verify"),
    (r"[Tt]imed ?[Oo]ut|deadline has elapsed", "no answer within the time-out"),
)
_REFUSED = frozenset({401, 403})
_OVERLOADED = frozenset({408, 409, 425, 429})
_NOT_IMPLEMENTED = 501
_REDIRECTED = frozenset({301, 307, 308})
_WRONG_REGION = frozenset({"AuthorizationHeaderMalformed", "IllegalLocationConstraintException"})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_READ_ONLY = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


def storage_failure(
    error: Exception, url: str, path: str = "", source: str = "", reads: bool = False
) -> StorageError | FileExistsError:
    """The error for an exception of obstore; see the table above.

    Args:
        error: the exception.
        url: the place of the files, as in ``--dir``, for the message.
        path: what was written or read; empty: the place as a whole.
        source: the URL that the file came from, without secrets.
        reads: whether an object was to be read: one that is missing does not mean that the bucket is.
    """
    if isinstance(error, exceptions.AlreadyExistsError | exceptions.PreconditionError):
        return FileExistsError(errno.EEXIST, "an object has the name")
    text = str(error)
    what = f"cannot {'read' if reads else 'write'} {path!a}" if path else f"cannot use {url}"
    if url.startswith("file:"):
        return _of_file_system(text, what, source)
    match, code_match = re.search(_STATUS, text), re.search(_CODE, text)
    status, code = int(match[1]) if match else 0, code_match[1] if code_match else ""
    if status or isinstance(error, FileNotFoundError):
        return _of_status(status or 404, code, what, source, url, reads)
    if re.search(_NO_CREDENTIALS, text):
        reason = "no credentials were found for the object store"
        hint = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_SKIP_SIGNATURE=true"
        return FolderError(f"{reason}: {what}", source, hint, reason)
    if isinstance(error, exceptions.NotSupportedError | NotImplementedError | ValueError):
        reason = "the object store cannot do this" if not isinstance(error, ValueError) else "an object cannot have this name"
        return StorageError(f"{reason}: {what}", source, "give another name with out=", reason)
    reason = next((words for pattern, words in _UNREACHED if re.search(pattern, text)), "the connection failed")
    return StoreUnavailable(f"the object store cannot be reached: {reason}: {what}", source, "see --endpoint-url", reason)


def _of_status(status: int, code: str, what: str, source: str, url: str, reads: bool) -> StorageError:
    """The error for an answer of the store. ``code``: the word for the error in the body of the answer, or empty."""
    said = f"HTTP {status} {code}".rstrip()
    kind, reason, hint = StorageError, f"the object store refuses the request ({said})", ""
    if status in _REFUSED:
        kind, reason = FolderError, f"the object store refuses the credentials ({said})"
        hint = "check the access key, and what it may do with the bucket; workers of a cluster have their own environment"
    elif status == 404 and not reads:
        kind, reason, hint = FolderError, "the bucket does not exist", f"create it first, or check the spelling of {url}"
    elif code in _WRONG_REGION or status in _REDIRECTED:
        kind, reason, hint = FolderError, f"the bucket is in another region ({said})", "set AWS_REGION"
    elif status in _OVERLOADED or (status >= 500 and status != _NOT_IMPLEMENTED):
        kind, reason, hint = StoreUnavailable, f"the object store failed ({said})", "run the same command again later"
    return kind(f"{reason}: {what}", source, hint, reason)


def _of_file_system(text: str, what: str, source: str) -> StorageError:
    """The error of a store in a local folder: the text contains the system's number of the error."""
    match = re.search(_OS_ERROR, text)
    number = int(match[1] or match[2]) if match else 0
    reason = os.strerror(number).lower() if number else "I/O error"
    if number in _FULL:
        full = FolderFull(f"{reason}: {what}", source)
        full.kind = reason
        return full
    return (FolderError if number in _READ_ONLY else StorageError)(f"{reason}: {what}", source, kind=reason)
