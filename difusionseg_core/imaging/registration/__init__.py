"""Find the transform from thermal to RGB pixels. Imports the single modules of `imaging`."""
