"""impasto side by side with the provider itself, with nginx and with a peer, on one machine in one run."""
