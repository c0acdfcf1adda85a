"""Places to put things: each scene paints itself around what was asked for."""
