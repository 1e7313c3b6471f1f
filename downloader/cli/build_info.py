"""Which build of the package runs, and with which Python and libcurl: for ``dl --version --verbose``."""

import platform

from downloader.core import spans


def is_compiled() -> bool:
    """Whether the modules of compiled.txt run as extension modules. They are compiled all together, or none of them is."""
    return not (spans.__file__ or "").endswith(".py")


def description() -> str:
    """The build, and the versions of Python and of libcurl, in two lines."""
    build = "compiled build (mypyc)" if is_compiled() else "pure Python build"
    try:
        import pycurl  # here: the command must tell its version without libcurl, too
    except ImportError as error:
        libcurl = f"libcurl cannot be loaded: {error}"
    else:
        libcurl = f"libcurl {pycurl.version_info()[1]}"
    return f"{build}\nPython {platform.python_version()}, {libcurl}"
