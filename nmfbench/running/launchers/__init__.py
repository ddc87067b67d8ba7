"""Launchers: one a file. Each runs tasks somewhere: in processes of this machine, under dask, on a Slurm cluster."""
