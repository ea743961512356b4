"""Objects of a street scene, from buildings to people. Imports `geometry` and `rendering`."""
