"""Detection of growth in a soak test."""

import pytest

from tools.soak import NodeSample, growth

CYCLE = 10
ROUNDS = 4 * CYCLE


def samples(**of_round):
    """Return samples of a sound node; keyword figures are functions of the round."""
    sound = {"frames": 100, "rss_mb": 400.0, "threads": 20, "files": 30, "latency_ms": 25.0}
    return [
        NodeSample(**{**sound, **{name: value(n) for name, value in of_round.items()}})
        for n in range(ROUNDS)
    ]


def grown(**of_round):
    return {
        name for name, found in growth(samples(**of_round), CYCLE).items() if not found.is_sound
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rss_mb", lambda n: 400.0 + 0.6 * n),
        ("threads", lambda n: 20 + n // 10),
        ("files", lambda n: 30 + n // 20),
        ("latency_ms", lambda n: 25.0 * 1.02**n),
    ],
)
def test_a_rise_with_the_rounds_is_growth(name, value):
    assert grown(**{name: value}) == {name}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rss_mb", lambda n: 900.0 if n == ROUNDS - 2 else 400.0),
        ("rss_mb", lambda n: 400.0 + 5.0 * (n % 2)),
        ("threads", lambda n: 22 if n % 5 == 0 else 20),
        ("files", lambda n: 30 - n // 20),
        ("threads", lambda n: 25 if (n + 3) % CYCLE < 5 else 20),
        ("latency_ms", lambda n: 60.0 if n % 7 == 0 else 25.0),
    ],
)
def test_peaks_and_falls_are_no_growth(name, value):
    assert grown(**{name: value}) == set()
