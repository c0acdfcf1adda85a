"""Things drawn by code, as solids: food, tableware, landmarks."""
