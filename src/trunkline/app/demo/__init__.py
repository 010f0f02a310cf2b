"""``trunkline demo``: everything that a call to a sleeping phone needs, on this machine alone, drawn as it happens."""
