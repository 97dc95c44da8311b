"""What canaries watch of the node itself: probes through the whole, clocks, files, settings that drift."""
