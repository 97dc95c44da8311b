"""`phalanx quantum` and `phalanx circuits`: what needs no node."""
