"""Campaigns: configuration, Dask execution, screening, report, command line."""
