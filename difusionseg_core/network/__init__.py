"""The network and its parts, one per file; `model` joins them. Imports `classes` and `objects`."""
