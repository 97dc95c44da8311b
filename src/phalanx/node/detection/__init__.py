"""Detection wired to a node: rules, indicators, thresholds, the archive, sources and sinks, and sharing."""
