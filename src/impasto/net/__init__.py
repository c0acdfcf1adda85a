"""Outbound HTTP. Nothing else connects to addresses that callers or providers name."""
