"""The layouts of rviz2 and Foxglove name existing topics of the right type."""

import json

import pytest
import yaml
from sensor_msgs.msg import Image
from visualization_msgs.msg import ImageMarker

from difusionseg_ros.common import topics

TOPICS = {topic.name: topic for topic in (*topics.INPUTS, *topics.OUTPUTS)}


def leaves(layout):
    """The panels of a Foxglove layout's tree."""
    if isinstance(layout, str):
        return [layout]
    return leaves(layout["first"]) + leaves(layout["second"])


@pytest.fixture
def foxglove(root):
    return json.loads((root / "config" / "foxglove" / "difusionseg.json").read_text())


def test_rviz_shows_images_of_topics_with_their_reliability(root):
    layout = yaml.safe_load((root / "config" / "rviz" / "difusionseg.rviz").read_text())
    displays = layout["Visualization Manager"]["Displays"]
    shown = {display["Topic"]["Value"] for display in displays}
    assert {topics.FUSED.name, topics.OVERLAY.name} <= shown <= set(TOPICS)
    for display in displays:
        topic = TOPICS[display["Topic"]["Value"]]
        assert topic.type is Image
        wanted = "Best Effort" if topic.received else "Reliable"
        assert display["Topic"]["Reliability Policy"] == wanted


def test_foxglove_places_every_panel_once(foxglove):
    assert sorted(leaves(foxglove["layout"])) == sorted(foxglove["configById"])


def test_foxglove_shows_topics_that_exist(foxglove):
    for panel, config in foxglove["configById"].items():
        if panel.startswith("Image!"):
            mode = config["imageMode"]
            assert TOPICS[mode["imageTopic"].removeprefix("/")].type is Image
            for name in mode.get("annotations", {}):
                assert TOPICS[name.removeprefix("/")].type is ImageMarker
        elif panel.startswith("DiagnosticSummary!"):
            assert config["topicToRender"] == topics.DIAGNOSTICS.name
        else:
            assert panel.startswith("Plot!")
            for path in config["paths"]:
                topic, *fields = path["value"].removeprefix("/").split(".")
                message = TOPICS[topic].type()
                for field in fields:
                    message = getattr(message, field)
                assert isinstance(message, float)
