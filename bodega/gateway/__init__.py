"""HTTP in front of the core: routes, JSON and event streams, all read from the contract."""
