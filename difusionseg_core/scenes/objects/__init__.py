"""What stands and moves in a street; imports `geometry` and `rendering`."""
