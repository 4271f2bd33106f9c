"""Families of microstructures, one file each."""
