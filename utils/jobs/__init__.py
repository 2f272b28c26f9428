"""Job dispatch: arrays of tasks on this machine, Slurm or SGE (see architecture: Job; front door: utils/job.sh)."""
