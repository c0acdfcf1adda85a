"""The HTTP surface: one file per resource; wire shapes; errors as statuses."""
