"""Facts about providers and models, as data: strictly checked at load."""
