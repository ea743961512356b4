"""ID switches by CLEAR MOT, on cases that are counted by hand."""

from difusionseg_core.metrics.tracking import IdentifiedBox, TrackingScores

NAMES = ("background", "car", "person")
PERSON = 2


def person(identity, x, size=20):
    return IdentifiedBox(PERSON, identity, x, 10, size, size)


def scored(*frames):
    scores = TrackingScores()
    for found, truths in frames:
        scores.add(found, truths)
    return scores.report(NAMES).get("person")


def test_an_id_that_stays_is_no_switch_also_after_a_gap():
    frames = [([person("7", x)], [person("a", x)]) for x in (10, 12)]
    gap = [([], [person("a", 14)])]
    back = [([person("7", 16)], [person("a", 16)])]
    assert scored(*frames, *gap, *back) == {
        "objects": 1,
        "boxes": 4,
        "found": 3,
        "id_switches": 0,
    }


def test_another_id_is_a_switch_and_no_id_is_none():
    ids = ("7", "", "8", "8")
    result = scored(*(([person(each, 10)], [person("a", 10)]) for each in ids))
    assert (result["found"], result["id_switches"]) == (4, 1)


def test_two_that_exchange_their_ids_are_two_switches():
    truths = [person("a", 10), person("b", 60)]
    result = scored(
        ([person("1", 10), person("2", 60)], truths), ([person("2", 10), person("1", 60)], truths)
    )
    assert (result["objects"], result["id_switches"]) == (2, 2)


def test_the_id_of_before_goes_first_although_another_overlaps_more():
    first = ([person("1", 10)], [person("a", 10)])
    result = scored(first, ([person("2", 11), person("1", 13)], [person("a", 11)]))
    assert result["id_switches"] == 0


def test_small_ones_and_other_classes_do_not_count():
    assert scored(([person("1", 10, 11)], [person("a", 10, 11)])) is None
    result = scored(([IdentifiedBox(1, "1", 10, 10, 20, 20)], [person("a", 10)]))
    assert (result["boxes"], result["found"]) == (1, 0)
