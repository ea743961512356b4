"""Programs for developers behind `scripts/`: demo, soak, benchmark of the node. Not installed."""
