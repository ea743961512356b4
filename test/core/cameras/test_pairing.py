"""Pairing by nearest stamp, compared with searches over complete recordings."""

import random
from bisect import bisect_left

import pytest

from difusionseg_core.cameras.pairing import NearestStampPairer, PairingCounts

MS = 1_000_000
START = 1_700_000_000_000 * MS


def feed(pairer, arrivals):
    """Give (camera, stamp) arrivals to the pairer; return [(rgb stamp, thermal stamp)]."""
    pairs = []
    for camera, stamp in arrivals:
        add = pairer.add_rgb if camera == "rgb" else pairer.add_thermal
        pairs += [(pair.rgb, pair.thermal) for pair in add(stamp, stamp)]
    return pairs


def ticks(period_ms, count, phase_ms=0.0, jitter=0.0, seed=0):
    """Stamps of a camera; `jitter` is the largest deviation as a share of the period."""
    noise = random.Random(seed)
    return [
        START + int((phase_ms + period_ms * (i + noise.uniform(-jitter, jitter))) * MS)
        for i in range(count)
    ]


def arrivals_of(rgb, thermal, rgb_delay_ms=0, thermal_delay_ms=0):
    events = [(stamp + rgb_delay_ms * MS, "rgb", stamp) for stamp in rgb]
    events += [(stamp + thermal_delay_ms * MS, "thermal", stamp) for stamp in thermal]
    return [(camera, stamp) for _, camera, stamp in sorted(events)]


def nearest_pairs(rgb, thermal, slop):
    """Implement the specification over complete lists: pair in time order, drop the others."""
    rgb, thermal, pairs = list(rgb), list(thermal), []
    while rgb and thermal:
        ours, theirs = (rgb, thermal) if rgb[0] <= thermal[0] else (thermal, rgb)
        nearest_of_theirs = min(ours, key=lambda stamp: (abs(stamp - theirs[0]), stamp))
        if theirs[0] - ours[0] <= slop and nearest_of_theirs == ours[0]:
            pairs.append((rgb.pop(0), thermal.pop(0)))
        else:
            ours.pop(0)
    return pairs


def test_equal_stamps_pair_at_once_even_without_slop():
    pairer = NearestStampPairer(slop_ns=0, queue_size=1)
    for stamp in ticks(100, 5):
        assert pairer.add_rgb(stamp, "rgb") == []
        (pair,) = pairer.add_thermal(stamp, "thermal")
        assert (pair.rgb, pair.thermal, pair.offset_ns) == ("rgb", "thermal", 0)
    assert pairer.counts == PairingCounts(paired=5)


def test_nearest_wins_over_first_fit():
    pairer = NearestStampPairer(slop_ns=50 * MS, queue_size=10)
    arrivals = [("rgb", START), ("thermal", START + 30 * MS), ("rgb", START + 33 * MS)]
    assert feed(pairer, arrivals) == []  # a thermal image at 32 ms may follow
    (pair,) = pairer.flush()
    assert (pair.rgb, pair.thermal) == (START + 33 * MS, START + 30 * MS)
    assert pairer.counts == PairingCounts(paired=1, dropped_rgb=1)


def test_offset_is_thermal_minus_rgb():
    pairer = NearestStampPairer(slop_ns=50 * MS, queue_size=10)
    pairer.add_rgb(START + 20 * MS, None)
    assert pairer.add_thermal(START + 15 * MS, None) == []  # a thermal image at 22 ms may follow
    (pair,) = pairer.add_thermal(START + 60 * MS, None)
    assert pair.offset_ns == -5 * MS


@pytest.mark.parametrize("delays", [(0, 0), (0, 60), (60, 0)])
def test_at_30_hz_and_9_hz_every_thermal_image_gets_its_nearest_rgb_image(delays):
    rgb, thermal = ticks(1000 / 30, 300), ticks(1000 / 9, 90, phase_ms=12)
    pairer = NearestStampPairer(slop_ns=50 * MS, queue_size=10)
    pairs = feed(pairer, arrivals_of(rgb, thermal, *delays)) + [
        (pair.rgb, pair.thermal) for pair in pairer.flush()
    ]
    within = [stamp for stamp in thermal if stamp < rgb[-1]]
    assert pairs[: len(within)] == [
        (min(rgb, key=lambda r: abs(r - stamp)), stamp) for stamp in within
    ]
    offsets = [abs(t - r) / MS for r, t in pairs]
    assert sum(offsets) / len(offsets) < 9.0


@pytest.mark.parametrize("seed", range(20))
def test_same_pairs_as_a_search_over_the_whole_recording(seed):
    draw = random.Random(seed)
    rgb = ticks(draw.choice([20, 33, 100]), 200, draw.uniform(0, 99), 0.05, seed)
    thermal = ticks(draw.choice([20, 40, 111]), 200, draw.uniform(0, 99), 0.05, seed + 1)
    slop = draw.choice([5, 20, 60]) * MS
    pairer = NearestStampPairer(slop, queue_size=50)
    delays = draw.choice([(0, 0), (0, 150), (150, 0)])
    pairs = feed(pairer, arrivals_of(rgb, thermal, *delays))
    pairs += [(pair.rgb, pair.thermal) for pair in pairer.flush()]
    assert pairs == nearest_pairs(rgb, thermal, slop)


@pytest.mark.parametrize("seed", range(20))
def test_no_unused_message_is_nearer_and_none_is_lost_from_the_counts(seed):
    rgb, thermal = lossy_ticks(33, 300, seed), lossy_ticks(60, 160, seed + 100)
    slop = 25 * MS
    pairer = NearestStampPairer(slop, queue_size=50)
    pairs = feed(pairer, arrivals_of(rgb, thermal))
    pairs += [(pair.rgb, pair.thermal) for pair in pairer.flush()]

    assert pairs == sorted(pairs)
    assert len({r for r, _ in pairs}) == len({t for _, t in pairs}) == len(pairs) > 80
    idle_rgb = sorted(set(rgb) - {r for r, _ in pairs})
    idle_thermal = sorted(set(thermal) - {t for _, t in pairs})
    for r, t in pairs:
        assert abs(t - r) <= min(slop, distance_to(idle_thermal, r), distance_to(idle_rgb, t))
    counts = pairer.counts
    assert counts.paired == len(pairs)
    assert (counts.dropped_rgb, counts.dropped_thermal) == (len(idle_rgb), len(idle_thermal))


def lossy_ticks(period_ms, count, seed):
    """Return stamps of a camera with irregular intervals that loses one image in five."""
    draw = random.Random(seed)
    return [stamp for stamp in ticks(period_ms, count, 0, 0.06, seed) if draw.random() > 0.2]


def distance_to(stamps, stamp):
    at = bisect_left(stamps, stamp)
    return min(abs(s - stamp) for s in stamps[max(at - 1, 0) : at + 1])


def test_a_steady_camera_pair_does_not_wait_for_the_next_image():
    """After the first images, a pair 5 ms apart at 10 Hz comes with its second image."""
    pairer = NearestStampPairer(slop_ns=50 * MS, queue_size=10)
    for index, stamp in enumerate(ticks(100, 10)):
        before = pairer.add_rgb(stamp, index)
        with_thermal = pairer.add_thermal(stamp + 5 * MS, index)
        if index > 1:
            assert before == []
            assert [pair.rgb for pair in with_thermal] == [index]
    assert pairer.counts.paired == 10


def test_beyond_the_slop_nothing_pairs():
    pairer = NearestStampPairer(slop_ns=10 * MS, queue_size=10)
    assert feed(pairer, arrivals_of(ticks(100, 20), ticks(100, 20, phase_ms=11))) == []
    assert pairer.flush() == []
    assert pairer.counts == PairingCounts(dropped_rgb=20, dropped_thermal=20)


def test_backward_jump_starts_from_scratch():
    pairer = NearestStampPairer(slop_ns=20 * MS, queue_size=10)
    stamps = ticks(100, 6)
    first = feed(pairer, arrivals_of(stamps, stamps))
    again = feed(pairer, arrivals_of(stamps, stamps))
    assert first == again == [(stamp, stamp) for stamp in stamps]
    assert pairer.counts == PairingCounts(paired=12, jumps=1)


def test_backward_jump_while_the_other_camera_is_still_in_the_old_time():
    pairer = NearestStampPairer(slop_ns=20 * MS, queue_size=10)
    stamps = ticks(100, 60)
    feed(pairer, arrivals_of(stamps, stamps))
    straggler = stamps[-1] + 100 * MS
    arrivals = [("rgb", stamps[0]), ("thermal", straggler), ("rgb", stamps[1])]
    arrivals += [("thermal", stamps[0]), ("thermal", stamps[1])]
    assert feed(pairer, arrivals + arrivals_of(stamps[2:], stamps[2:]))[-58:] == [
        (stamp, stamp) for stamp in stamps[2:]
    ]
    assert pairer.counts.jumps == 2


def test_forward_jump_of_one_camera_then_the_other():
    pairer = NearestStampPairer(slop_ns=20 * MS, queue_size=10)
    old, new = ticks(100, 5), ticks(100, 5, phase_ms=3_600_000)
    arrivals = [("rgb", new[0]), ("thermal", old[4]), ("thermal", new[0])]
    assert feed(pairer, arrivals_of(old[:4], old[:4]) + arrivals)[-1] == (new[0], new[0])
    assert pairer.counts == PairingCounts(paired=5, dropped_thermal=1)


def test_late_and_unstamped_messages_are_counted_and_left_out():
    pairer = NearestStampPairer(slop_ns=20 * MS, queue_size=10)
    arrivals = [("rgb", START), ("rgb", START), ("rgb", START - 5 * MS), ("rgb", 0)]
    assert feed(pairer, [*arrivals, ("thermal", 0), ("thermal", START)]) == [(START, START)]
    assert pairer.counts == PairingCounts(paired=1, late=2, unstamped=2)


def test_camera_that_stops_and_comes_back():
    pairer = NearestStampPairer(slop_ns=20 * MS, queue_size=4)
    stamps = ticks(100, 40)
    feed(pairer, arrivals_of(stamps[:5], stamps[:5]))
    for stamp in stamps[5:30]:
        assert pairer.add_rgb(stamp, stamp) == []
    assert pairer.counts.dropped_rgb == 25 - 4
    assert feed(pairer, arrivals_of(stamps[30:], stamps[30:])) == [(s, s) for s in stamps[30:]]
    assert pairer.counts == PairingCounts(paired=15, dropped_rgb=25)


def test_a_full_queue_pairs_the_waiting_candidates():
    pairer = NearestStampPairer(slop_ns=20 * MS, queue_size=2)
    arrivals = [("rgb", START), ("thermal", START + 5 * MS)]
    arrivals += [("thermal", START + (5 + 30 * i) * MS) for i in (1, 2)]
    assert feed(pairer, arrivals[:-1]) == []
    assert feed(pairer, arrivals[-1:]) == [(START, START + 5 * MS)]
    assert pairer.counts == PairingCounts(paired=1)


def test_constant_clock_offset_is_corrected():
    pairer = NearestStampPairer(slop_ns=0, queue_size=10, thermal_offset_ns=-500 * MS)
    stamps = ticks(100, 8)
    for stamp in stamps:
        pairer.add_rgb(stamp, None)
    pairs = [pair for s in stamps for pair in pairer.add_thermal(s + 500 * MS, s)]
    assert [(pair.thermal, pair.offset_ns) for pair in pairs] == [(s, 0) for s in stamps]


@pytest.mark.parametrize(("slop", "queue", "named"), [(-1, 1, "slop_ns"), (0, 0, "queue_size")])
def test_impossible_settings_are_refused(slop, queue, named):
    with pytest.raises(ValueError, match=named):
        NearestStampPairer(slop, queue)


def test_reports_the_clock_difference_if_nothing_pairs():
    pairer = NearestStampPairer(slop_ns=50 * MS, queue_size=10, thermal_offset_ns=100 * MS)
    assert pairer.newest_apart_ns is None
    arrivals = arrivals_of(ticks(100, 9), ticks(100, 9, phase_ms=60_000), thermal_delay_ms=-60_000)
    assert feed(pairer, arrivals) == []
    assert pairer.newest_apart_ns == 60_100 * MS
