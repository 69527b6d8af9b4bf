"""Parts of `bench.quality`."""
