"""What the benchmark of injected services runs: a network, controllers that are told what to do, and packets."""
