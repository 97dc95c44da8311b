"""Commands of quantum devices and other resources: where work goes, when, at what cost, and jobs on them."""
