"""Methods that were not written for nmfbench: functions, scikit-learn's estimators, torch modules."""

from pathlib import Path

import numpy as np
import pytest
import torch
from shell import nmfbench
from sklearn.decomposition import NMF, PCA, FastICA

from nmfbench import Stopping, fit
from nmfbench.adapters.function import FunctionSolver
from nmfbench.adapters.module import ModuleSolver
from nmfbench.adapters.sklearn import SklearnSolver
from nmfbench.cli import main
from nmfbench.errors import ConfigError
from nmfbench.records import Store

METHODS = '''
import numpy as np
import torch

from beside import SMALL

def updated(X, W, H, alpha):
    H = H * (W.T @ X) / (W.T @ W @ H + alpha)
    return W * (X @ H.T) / (W @ H @ H.T + alpha), H

def started(X, rank, seed):
    draw = np.random.default_rng(seed)
    return draw.random((len(X), rank)), draw.random((rank, X.shape[1]))

def whole(X, rank, seed, alpha=SMALL, n_iter=20, quiet=True):
    """Lee and Seung's updates, 20 times."""
    W, H = started(X, rank, seed)
    for _ in range(n_iter):
        W, H = updated(X, W, H, alpha)
    X *= 0  # a careless method
    return W, H

def steps(X, rank, seed):
    W, H = started(X, rank, seed)
    while True:
        yield W, H
        W[:], H[:] = updated(X, W, H, SMALL)  # in place, as methods do

def fixed(X, rank):
    return X[:, :rank], np.eye(rank, X.shape[1]).tolist()

def transposed(X, rank, seed):
    W, H = started(X, rank, seed)
    return W.T, H.T

def nothing(X, rank, seed):
    pass

class Module(torch.nn.Module):
    def __init__(self, X, rank, l1=0.0):
        super().__init__()
        self.W = torch.nn.Parameter(torch.rand(len(X), rank))
        self.H = torch.nn.Parameter(torch.rand(rank, X.shape[1]))
        self.l1 = l1

    def factors(self):
        return self.W.relu(), self.H.relu()

    def forward(self, X):
        W, H = self.factors()
        return (X - W @ H).square().mean() + self.l1 * H.mean()

class Estimator:
    def __init__(self, n_components=2):
        self.n_components = n_components

    def fit_transform(self, X):
        self.components_ = X[: self.n_components]
        return np.ones((len(X), self.n_components))

class Neither:
    pass
'''


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file of methods in the current folder, with a neighbour that it imports; its name is new in each test."""
    name = f"methods_of_{tmp_path.name}.py".replace("-", "_")
    (tmp_path / name).write_text(METHODS)
    (tmp_path / "beside.py").write_text("SMALL = 1e-9\n")
    monkeypatch.chdir(tmp_path)
    return name


def run(*words: str) -> int:
    return main(["run", *words, "dataset=synthetic", "dataset.n_samples=20", "rank=3", "threads=1", "results_dir=r"])


def test_function_gets_X_rank_and_seed_and_its_factors_are_the_result(file: str, X: np.ndarray) -> None:
    before = X.copy()
    results = fit(FunctionSolver(rank=3, function=f"{file}:whole"), X, seeds=[4, 5], dtype="float64")
    for result, seed in zip(results, (4, 5), strict=True):
        draw = np.random.default_rng(seed)
        W, H = draw.random((len(X), 3)), draw.random((3, X.shape[1]))
        for _ in range(20):
            H = H * (W.T @ X) / (W.T @ W @ H + 1e-9)
            W = W * (X @ H.T) / (W @ H @ H.T + 1e-9)
        assert result.status == "solved"
        np.testing.assert_allclose(result.factorization.W, W)
        assert result.objective == pytest.approx(((X - W @ H) ** 2).sum() / 2)
    assert np.array_equal(X, before)


def test_generator_has_a_history_and_obeys_the_stopping_rule(file: str, X: np.ndarray) -> None:
    solver = FunctionSolver(rank=3, function=f"{file}:steps")
    stopping = Stopping(max_iter=20, check_every=1)
    (stepwise,) = fit(solver, X, seeds=[4], dtype="float64", stopping=stopping)
    (whole,) = fit(FunctionSolver(rank=3, function=f"{file}:whole"), X, seeds=[4], dtype="float64")
    assert len(stepwise.history) == 21 and stepwise.iterations == 20
    assert stepwise.objective == pytest.approx(whole.objective)
    together = fit(solver, X, seeds=[4, 5], dtype="float64", stopping=stopping, together=True)
    assert together[0].objective == pytest.approx(stepwise.objective, rel=1e-12)
    assert together[1].objective != pytest.approx(stepwise.objective, rel=1e-3)


def test_function_without_a_seed_is_fitted_once_for_all(file: str, X: np.ndarray) -> None:
    solver = FunctionSolver(rank=3, function=f"{file}:fixed")
    assert not solver.draws
    first, second = fit(solver, X, seeds=2)
    assert first.objective == second.objective


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("transposed", r"W \(13, 3\) and H \(3, 29\), got \(3, 13\) and \(29, 3\)"),
        ("nothing", "must return W .* got NoneType"),
    ],
)
def test_wrong_result_is_named_with_what_was_expected(file: str, name: str, words: str, X: np.ndarray) -> None:
    with pytest.raises(ConfigError, match=words):
        fit(FunctionSolver(rank=3, function=f"{file}:{name}"), X)


def test_function_that_cannot_be_called_is_refused_before_the_fit(file: str) -> None:
    with pytest.raises(ConfigError, match="beta"):
        FunctionSolver(rank=3, function=f"{file}:whole", params={"beta": 1})
    with pytest.raises(ConfigError, match="cannot be imported: AttributeError"):
        FunctionSolver(rank=3, function=f"{file}:absent")
    with pytest.raises(ConfigError, match=r"must be my_file\.py:name"):
        FunctionSolver(rank=3, function="whole")


@pytest.mark.parametrize("estimator", [NMF, PCA, FastICA])
def test_estimator_gives_scikit_learns_own_factors(estimator: type, X: np.ndarray) -> None:
    params = {"init": "random", "max_iter": 2000} if estimator is NMF else {}
    solver = SklearnSolver(rank=3, estimator=f"sklearn.decomposition.{estimator.__name__}", params=params)
    (result,) = fit(solver, X, seeds=[7], dtype="float64")
    peer = estimator(n_components=3, random_state=7, **params)
    codes = peer.fit_transform(X.T.copy())
    np.testing.assert_allclose(result.factorization.codes[0], codes.T)
    np.testing.assert_allclose(result.factorization.reconstruct(), peer.inverse_transform(codes).T, atol=1e-12)


def test_estimators_parameters_are_checked() -> None:
    with pytest.raises(ConfigError, match="no parameter beta"):
        SklearnSolver(rank=3, estimator="sklearn.decomposition.NMF", params={"beta": 1})
    with pytest.raises(ConfigError, match="nmfbench sets it"):
        SklearnSolver(rank=3, estimator="sklearn.decomposition.NMF", params={"random_state": 1})
    with pytest.raises(ConfigError, match="no parameter n_components"):
        SklearnSolver(rank=3, estimator="sklearn.preprocessing.StandardScaler")
    with pytest.raises(ConfigError, match="no class with fit_transform"):
        SklearnSolver(rank=3, estimator="sklearn.cluster.k_means")


def test_module_descends_its_loss_as_torchs_adam_does(file: str, X: np.ndarray) -> None:
    solver = ModuleSolver(rank=3, module=f"{file}:Module", params={"l1": 0.1}, lr=0.05)
    state = torch.get_rng_state()
    (result,) = fit(solver, X, seeds=[2], dtype="float64", stopping=Stopping(max_iter=30))
    assert torch.equal(torch.get_rng_state(), state)
    with torch.random.fork_rng():
        torch.manual_seed(2)
        module = solver.adapted(torch.from_numpy(X), 3, l1=0.1).double()
    optimizer = torch.optim.Adam(module.parameters(), lr=0.05)
    for _ in range(30):
        optimizer.zero_grad()
        module(torch.from_numpy(X)).backward()
        optimizer.step()
    loss = module(torch.from_numpy(X)).item()
    assert result.objective == pytest.approx(loss) and loss < result.history[0][1] / 2
    np.testing.assert_allclose(result.factorization.W, module.factors()[0].detach())


def test_file_named_on_the_command_line_is_a_solver_beside_others(file: str, capsys) -> None:
    methods = ",".join(f"{file}:{name}" for name in ("whole", "steps", "Module", "Estimator"))
    assert run("-m", f"solver={methods},mu", "seeds=2", "stopping.max_iter=5") == 0
    records = Store(Path("r")).load()[0]
    assert {record["solver"] for record in records} == {"whole", "steps", "Module", "Estimator", "mu"}
    assert "whole: code from outside nmfbench, source" in capsys.readouterr().out


def test_parameter_with_a_default_is_a_setting(file: str, capsys) -> None:
    assert run("-m", f"solver={file}:whole", "solver.params.n_iter=1,2", "seeds=1") == 0
    assert {record["config"]["solver"]["params"]["n_iter"] for record in Store(Path("r")).load()[0]} == {1, 2}
    assert "\nn_iter=2" in capsys.readouterr().out
    assert run(f"solver={file}:whole", "solver.params.beta=1", "seeds=1") == 2
    assert "there are: n_iter, quiet" in capsys.readouterr().err  # SMALL is an expression: the function's own affair


def test_edited_file_is_run_again(tmp_path: Path, file: str) -> None:
    assert run(f"solver={file}:fixed", "seeds=1") == 0
    assert run(f"solver={file}:fixed", "seeds=1") == 0
    assert len(Store(Path("r")).load()[0]) == 1
    (tmp_path / file).write_text(METHODS.replace("return X[:, :rank]", "return 2 * X[:, :rank]"))
    from nmfbench.adapters import source

    source.load.cache_clear()  # a new process has none
    source.source_hash.cache_clear()
    assert run(f"solver={file}:fixed", "seeds=1") == 0
    assert len(Store(Path("r")).load()[0]) == 2


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("{file}:whol", "no function or class 'whol' at its top; did you mean whole?"),
        ("absent.py:whole", "absent.py cannot be read: No such file or directory"),
        ("{file}:Neither", "neither fit_transform"),
        ("broken.py:whole", "broken.py is not Python, line 1"),
        ("mine.py:mu", "mu is a solver of nmfbench"),
        ("{file}:whole,mine.py:whole", "names two methods called whole"),
    ],
)
def test_mistake_in_the_name_of_a_file_is_explained(tmp_path: Path, file: str, method: str, words: str, capsys) -> None:
    (tmp_path / "broken.py").write_text("def whole(:\n")
    (tmp_path / "mine.py").write_text("def mu(X, rank): pass\ndef whole(X, rank): pass\n")
    assert run("-m", f"solver={method.format(file=file)}", "seeds=1") == 2
    assert words in capsys.readouterr().err


def test_planning_and_help_do_not_run_the_file(tmp_path: Path, file: str, capsys) -> None:
    (tmp_path / file).write_text("raise SystemExit('ran')\ndef whole(X, rank): pass\n")
    assert main(["run", f"solver={file}:whole", "--cfg", "job"]) == 0
    assert f"function: {file}:whole" in capsys.readouterr().out
    assert run(f"solver={file}:whole", "seeds=1") == 2
    assert "cannot be imported: SystemExit: ran" in capsys.readouterr().err


@pytest.mark.parametrize("key", ["function: os.path.join", "estimator: stranger.Estimator", "module: stranger.Module"])
def test_yaml_that_nobody_named_imports_nothing(tmp_path: Path, key: str, monkeypatch, capsys) -> None:
    kind = {"function": "function.FunctionSolver", "estimator": "sklearn.SklearnSolver"}
    target = kind.get(key.partition(":")[0], "module.ModuleSolver")
    (tmp_path / "nmfbench/solver").mkdir(parents=True)
    yaml = f"_target_: nmfbench.adapters.{target}\nrank: ${{rank}}\n{key}\nparams: {{}}\n"
    (tmp_path / "nmfbench/solver/stranger.yaml").write_text(yaml)
    monkeypatch.delenv("NMFBENCH_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert run("solver=stranger", "seeds=1") == 2
    assert "is refused: importing a class runs its module" in capsys.readouterr().err
    monkeypatch.setenv("NMFBENCH_CONFIG", str(tmp_path / "nmfbench"))  # now somebody has named it
    run("solver=stranger", "seeds=1")
    assert "is refused" not in capsys.readouterr().err


def test_verify_takes_the_file_of_a_method_that_was_named_by_a_relative_path(
    tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    code = "def own(X, rank):\n    return X[:, :rank] + 0.1, X[:rank] + 0.1\n"
    Path("own.py").write_text(code)
    assert (
        nmfbench("run", "solver=own.py:own", "dataset=uci_iris", "seeds=2", "stopping.max_iter=20", "results_dir=r")
        == 0
    )
    assert nmfbench("verify", "solver=own.py:own", "results_dir=r") == 0
    assert nmfbench("verify", "results_dir=r") == 1
    assert "or be named here: solver=own.py:own" in capsys.readouterr().out
