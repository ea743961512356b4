"""What a camera's messages show about it, for diagnostics and `doctor`; imports `imaging`."""
