"""Launchers: whichever runs a sweep, its numbers are the same; what travels to a worker, and what comes back."""

import os
import pickle
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from processes import ROOT, left, numbers, start, until, until_asleep
from shell import load
from troubled import SHORT, SYNTHETIC, records, run

from nmfbench.config import build
from nmfbench.errors import ConfigError
from nmfbench.running import estimates
from nmfbench.running.composing import requests
from nmfbench.running.executing import Task
from nmfbench.running.launchers import remote
from nmfbench.running.launchers.base import Launcher
from nmfbench.running.launching import _tasks
from nmfbench.running.planning import plan
from nmfbench.running.settings import Settings

SWEEP = ["-m", *SYNTHETIC, "solver=mu,hals", "rank=2,3", "seeds=3", *SHORT]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def cluster(
    folder: Path, *options: str, workers: int = 2, allowed_failures: int = 3
) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and workers started by hand: in a folder of their own, with no variable of this process."""
    folder.mkdir(exist_ok=True)
    address = f"tcp://127.0.0.1:{free_port()}"
    clean = {"PATH": "/usr/bin:/bin", "HOME": str(folder)}
    clean |= {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": str(allowed_failures)}
    module = [sys.executable, "-m", "distributed.cli."]

    def started(name: str, *words: str) -> subprocess.Popen[bytes]:
        command = [*module[:2], f"{module[2]}{name}", *words, "--no-dashboard"]
        return subprocess.Popen(command, cwd=folder, env=clean, stderr=subprocess.DEVNULL, start_new_session=True)

    everything = [started("dask_scheduler", "--host", address)]
    everything += [started("dask_worker", address, "--nthreads", "1", *options) for _ in range(workers)]
    try:
        yield address, everything
    finally:
        for process in everything:  # not SIGTERM: a worker that is still starting may miss it
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def launched(folder: Path, *words: str) -> str:
    """The log of a sweep in a process of its own, which fails rather than hangs."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    done = subprocess.run(
        [sys.executable, "-m", "nmfbench", "run", f"results_dir='{folder / 'results'}'", "threads=1", *words],
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_dask_on_this_machine_gives_the_same_numbers(tmp_path: Path) -> None:
    assert run(tmp_path / "serial", *SWEEP, "jobs=1") == 0
    assert "[12/12]" in launched(tmp_path / "dask", *SWEEP, "jobs=2", "launcher=dask")
    assert numbers(records(tmp_path / "dask")) == numbers(records(tmp_path / "serial"))
    assert not list((tmp_path / "dask").rglob("*probe*")) and not list((tmp_path / "dask").rglob("*.npz"))


def test_workers_elsewhere_find_data_and_classes_and_need_no_shared_folder(
    tmp_path: Path, configs, monkeypatch
) -> None:
    (tmp_path / "X.csv").write_text("\n".join(f"{i % 5},{i % 3},{i % 7},{i}.5,{'ab'[i % 2]}" for i in range(30)))
    monkeypatch.chdir(tmp_path)
    own = ["dataset=file", "dataset.path=X.csv", "dataset.y=c4", *configs, "rank=2", "seeds=4", *SHORT]
    assert run(tmp_path / "serial", *own, "jobs=1") == 0
    preload = tmp_path / "apart.py"
    preload.write_text("from nmfbench.running.launchers import remote\nremote._shares = lambda probe: False\n")
    for name, options in (("shared", []), ("apart", ["--preload", str(preload)])):
        with cluster(tmp_path / "elsewhere", *options) as (address, _):
            launched(tmp_path / name, *own, "launcher=dask", f"launcher.scheduler={address}")
        assert numbers(records(tmp_path / name)) == numbers(records(tmp_path / "serial"))
        assert {path.suffix for path in (tmp_path / name / "results/runs").rglob("*.*")} == {".json", ".npy"}


def test_scheduler_that_is_not_there_is_wrong_use(tmp_path: Path, capsys, monkeypatch) -> None:
    import dask
    import distributed  # noqa: F401  Its own settings come before those of the block.

    with dask.config.set({"distributed.comm.timeouts.connect": "1s"}):
        where = f"tcp://127.0.0.1:{free_port()}"
        assert run(tmp_path, *SWEEP, "launcher=dask", f"launcher.scheduler={where}") == 2
        assert f"no dask scheduler answers at launcher.scheduler={where}" in capsys.readouterr().err
        assert run(tmp_path, *SWEEP, "launcher=dask", "launcher.scheduler=missing.json") == 2
        assert "no scheduler file is at" in capsys.readouterr().err
    assert run(tmp_path, *SWEEP, "launcher=dsk") == 2
    assert "did you mean dask?" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_dask_and_its_workers_within_ten_seconds(number: int, tmp_path: Path) -> None:
    with start(tmp_path, "launcher=dask", "jobs=2") as process:
        until_asleep(process)
        begin = time.monotonic()
        if number == signal.SIGINT:  # a terminal sends it to all
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        _, output = process.communicate(timeout=30)
        assert process.returncode == 128 + number, output
        assert until(lambda: not left(process), 10 - (time.monotonic() - begin)), output
    assert "interrupted" in output and "Traceback" not in output
    assert all(record["status"] == "stopped" for record in load(tmp_path / "results"))


def job_of(tmp_path: Path, *words: str):
    (request,) = requests([*SYNTHETIC, "solver=mu", "seeds=3", *SHORT, f"results_dir='{tmp_path}'", *words])
    (job,) = plan(request).jobs
    return job


def test_worker_of_another_version_is_named(tmp_path: Path, monkeypatch) -> None:
    parcel = remote.pack(Task(job_of(tmp_path), (0,)), ("none", "none"), is_shared=False)
    monkeypatch.setattr(remote, "__version__", "99.0")
    with pytest.raises(ConfigError, match=f"the worker on {socket.gethostname()} has nmfbench 99.0"):
        remote.execute(parcel)


def test_parcel_is_small_and_holds_absolute_paths(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "X.csv").write_text("a,b\n" + "1.5,2.5\n0.5,1\n" * 9)
    monkeypatch.chdir(tmp_path)
    job = job_of(tmp_path / "results", "~dataset.n_samples", "~dataset.n_features", "~dataset.n_classes")
    assert len(pickle.dumps(remote.pack(Task(job, (0,)), ("none", "none"), False))) < 20_000
    (request,) = requests(["dataset=file", "dataset.path=X.csv", "solver=mu", "rank=2", "results_dir=mine"])
    (job,) = plan(request).jobs
    sent = pickle.loads(remote.pack(Task(job, (0,)), ("none", "none"), False).task).job
    assert sent.loader_node["path"] == str(tmp_path / "X.csv") and sent.store.root == tmp_path / "mine"
    assert sent.config == job.config
    (tmp_path / "Y.csv").write_bytes((tmp_path / "X.csv").read_bytes())
    (request,) = requests(["dataset=views", "dataset.files=[X.csv,Y.csv]", "solver=mu", "rank=2", "results_dir=mine"])
    (job,) = plan(request).jobs
    sent = pickle.loads(remote.pack(Task(job, (0,)), ("none", "none"), False).task).job
    assert sent.loader_node["files"] == [str(tmp_path / name) for name in ("X.csv", "Y.csv")]
    assert sent.config == job.config


def test_seeds_are_divided_between_idle_workers_and_the_longest_task_comes_first(tmp_path: Path) -> None:
    (request,) = requests(["-m", *SYNTHETIC, "solver=mu", "rank=2,8", "seeds=6", f"results_dir='{tmp_path}'"])
    jobs = plan(request).jobs
    assert [task.seeds for task in _tasks(jobs, 1, False)] == [tuple(range(6))] * 2
    tasks = _tasks(jobs, 2, False)
    assert sorted(seed for task in tasks for seed in task.seeds) == sorted([*range(6), *range(6)])
    costs = [estimates.of(task.job).seconds * len(task.seeds) for task in tasks]
    assert len(tasks) >= 4 and costs == sorted(costs, reverse=True)
    assert [task.seeds for task in _tasks(jobs, 2, True)] == [tuple(range(6))] * 2, "the reference before the others"
    deterministic = job_of(tmp_path, "solver.init=nndsvd")
    assert [task.seeds for task in _tasks([deterministic], 4, False)] == [(0, 1, 2)]


def slurm(**settings: object) -> Launcher:
    return build({"_target_": "nmfbench.running.launchers.slurm.Slurm", **settings}, Launcher, "launcher")


def test_job_script_of_slurm_asks_for_what_was_asked_for(tmp_path: Path) -> None:
    launcher = slurm(
        partition="gpu",
        account="us",
        time="02:30:00",
        memory="16GB",
        directives=["--gres=gpu:1"],
        setup=["module load cuda"],
        log_dir=str(tmp_path),
    )
    script = launcher.describe(1, Settings(jobs=3, threads=4, device="cuda"))
    lines = script.splitlines()
    assert lines[0] == "3 Slurm jobs, each submitted as"
    for line in ("-p gpu", "-A us", "-t 02:30:00", "--mem=15G", "--gres=gpu:1", "--cpus-per-task=4", "-n 1"):
        assert f"#SBATCH {line}" in lines, script
    assert "module load cuda" in lines and "--nthreads 1" in lines[-1] and "--resources GPU=1" in lines[-1]
    with pytest.raises(ConfigError, match="launcher=slurm needs jobs=N"):
        slurm().describe(1, Settings())


def test_sweep_runs_in_jobs_that_sbatch_submits(tmp_path: Path, monkeypatch) -> None:
    """Stands for Slurm: sbatch starts the job script on this machine, scancel ends it."""
    commands = {
        # Slurm keeps a copy: the script is deleted once it is submitted.
        "sbatch": 'setsid bash -c "$(cat "${@: -1}")" >/dev/null 2>&1 & echo "Submitted batch job $!"',
        "scancel": 'kill -- "-$1"',
    }
    for name, line in commands.items():
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/bash\n{line}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    assert run(tmp_path / "serial", *SWEEP, "jobs=1") == 0
    launched(tmp_path / "slurm", *SWEEP, "jobs=2", "launcher=slurm", f"launcher.log_dir={tmp_path}/log")
    assert numbers(records(tmp_path / "slurm")) == numbers(records(tmp_path / "serial"))


def test_runs_on_a_gpu_go_to_the_workers_that_have_one(tmp_path: Path) -> None:
    from distributed import Client

    from nmfbench.running.launchers.dask import engine

    with cluster(tmp_path / "elsewhere", workers=1) as (address, _), Client(address) as client:
        device = Settings(device="cuda", results_dir=str(tmp_path))
        with engine(client, device, is_shared=False) as started:
            started.submit(Task(job_of(tmp_path), (0,)))
            assert started.wait() is None, "no worker has a GPU"
            gpu = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--resources", "GPU=1"]
            with subprocess.Popen([*gpu, "--nthreads", "1", "--no-dashboard"], stderr=subprocess.DEVNULL) as worker:
                assert until(lambda: started.wait() is not None, 60)
                worker.terminate()


@pytest.mark.parametrize(("named", "expected"), [(None, ["0", "1", "2"]), ("2,5", ["2", "5"])])
def test_each_worker_of_this_machine_has_a_gpu_of_its_own(named: str | None, expected: list[str], monkeypatch) -> None:
    from nmfbench.running.launchers import dask

    monkeypatch.setattr(dask.torch.cuda, "device_count", lambda: 3)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named or "")
    gpus = dask._gpus()
    assert gpus == expected
    monkeypatch.setattr(dask.signal, "signal", lambda *_: None)
    seen = []
    for name in range(len(gpus)):
        dask._Setup(gpus).setup(SimpleNamespace(name=name))
        seen.append(os.environ["CUDA_VISIBLE_DEVICES"])
    assert seen == expected
