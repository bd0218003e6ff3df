"""Where the jobs of a sweep run: here, in processes, on SLURM by submitit, on Ray."""
