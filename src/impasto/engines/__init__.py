"""Answerers that run on this machine."""
