"""Where objects go: a seeded street with everything in it; imports `objects`."""
