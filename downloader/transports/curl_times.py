"""What libcurl has measured of a request."""

from typing import Any

import pycurl


def times_of(easy: Any) -> tuple[float, float, float, float]:
    """How long the last request of an easy handle waited: seconds from its start until each step was complete.

    The steps: the name was resolved, the connection stood, encryption was agreed on, the first byte of the answer came. 0: no
    such step, as where an open connection served again. The last number means nothing where no answer came. Not to be called
    within a callback of libcurl.
    """
    info = easy.getinfo
    first_byte = info(pycurl.STARTTRANSFER_TIME)
    if not info(pycurl.NUM_CONNECTS):
        return 0.0, 0.0, 0.0, first_byte
    return info(pycurl.NAMELOOKUP_TIME), info(pycurl.CONNECT_TIME), info(pycurl.APPCONNECT_TIME), first_byte
