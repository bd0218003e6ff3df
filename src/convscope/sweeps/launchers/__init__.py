"""Launchers, which run the jobs of a sweep: in this process, in a pool, on SLURM through submitit, or on Ray."""
