"""Ways to run the network. A backend has `name`, `device`, `model` and `run`; see `pytorch`."""


class OutOfMemory(RuntimeError):
    """The device's memory is not enough; `Predictor.to_cpu` is a way on."""
