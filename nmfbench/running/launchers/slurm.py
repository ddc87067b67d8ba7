"""Launcher `slurm`: each worker is a Slurm job, which dask-jobqueue submits and cancels."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nmfbench.errors import ConfigError
from nmfbench.progress import say
from nmfbench.running.launchers.base import Engine, Launcher
from nmfbench.running.launchers.dask import engine
from nmfbench.running.settings import Settings

try:
    from dask_jobqueue.slurm import SLURMCluster
    from distributed import Client
except ImportError as error:
    raise ConfigError("launcher=slurm needs dask-jobqueue: pip install 'nmfbench[slurm]'") from error


@dataclass(frozen=True, kw_only=True)
class Slurm(Launcher):
    """Slurm jobs of one worker each, as many as ``jobs=`` says. The scheduler is in this process, so keep it running.

    Parameters
    ----------
    partition: partition of the jobs; null: Slurm's default.
    account: account that pays; null: Slurm's default.
    time: wall time of a job, hours:minutes:seconds.
    memory: memory of a job, e.g. 8GB.
    directives: further options of sbatch, e.g. ["--gres=gpu:1"].
    setup: shell lines before the worker starts, e.g. ["module load cuda"].
    interface: network interface on which the jobs reach this process, e.g. ib0; null: the default one.
    log_dir: folder of the jobs' output.
    """

    partition: str | None = None
    account: str | None = None
    time: str = "01:00:00"
    memory: str = "8GB"
    directives: list[str] = field(default_factory=list)
    setup: list[str] = field(default_factory=list)
    interface: str | None = None
    log_dir: str = "results/local/slurm"

    @property
    def local(self) -> bool:
        return False

    def describe(self, workers: int, settings: Settings) -> str:
        with self._cluster(settings) as cluster:
            return f"{settings.jobs} Slurm jobs, each submitted as\n{cluster.job_script().rstrip()}"

    @contextmanager
    def start(self, workers: int, settings: Settings) -> Iterator[Engine]:
        with self._cluster(settings) as cluster, Client(cluster) as client:
            cluster.scale(jobs=settings.jobs)
            say(f"waiting for {settings.jobs} Slurm jobs, whose output goes to {self.log_dir}")
            with engine(client, settings, is_shared=False) as started:
                yield started

    def _cluster(self, settings: Settings) -> Any:
        if settings.jobs is None:
            raise ConfigError("launcher=slurm needs jobs=N, the number of Slurm jobs")
        return SLURMCluster(
            queue=self.partition,
            account=self.account,
            walltime=self.time,
            memory=self.memory,
            cores=1,  # tasks at once
            job_cpu=settings.threads,
            processes=1,
            job_extra_directives=self.directives,
            job_script_prologue=self.setup,
            worker_extra_args=["--resources", "GPU=1"] if settings.device.startswith("cuda") else [],
            interface=self.interface,
            log_directory=str(Path(self.log_dir).expanduser().absolute()),
            job_name="nmfbench",
            scheduler_options={"dashboard_address": ":0"},  # any free port
        )
