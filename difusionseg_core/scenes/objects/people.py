"""People who walk, stand or ride: a skeleton with rounded limbs."""

from dataclasses import dataclass

import numpy as np

from difusionseg_core.classes import MSRS
from difusionseg_core.scenes.geometry.parts import UP, Group, Hull, Material, Tube, heading_axes
from difusionseg_core.scenes.objects.appearance import Appearance

PERSON = MSRS.class_names.index("person")


def _limb(
    a: np.ndarray, b: np.ndarray, radius_a: float, radius_b: float, material: Material
) -> Hull:
    return Hull(np.array([a, b]), np.array([radius_a, radius_b]), material, PERSON)


def _head(wear: Appearance, neck: np.ndarray, forward: np.ndarray, facing: bool) -> Group:
    """Return neck, face, hair or hat; `facing`: towards the camera."""
    h = wear.height
    centre = neck + UP * 0.085 * h + forward * 0.012 * h
    crown = centre + UP * 0.018 * h - forward * 0.016 * h
    throat = _limb(neck - UP * 0.02 * h, neck + UP * 0.04 * h, 0.034 * h, 0.032 * h, wear.skin)
    hair = _limb(crown, crown + UP * 0.012 * h, 0.063 * h, 0.056 * h, wear.hat or wear.hair)
    brow = centre + forward * 0.02 * h
    face = _limb(brow - UP * 0.022 * h, brow, 0.042 * h, 0.05 * h, wear.skin)
    mane = _limb(
        crown - UP * 0.02 * h,
        crown - UP * 0.13 * h - forward * 0.02 * h,
        0.06 * h,
        0.045 * h,
        wear.hair,
    )
    back: Group = [mane] if wear.long_hair else []
    return [*back, throat, hair, face] if facing else [throat, face, hair, *back]


def figure(
    wear: Appearance, feet: np.ndarray, heading: float, phase: float, stride: float, eye: np.ndarray
) -> list[Group]:
    """Return the body of a pedestrian, seen from `eye` (3,).

    Args:
        wear: build and clothes.
        feet: (3,) point on the ground between the feet.
        heading: direction in radians, 0 is along +z.
        phase: phase of the gait in radians.
        stride: 0 (standing) to 1 (full stride).
        eye: (3,) position of the camera, for the order of the parts.
    """
    h, fat = wear.height, wear.girth
    forward, right = heading_axes(heading)
    hip = feet + UP * (0.515 * h + 0.012 * h * np.cos(2 * phase) * stride)
    chest = hip + UP * 0.27 * h + forward * 0.015 * h
    neck = hip + UP * 0.335 * h
    groups: list[Group] = []
    legs: list[Group] = []
    for side in (-1, 1):
        step = phase + (np.pi if side > 0 else 0)
        swing = 0.42 * stride * np.sin(step)
        bend = 0.12 + 0.55 * stride * max(0.0, -np.cos(step))
        legs.append(_leg(wear, hip + right * side * 0.05 * h, swing, bend, forward))
        shoulder = chest + right * side * 0.098 * h * fat + UP * 0.018 * h
        groups.append(_arm(wear, shoulder, -0.8 * swing, 0.25 + 0.3 * stride, forward))
        if side > 0 and wear.bag is not None:
            hand = shoulder - UP * 0.36 * h
            groups.append([_limb(hand, hand - UP * 0.12 * h, 0.05 * h, 0.065 * h, wear.bag)])
    groups.append(
        _far_leg_first(legs, right, hip, eye) + _trunk(wear, hip, chest, neck, forward, right, eye)
    )
    if wear.umbrella is not None:
        groups.append(_umbrella(wear.umbrella, chest + forward * 0.15, h))
    return groups


def _far_leg_first(legs: list[Group], right: np.ndarray, hip: np.ndarray, eye: np.ndarray) -> Group:
    left_leg, right_leg = legs
    return left_leg + right_leg if right @ (eye - hip) > 0 else right_leg + left_leg


def _leg(
    wear: Appearance, hip: np.ndarray, swing: float, bend: float, forward: np.ndarray
) -> Group:
    h, fat = wear.height, wear.girth
    knee = hip + 0.245 * h * (forward * np.sin(swing) - UP * np.cos(swing))
    ankle = knee + 0.23 * h * (forward * np.sin(swing - bend) - UP * np.cos(swing - bend))
    lower = wear.skin if wear.skirt else wear.legs
    shoe = Hull(
        np.array([ankle - UP * 0.025 * h, ankle - UP * 0.03 * h + forward * 0.075 * h]),
        np.array([0.026, 0.02]) * h,
        wear.shoes,
        PERSON,
    )
    shin = _limb(knee, ankle, 0.036 * h * fat, 0.026 * h * fat, lower)
    thigh = _limb(hip, knee, 0.055 * h * fat, 0.038 * h * fat, wear.legs)
    return [shoe, shin, thigh]


def _arm(
    wear: Appearance, shoulder: np.ndarray, swing: float, bend: float, forward: np.ndarray
) -> Group:
    h, fat = wear.height, wear.girth
    elbow = shoulder + 0.17 * h * (forward * np.sin(swing) - UP * np.cos(swing))
    hand = elbow + 0.15 * h * (forward * np.sin(swing + bend) - UP * np.cos(swing + bend))
    return [
        _limb(hand, hand - UP * 0.03 * h, 0.02 * h, 0.017 * h, wear.skin),
        _limb(elbow, hand, 0.027 * h * fat, 0.021 * h * fat, wear.top.shaded(0.92)),
        _limb(shoulder, elbow, 0.031 * h * fat, 0.027 * h * fat, wear.top.shaded(0.92)),
    ]


def _trunk(
    wear: Appearance,
    hip: np.ndarray,
    chest: np.ndarray,
    neck: np.ndarray,
    forward: np.ndarray,
    right: np.ndarray,
    eye: np.ndarray,
) -> Group:
    h, fat = wear.height, wear.girth
    wide = right * 0.055 * h * fat
    shoulders = right * 0.072 * h * fat
    seat = Hull(np.array([hip + wide, hip - wide]), np.full(2, 0.056 * h * fat), wear.legs, PERSON)
    body = Hull(
        np.array(
            [
                chest + shoulders,
                chest - shoulders,
                hip + wide + UP * 0.04 * h,
                hip - wide + UP * 0.04 * h,
                neck - UP * 0.02 * h,
            ]
        ),
        np.array([0.047, 0.047, 0.056, 0.056, 0.03]) * h * fat,
        wear.top,
        PERSON,
    )
    # The middle of the body is warmer and catches more light than its rounded flanks.
    core = Hull(
        np.array(
            [chest + 0.5 * shoulders, chest - 0.5 * shoulders, hip + 0.6 * wide, hip - 0.6 * wide]
        ),
        np.array([0.04, 0.04, 0.03, 0.03]) * h * fat,
        wear.top.shaded(1.12).warmed(wear.top.heat + 1.2),
        PERSON,
    )
    parts: Group = [seat]
    below = 0.30 if wear.long_coat else (0.2 if wear.skirt else 0.0)
    if below:
        hem = hip - UP * below * h
        cloth = wear.top if wear.long_coat else wear.legs
        parts.append(
            Hull(
                np.array([hip + wide, hip - wide, hem + 1.1 * wide, hem - 1.1 * wide]),
                np.full(4, 0.05 * h * fat),
                cloth,
                PERSON,
            )
        )
    parts += [body, core]
    facing = bool(forward @ (eye - chest) > 0)
    head = _head(wear, neck, forward, facing)
    pack: Group = []
    if wear.backpack is not None:
        back = chest - forward * 0.12 * h
        pack = [
            _limb(back + UP * 0.01 * h, back - UP * 0.14 * h, 0.085 * h, 0.1 * h, wear.backpack)
        ]
    return pack + parts + head if facing else parts + head + pack


def _umbrella(material: Material, hand: np.ndarray, h: float) -> Group:
    top = hand + UP * 0.62 * h
    rim = top - UP * 0.14 * h
    angles = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    circle = rim + 0.5 * np.stack([np.cos(angles), 0 * angles, np.sin(angles)], axis=1)
    centres = np.concatenate([circle, top[None]])
    return [
        Tube(np.array([hand, top]), 0.025, material.shaded(0.3)),
        Hull(centres, np.full(len(centres), 0.02), material),
    ]


def rider(
    wear: Appearance,
    saddle: np.ndarray,
    grips: np.ndarray,
    pedals: np.ndarray,
    heading: float,
    eye: np.ndarray,
) -> list[Group]:
    """Return the body of a cyclist, seen from `eye` (3,).

    saddle is (3,); grips and pedals are (2, 3), the left one first.
    """
    h, fat = wear.height, wear.girth
    forward, right = heading_axes(heading)
    hip = saddle + UP * 0.07
    chest = hip + UP * 0.25 * h + forward * 0.11 * h
    neck = chest + UP * 0.07 * h + forward * 0.02 * h
    groups: list[Group] = []
    legs: list[Group] = []
    for index, side in enumerate((-1, 1)):
        socket = hip + right * side * 0.05 * h
        knee = _joint(socket, pedals[index], 0.25 * h, 0.25 * h, forward)
        legs.append(
            [
                Hull(
                    np.array([pedals[index], pedals[index] + forward * 0.06 * h]),
                    np.array([0.026, 0.02]) * h,
                    wear.shoes,
                    PERSON,
                ),
                _limb(
                    knee,
                    pedals[index],
                    0.036 * h,
                    0.026 * h,
                    wear.skin if wear.skirt else wear.legs,
                ),
                _limb(socket, knee, 0.056 * h * fat, 0.04 * h * fat, wear.legs),
            ]
        )
        shoulder = chest + right * side * 0.095 * h * fat
        elbow = _joint(shoulder, grips[index], 0.17 * h, 0.17 * h, -UP)
        groups.append(
            [
                _limb(elbow, grips[index], 0.027 * h, 0.021 * h, wear.top.shaded(0.92)),
                _limb(grips[index], grips[index] + forward * 0.02, 0.021 * h, 0.018 * h, wear.skin),
                _limb(shoulder, elbow, 0.032 * h, 0.028 * h, wear.top.shaded(0.92)),
            ]
        )
    groups.append(
        _far_leg_first(legs, right, hip, eye) + _trunk(wear, hip, chest, neck, forward, right, eye)
    )
    return groups


def _joint(
    start: np.ndarray, end: np.ndarray, first: float, second: float, outward: np.ndarray
) -> np.ndarray:
    """Return the joint of a two-part limb (knee, elbow), which bends towards `outward`."""
    span = end - start
    length = float(np.linalg.norm(span))
    reach = min(length, 0.999 * (first + second))
    along = (first**2 - second**2 + reach**2) / (2 * reach)
    height = np.sqrt(max(first**2 - along**2, 0.0))
    direction = span / length
    side = outward - direction * (outward @ direction)
    return start + direction * along + side / max(float(np.linalg.norm(side)), 1e-6) * height


@dataclass(frozen=True)
class Pedestrian:
    """A pedestrian who walks straight ahead, or stands if `speed` is 0."""

    wear: Appearance
    start: np.ndarray  # (3,) at time 0
    heading: float  # radians
    speed: float  # m/s
    phase: float  # radians, of the gait at time 0

    radius = 0.3  # radius of the occupied ground in metres

    def place(self, time: float) -> np.ndarray:
        """Return the point on the ground below the person (3,) at `time` [s]."""
        return self.start + heading_axes(self.heading)[0] * self.speed * time

    def groups(self, time: float, eye: np.ndarray) -> list[Group]:
        """Return the body at `time` [s], as seen from `eye` (3,)."""
        here = self.place(time)
        # Two steps are about 0.8 times the body height long.
        phase = self.phase + 2 * np.pi * self.speed * time / (0.8 * self.wear.height)
        stride = min(self.speed / 1.2, 1.2)
        return figure(self.wear, here, self.heading, phase, stride, eye)
