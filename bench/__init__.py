"""Measures what a registration, a call and a relayed packet cost Trunkline and its peers, in one run."""
