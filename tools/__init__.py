"""Programs behind `scripts/`: demo, soak, benchmark of the node. They are not installed."""
