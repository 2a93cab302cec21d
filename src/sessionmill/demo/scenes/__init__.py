"""What may happen in a session besides work, scene by scene, and with which clients."""
