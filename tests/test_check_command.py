"""`nmfbench check`: what the author of a method reads."""

from pathlib import Path

import pytest

from nmfbench.cli import main

FUNCTIONS = """
import numpy as np

def started(X, rank, seed):
    draw = np.random.default_rng(seed)
    return draw.random((len(X), rank)), draw.random((rank, X.shape[1]))

def updated(X, W, H, floor=1e-9):
    H = H * (W.T @ X) / (W.T @ W @ H + floor)
    return W * (X @ H.T) / (W @ H @ H.T + floor), H

def right(X, rank, seed, n_iter=20):
    W, H = started(X, rank, seed)
    for _ in range(n_iter):
        W, H = updated(X, W, H)
    return W, H

def seedless(X, rank, seed):
    return right(X, rank, 0)

def transposed(X, rank, seed):
    return right(X, rank, seed)[::-1]

def unrepeatable(X, rank, seed):
    return right(X, rank, None)

def seeding(X, rank, seed):
    np.random.seed(seed)
    return np.random.rand(len(X), rank), np.random.rand(rank, X.shape[1])

def fragile(X, rank, seed):
    W, H = started(X, rank, seed)
    for _ in range(20):
        W, H = updated(X, W, H, floor=0)
        yield W, H

def unmindful_of_rank(X, rank, seed):
    return X[:, :rank], np.ones((rank, X.shape[1])) * seed

def raising(X, rank, seed):
    return 1 / 0

def too_proud(X, rank, seed):
    if rank > min(X.shape):
        raise ValueError(f"rank {rank} is too much")
    assert X.min() >= 0
    return right(X, rank, seed)
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file of functions in the current folder, whose name is new in each test."""
    name = f"functions_of_{tmp_path.name}.py".replace("-", "_")
    (tmp_path / name).write_text(FUNCTIONS)
    monkeypatch.chdir(tmp_path)
    return name


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("seedless", "broken       Seeds give different factors"),
        ("transposed", r"must return W (13, 4) and H (4, 29), got (4, 29) and (13, 4)"),
        ("unrepeatable", "broken       The same seed gives the same numbers"),
        ("seeding", "got a change of the global generator of numpy"),
        ("fragile", "expected finite factors of X with a zero row"),
        ("unmindful_of_rank", "must return W (13, 4) and H (4, 1), got (13, 1)"),
        ("raising", "ZeroDivisionError: division by zero"),
    ],
)
def test_author_of_a_function_reads_what_was_expected_and_what_came(
    file: str, function: str, words: str, capsys
) -> None:
    assert main(["check", f"solver={file}:{function}"]) == 1
    assert words in capsys.readouterr().out


def test_function_may_refuse_data_in_errors_of_its_own(file: str, capsys) -> None:
    assert main(["check", f"solver={file}:too_proud"]) == 0
    shown = capsys.readouterr().out
    assert "refused in words; refused: one sample: rank 4 is too much" in shown
    assert "too_proud keeps its promises" in shown


def test_settings_are_those_of_the_command_line(file: str, capsys) -> None:
    assert main(["check", f"solver={file}:right", "solver.params.n_iter=3"]) == 0
    assert main(["check", "solver=deep_semi"]) == 0  # whose weights are 0
    assert "vanishes with its weights: penalty is None with these settings" in capsys.readouterr().out
    assert main(["check", "solver=mu", "solver.lam=0.1", "solver.beta=1"]) == 0
    shown = capsys.readouterr().out
    assert "held         `penalty` is the part" in shown
    assert "not claimed  The objective of a monotone method never rises: monotone is False" in shown


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["solver=muu"], "did you mean mu?"),
        (["solver=mu,hals"], "names several values"),
        (["solver=mu", "rank=3"], "not rank"),
        (["solver.lam=1"], "name the method"),
        (["solver=mu", "solver.lam=-1"], "lam must be nonnegative, got -1"),
        (["solver=mu", "solver.la=1"], "unknown key solver.la; did you mean lam?"),
        (["solver=mu", "--config-dir", "absent"], "absent does not exist"),
    ],
)
def test_wrong_use_ends_with_2_and_says_what_to_do(words: list[str], answer: str, capsys) -> None:
    assert main(["check", *words]) == 2
    assert answer in capsys.readouterr().err


def test_written_solver_keeps_all_promises_with_its_penalty(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new", "solver", "my_checked", "--folder", "mine"]) == 0
    assert "check it: nmfbench check --config-dir mine solver=my_checked" in capsys.readouterr().out
    for weight in ("0", "0.1"):
        assert main(["check", "--config-dir", "mine", "solver=my_checked", f"solver.lam={weight}"]) == 0
