"""How many Attempts a worker is given at a time."""


def batch_size(seconds_each: float, waiting: int, lanes: int, target: float = 0.05, most: int = 64) -> int:
    """How many Attempts to hand to one worker at a time, where handing over is costly (`processes`).

    So many that a batch takes about ``target`` seconds, but never more than this worker's share of what waits, so
    that at the end of the list no worker sits idle beside a long batch.
    """
    by_time = most if seconds_each * most <= target else int(target / seconds_each)
    share = -(-waiting // max(lanes, 1))
    return max(1, min(by_time, share, most))
