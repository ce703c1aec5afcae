"""Running networks: load one, turn pixels into tensors, go by tiles, stop at an exit, enhance a picture."""
