"""What canaries watch on the node itself: end-to-end probes, clocks, files, settings that drift."""
