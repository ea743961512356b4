"""Random placement of objects in a street. Imports `geometry`, `rendering` and `objects`."""
