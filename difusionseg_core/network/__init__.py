"""The parts of the network, each in a file of its own; `difusionseg_core.model` joins them."""
