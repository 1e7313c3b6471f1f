"""What is compared on: each scenario isolates one cost."""

from dataclasses import dataclass

from downloader.errors import UsageError


@dataclass(frozen=True, slots=True)
class Scenario:
    """``files`` files of ``size`` bytes, each ``delay`` seconds away. ``isolates``: what the figures are about."""

    name: str
    isolates: str
    files: int
    size: int
    delay: float = 0.0


SCENARIOS = (
    Scenario("small", "what each request costs: many files of 10 KiB, no waiting", files=1500, size=10 * 1024),
    Scenario("latency", "waiting: 10 KiB each, 50 ms before the first byte", files=40, size=10 * 1024, delay=0.05),
    Scenario("large", "moving bytes: four files of 32 MiB", files=4, size=32 * 1024 * 1024),
)


def choose(names: tuple[str, ...]) -> tuple[Scenario, ...]:
    """The scenarios of these names; all, for none or ``all``. Raises UsageError."""
    if not names or "all" in names:
        return SCENARIOS
    by_name = {scenario.name: scenario for scenario in SCENARIOS}
    for name in names:
        if name not in by_name:
            raise UsageError(f"unknown scenario: {name!r}", hint=f"one of {', '.join(by_name)}, all")
    return tuple(by_name[name] for name in names)
