"""What a recording of both cameras is worth: timing, pairs, and scores of a model over them."""
