"""What the painter can do to a picture, one family a file. Every filter is pure: pixels and an order in, pixels out."""
