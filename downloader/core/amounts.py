"""Numbers of bytes and seconds as text for people."""


def size(count: float) -> str:
    """A number of bytes in decimal units, as for disks and networks: ``512 B``, ``12.3 MB``."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 999.95 or unit == "TB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError


def duration(seconds: float) -> str:
    """A number of seconds: ``4.25 s``, ``1:05 min``, ``2:03:04``."""
    if seconds < 59.995:
        return f"{seconds:.2f} s"
    text = clock(seconds)
    return text if text.count(":") > 1 else f"{text} min"


def clock(seconds: float) -> str:
    """A number of seconds, rounded, as minutes and hours: ``1:05``, ``2:03:04``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
