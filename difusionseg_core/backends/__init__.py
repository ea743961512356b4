"""Ways to run the network. A backend has `name`, `device`, `model` and `run`; see `pytorch`."""
