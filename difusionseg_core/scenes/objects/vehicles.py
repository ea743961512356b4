"""Cars, vans, buses and trucks, parked and driving."""

from dataclasses import dataclass, replace

import numpy as np

from difusionseg_core.scenes.geometry.parts import UP, Group, heading_axes
from difusionseg_core.scenes.objects.car_body import PAINT, Car, Shape, car_parts
from difusionseg_core.scenes.rendering.lighting import Lamp

# fmt: off
SHAPES = (
    Shape((4.3, 4.8), 1.78, (1.40, 1.50), (
        (-.5, .17), (-.5, .58), (-.47, .69), (-.33, .71), (-.18, .96), (.0, 1.0), (.08, .98),
        (.24, .69), (.45, .57), (.5, .45), (.5, .16)), (3, 7), 0.32, (-.29, .31), 2),
    Shape((3.6, 4.2), 1.70, (1.45, 1.58), (
        (-.5, .17), (-.5, .5), (-.48, .66), (-.42, .93), (-.34, 1.0), (.05, 1.0), (.12, .97),
        (.27, .66), (.46, .56), (.5, .42), (.5, .16)), (2, 7), 0.31, (-.32, .33), 2),
    Shape((4.3, 4.9), 1.80, (1.65, 1.95), (
        (-.5, .15), (-.5, .45), (-.49, .60), (-.46, .96), (-.42, 1.0), (.16, 1.0), (.22, .97),
        (.38, .60), (.48, .50), (.5, .36), (.5, .14)), (2, 7), 0.33, (-.31, .33), 3),
    Shape((3.3, 3.5), 1.48, (1.75, 1.95), (
        (-.5, .16), (-.5, .45), (-.495, .56), (-.48, .97), (-.45, 1.0), (.28, 1.0), (.33, .97),
        (.44, .56), (.49, .45), (.5, .32), (.5, .14)), (2, 7), 0.27, (-.32, .36), 2),
    Shape((4.5, 5.2), 1.85, (1.60, 1.75), (
        (-.5, .2), (-.5, .5), (-.48, .64), (-.43, .92), (-.36, 1.0), (.05, 1.0), (.11, .97),
        (.25, .66), (.44, .60), (.5, .50), (.5, .2)), (2, 7), 0.37, (-.3, .32), 3),
    Shape((8.5, 11.0), 2.40, (2.9, 3.1), (
        (-.5, .12), (-.5, .35), (-.5, .45), (-.49, .95), (-.48, 1.0), (.46, 1.0), (.48, .97),
        (.5, .42), (.5, .38), (.5, .3), (.5, .1)), (2, 7), 0.48, (-.28, .32), 7),
)
# fmt: on
BUS = len(SHAPES) - 1
_PAINTS = (
    (0.75, 0.75, 0.76),
    (0.75, 0.75, 0.76),
    (0.85, 0.85, 0.85),
    (0.85, 0.85, 0.85),
    (0.6, 0.6, 0.58),
    (0.35, 0.36, 0.38),
    (0.35, 0.36, 0.38),
    (0.02, 0.02, 0.025),
    (0.02, 0.02, 0.025),
    (0.12, 0.13, 0.15),
    (0.35, 0.02, 0.02),
    (0.02, 0.05, 0.2),
    (0.04, 0.12, 0.3),
    (0.3, 0.27, 0.2),
    (0.05, 0.15, 0.1),
    (0.5, 0.35, 0.02),
)


@dataclass(frozen=True)
class Vehicle:
    """A car that is parked or drives straight ahead."""

    car: Car
    start: np.ndarray  # (3,) the ground below its middle at time 0
    heading: float  # radians
    speed: float  # m/s

    @property
    def radius(self) -> float:
        """Radius of the ground that it occupies in metres."""
        return self.car.length / 2 + 0.3

    def place(self, time: float) -> np.ndarray:
        """Return the point on the ground below its centre (3,) at `time` [s]."""
        return self.start + heading_axes(self.heading)[0] * self.speed * time

    def footprint(self, time: float) -> np.ndarray:
        """Return the corners (4, 3) of the ground that it covers."""
        forward, right = heading_axes(self.heading)
        a, b = forward * self.car.length * 0.5, right * self.car.shape.width * 0.52
        return self.place(time) + np.array([a + b, a - b, -a - b, -a + b])

    def lamps(self, time: float) -> list[Lamp]:
        """Return the headlamps if they are on."""
        if not self.car.lights:
            return []
        forward = heading_axes(self.heading)[0]
        nose = self.place(time) + forward * (self.car.length / 2 + 0.3) + UP * 0.65
        beam = forward * 0.997 - UP * 0.08
        return [Lamp(nose, np.array([2.4, 2.3, 2.0]) * 4, beam)]

    def groups(self, time: float, eye: np.ndarray) -> list[Group]:
        """Return its body at `time` [s]."""
        return car_parts(self.car, self.place(time), self.heading)


def random_vehicle(
    rng: np.random.Generator, start: np.ndarray, heading: float, speed: float, dark: bool
) -> Vehicle:
    """Make a random car; a moving car is warm and has its lights on when it is dark."""
    kind = BUS if rng.random() < 0.06 else int(rng.integers(BUS))
    shape, cargo = SHAPES[kind], None
    length, height = rng.uniform(*shape.length), rng.uniform(*shape.height)
    if kind != BUS and rng.random() < 0.12:  # a truck
        length, height = rng.uniform(4.7, 6.5), rng.uniform(1.9, 2.2)
        cargo = PAINT.painted(tuple(rng.uniform(0.3, 0.8) * rng.uniform(0.85, 1.1, 3)))
        width = rng.uniform(1.7, 2.1)
        shape = replace(SHAPES[3], width=width, wheel=0.36, axles=(-0.28, 0.36), windows=1)
    running = speed > 0 or rng.random() < 0.15
    colour = np.array(_PAINTS[rng.integers(len(_PAINTS))]) * rng.uniform(0.8, 1.2)
    car = Car(
        shape=shape,
        length=length,
        height=height,
        paint=PAINT.painted(tuple(np.clip(colour, 0, 0.85))).warmed(rng.uniform(-1, 3)),
        warmth=float(rng.uniform(0.5, 1.0)) if running else float(rng.choice([0, 0.1, 0.3, 0.5])),
        lights=dark and running,
        braking=running and rng.random() < 0.3,
        cargo=cargo,
    )
    return Vehicle(car, np.asarray(start, float), heading, speed)
