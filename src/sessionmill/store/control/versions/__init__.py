"""What brought the control store to each version."""
