"""The network and its parts, one in each file; `model` joins them. Imports `classes` only."""
