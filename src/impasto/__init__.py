"""impasto: one chat endpoint for every image model."""

__version__ = "0.1.0"
