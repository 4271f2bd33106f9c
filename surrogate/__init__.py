"""The surrogate network, its training and its checkpoints: numpy, h5py and torch only, Python 3.8 and torch 2.0."""
