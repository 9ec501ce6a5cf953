"""The `slipway` command. It speaks HTTP to the API, and starts the other processes by exec."""
