"""The benchmark: the served chat against the same model's ceiling in the process."""
