"""Parameters: declared from one dataclass, checked at start and when changed."""

import dataclasses
from pathlib import Path

import pytest
import yaml
from rclpy.node import Node
from rclpy.parameter import Parameter

from difusionseg_ros.fusion.parameters import (
    BadParameter,
    Settings,
    checked_change,
    declare_parameters,
    limits_by_name,
)

CONFIG = Path(__file__).resolve().parents[3] / "config" / "fusion_node.yaml"
DEFAULTS = dataclasses.asdict(Settings())
RANGED = [name for name, limits in limits_by_name().items() if limits.minimum is not None]


@pytest.fixture
def declare(context):
    """`declare(name=value, ...)` declares all parameters on a node started with these values."""
    nodes = []

    def declare(**overrides):
        overrides = [Parameter(name, value=value) for name, value in overrides.items()]
        node = Node("node", context=context, parameter_overrides=overrides)
        nodes.append(node)
        return node, declare_parameters(node)

    yield declare
    for node in nodes:
        node.destroy_node()


def test_defaults_types_and_descriptors(declare):
    node, settings = declare()
    assert settings == Settings()
    for name, limits in limits_by_name().items():
        value = node.get_parameter(name).value
        assert (value if isinstance(value, str | int | float) else tuple(value)) == DEFAULTS[name]
        descriptor = node.describe_parameter(name)
        assert descriptor.description == limits.description
        assert descriptor.read_only != limits.run_time
        ranges = [*descriptor.integer_range, *descriptor.floating_point_range]
        assert [(r.from_value, r.to_value) for r in ranges] == (
            [(limits.minimum, limits.maximum)] if name in RANGED else []
        )


def test_values_given_at_start_are_used(declare):
    given = {"steps": 7, "slop": 0.0, "rgb_transport": "compressed", "autostart": False}
    assert declare(**given)[1] == Settings(**given)


@pytest.mark.parametrize("name", RANGED)
@pytest.mark.parametrize("bound, sign", [("minimum", -1), ("maximum", 1)])
def test_out_of_range_is_refused_by_name(declare, name, bound, sign):
    value = type(DEFAULTS[name])(getattr(limits_by_name()[name], bound) + sign)
    with pytest.raises(BadParameter, match=f"'{name}' is .*; allowed: .* to ") as caught:
        declare(**{name: value})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name, value, said",
    [
        ("steps", 2.0, "'steps' has the wrong type; it must be of type integer"),
        ("slop", 1, "'slop' has the wrong type; it must be of type double, such as 0.05"),
        ("model", True, "'model' has the wrong type; it must be of type string"),
        ("backend", "abacus", "'backend' is 'abacus'; allowed: auto"),
        ("rgb_transport", "theora", "'rgb_transport' is 'theora'; allowed: raw, compressed"),
        ("thermal_mode", "", "'thermal_mode' is ''; allowed: auto, fixed, percentile, minmax"),
        ("thermal_high", 0.0, "'thermal_high' is 0; it must be above thermal_low, which is 0"),
        ("slop", float("nan"), "'slop' is nan; allowed: 0 to 10"),
    ],
)
def test_impossible_values_are_refused_in_one_line(declare, name, value, said):
    with pytest.raises(BadParameter, match=said) as caught:
        declare(**{name: value})
    assert "\n" not in str(caught.value)


def test_changes_are_applied_together_or_not_at_all():
    settings = Settings()
    both = [Parameter("thermal_low", value=1000.0), Parameter("thermal_high", value=2000.0)]
    changed, answer = checked_change(settings, [*both, Parameter("use_sim_time", value=True)])
    assert answer.successful
    assert (changed.thermal_low, changed.thermal_high) == (1000.0, 2000.0)

    unchanged, answer = checked_change(settings, both[:1])
    assert not answer.successful
    assert "thermal_high" in answer.reason
    assert unchanged is settings


def test_the_configuration_file_lists_every_parameter_with_its_default():
    (node_parameters,) = yaml.safe_load(CONFIG.read_text()).values()
    # YAML has no tuples.
    listed = {k: list(v) if isinstance(v, tuple) else v for k, v in DEFAULTS.items()}
    assert node_parameters["ros__parameters"] == listed
