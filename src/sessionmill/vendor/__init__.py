"""What the vendor counted, as its own exports tell it: bytes to rows, pure."""
