"""Reports of unknown parameters, and integers for doubles at run time."""

import pytest
import yaml
from rclpy.parameter import Parameter

IDENTITY = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("slopp", "did you mean slop?"),
        ("thermal_time_ofset", "did you mean thermal_time_offset?"),
        ("Model", "did you mean model?"),
        ("zzz", "see --help for the names"),
    ],
)
def test_an_unknown_parameter_is_one_warning(bench, capfd, given, hint):
    bench.make_node(**{given: 1})
    (line,) = capfd.readouterr().err.strip().splitlines()
    assert "[WARN]" in line
    assert f"unknown parameter '{given}' is ignored; {hint}" in line


def test_known_parameters_are_no_warning(bench, capfd):
    bench.make_node(slop=0.1, use_sim_time=False)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("given", "warned"),
    [
        ("qos_overrides./rgb/image.subscription.reliability", False),
        ("qos_overrides./rgb/imge.subscription.reliability", True),
        ("qos_overrides./rgb/image.subscription.reliabilty", True),
    ],
)
def test_a_qos_override_for_no_topic_is_a_warning(bench, capfd, given, warned):
    assert bench.make_node(**{given: "reliable"}).start()
    found = f"QoS override '{given}' matches no topic" in capfd.readouterr().err
    assert found == warned


@pytest.mark.parametrize("key", ["/**", "/other_node"])
def test_a_file_for_another_node_is_a_warning(bench, capfd, tmp_path, key):
    file = tmp_path / "own.yaml"
    file.write_text(yaml.safe_dump({key: {"ros__parameters": {"slop": 0.5}}}))
    node = bench.make_node(arguments=["--ros-args", "--params-file", str(file)])
    errors = capfd.readouterr().err
    assert node.settings.slop == (0.5 if key == "/**" else 0.05)
    assert ("does not apply: it is for /other_node, this node is /fusion_node" in errors) == (
        key != "/**"
    )


@pytest.mark.parametrize(
    ("name", "value", "taken"),
    [
        ("slop", 1, 1.0),
        ("slop", 0, 0.0),
        ("slop", 0.25, 0.25),
        ("thermal_to_rgb", [2, 0, 0, 0, 1, 0, 0, 0, 1], (2.0, *IDENTITY[1:])),
        ("thermal_to_rgb", "[2, 0, 0.5, 0, 1, 0, 0, 0, 1]", (2.0, 0.0, 0.5, *IDENTITY[3:])),
    ],
)
def test_integers_are_accepted_for_doubles_at_run_time(bench, name, value, taken):
    node = bench.make_node()
    for set_them in (node.set_parameters, lambda given: [node.set_parameters_atomically(given)]):
        (answer,) = set_them([Parameter(name, value=value)])
        assert answer.successful, answer.reason
        assert getattr(node.settings, name) == taken


@pytest.mark.parametrize(("name", "value"), [("slop", "wide"), ("steps", 1.5), ("slop", -1)])
def test_other_types_and_values_are_refused(bench, name, value):
    node = bench.make_node()
    (answer,) = node.set_parameters([Parameter(name, value=value)])
    assert not answer.successful and answer.reason


def test_the_shipped_file_can_be_loaded_into_a_running_node(bench, root):
    """As `ros2 param load` does: every value of the file is set, read-only ones included."""
    node = bench.make_node(arguments=["--ros-args", "-r", "__node:=renamed"])
    assert node.get_name() == "renamed"
    content = yaml.safe_load((root / "config" / "fusion_node.yaml").read_text())
    for name, value in content["/**"]["ros__parameters"].items():
        (answer,) = node.set_parameters([Parameter(name, value=value)])
        assert answer.successful, f"{name}: {answer.reason}"
    (answer,) = node.set_parameters([Parameter("model", value="other")])
    assert not answer.successful
