"""One file per wire format: pure translation both ways. No network, no clock, no key."""
