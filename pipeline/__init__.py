"""Recipe -> microstructure -> label: PoreSpy generation, the conductivity solver, reading of images."""
