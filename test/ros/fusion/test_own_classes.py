"""A model with custom classes, in the node and in the viewer: names and colours."""

import numpy as np
import pytest

pytest.importorskip("torch")

from difusionseg_core import Predictor, create_model
from difusionseg_core.classes import LabelSet
from difusionseg_core.classes.class_colors import display_palette
from difusionseg_ros.common import topics
from difusionseg_ros.viewer import Viewer

NAMES = ("floor", *(f"thing {number}" for number in range(1, 12)))
OWN = LabelSet("yard", NAMES, display_palette(NAMES))


@pytest.fixture(scope="module")
def predictor():
    """An untrained model of twelve classes."""
    model = create_model("lite", 12)
    model.label_set = OWN
    return Predictor(model, device="cpu", steps=1)


def test_the_node_publishes_the_names_and_colours_of_the_model(bench) -> None:
    assert bench.make_node().start()
    infos = bench.watch(topics.CLASS_COLORS)
    bench.until(lambda: infos)
    entries = infos[0].class_map
    assert infos[0].name == "yard"
    assert [(each.class_id, each.class_name) for each in entries] == list(enumerate(NAMES))
    colors = [(each.color.r * 255, each.color.g * 255, each.color.b * 255) for each in entries]
    assert np.allclose(colors, OWN.display_palette, atol=0.5)
    bench.watch(topics.FRAME_STATUS)
    assert len(bench.next_status().class_shares) == 12


def test_the_viewer_shows_the_names_of_the_node(bench, context) -> None:
    viewer = Viewer(context=context)
    assert bench.make_node().start()
    try:
        bench.spin(lambda: viewer.status()["classes"], bench.node, bench.camera, viewer)
        assert [one["name"] for one in viewer.status()["classes"]] == list(NAMES)
    finally:
        viewer.destroy_node()
