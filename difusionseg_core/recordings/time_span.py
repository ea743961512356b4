"""Time spans as text."""


def time_span(seconds: float) -> str:
    """Return seconds in a fitting unit: 12 s, 5.3 min, 7.0 h, 3.2 days, 56.7 years."""
    for unit, length in (("years", 31_557_600), ("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"
