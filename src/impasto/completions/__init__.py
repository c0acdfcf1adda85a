"""The life of one request: resolve, inline, call, settle. Outside things enter through `ports`."""
