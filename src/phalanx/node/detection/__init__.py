"""Events of a node: rules, indicators, thresholds, the archive, sources and sinks, and what is shared."""
