"""objects.json, written and read."""

import json

import pytest

from difusionseg_core.classes import MSRS
from difusionseg_core.objects import DetectedObject
from difusionseg_core.objects.object_file import object_entries, read_objects, write_objects


def test_written_objects_are_read_back(tmp_path):
    objects = [DetectedObject(2, 0.9, 1.5, 2.25, 30.0, 40.0), DetectedObject(1, 0.25, 0, 0, 5, 5)]
    path = tmp_path / "objects.json"
    write_objects(path, object_entries("a", objects, MSRS) + object_entries("b", [], MSRS))
    assert read_objects(path, MSRS) == {"a": objects}
    first = json.loads(path.read_text())[0]
    assert first == {"image": "a", "class": "person", "score": 0.9, "bbox": [1.5, 2.25, 30, 40]}
    write_objects(path, [])
    assert read_objects(path, MSRS) == {}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is not JSON"),
        ("{}", "must be a list of objects, not dict"),
        ("[1]", "entry 1: expected image, class, score and bbox"),
        ('[{"image": "a", "class": "person", "score": 1, "bbox": [1, 2]}]', "entry 1: expected"),
        (
            '[{"image": "a", "class": "dog", "score": 1, "bbox": [1, 2, 3, 4]}]',
            "class 'dog' is unknown; the classes are unlabelled, car",
        ),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path, content, words):
    path = tmp_path / "objects.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=words) as caught:
        read_objects(path, MSRS)
    assert "\n" not in str(caught.value)
