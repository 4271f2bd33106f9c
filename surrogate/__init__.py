"""The surrogate network, its training and its checkpoints. Needs numpy, h5py and torch only; runs on Python 3.8 and torch 2.0."""
