"""Topics of every kind of factorization, names of words, and what stands below the tables in each format."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from nmfbench import load_dataset
from nmfbench.cli import main
from nmfbench.datasets.base import Dataset
from nmfbench.errors import DataError, DataMissing
from nmfbench.evaluators.base import Exhibit, Fitted
from nmfbench.evaluators.factors import Factors
from nmfbench.evaluators.layers import Layers
from nmfbench.evaluators.topics import Topics, coherences, merges, shares
from nmfbench.numerics.factorization import Chain, Hierarchy, Product, Stack
from nmfbench.running import measuring
from nmfbench.running.measuring import arrays
from nmfbench.solvers.deep_onmf import DeepONMF
from nmfbench.solvers.raw import Samples

rng = np.random.default_rng(0)


def tensors(*matrices: np.ndarray) -> tuple[torch.Tensor, ...]:
    return tuple(map(torch.from_numpy, matrices))


def of_bases(scale: np.ndarray) -> Fitted:
    """W1 = W2H2 (9 words, 4 then 2 topics, 7 documents); topic 3 goes to both above, the others to one."""
    W2, H2 = rng.uniform(size=(9, 2)) + 0.5, np.array([[1.0, 0, 0.5, 0], [0, 1, 0.5, 2]])
    H1 = rng.uniform(size=(4, 7))
    return arrays(Hierarchy(tensors(W2 @ H2, W2 * scale), tensors(H1, H2 / scale[:, None]), torch.ones(2)))


def of_codes(scale: np.ndarray) -> Fitted:
    """H1 = W2H2, whose rows have equal sums at scale 1."""
    W1, W2 = rng.uniform(size=(9, 4)), np.array([[1.0, 0], [0, 1], [0.5, 0.5], [0, 2]])
    H2 = rng.uniform(size=(2, 7))
    H2 /= H2.sum(1, keepdims=True)
    return arrays(Chain(tensors(W1, W2 * scale), tensors(W2 @ H2, H2 / scale[:, None])))


def of_a_stack(scale: np.ndarray) -> Fitted:
    """X = W2 W1 H: the words of layer 1 are W2W1."""
    W2, W1 = rng.uniform(size=(9, 2)), np.array([[1.0, 0, 0.5, 0], [0, 1, 0.5, 2]])
    W2 /= W2.sum(0)
    return arrays(Stack(tensors(W1 / scale[:, None], W2 * scale), *tensors(rng.uniform(size=(4, 7)))))


@pytest.mark.parametrize("make", [of_bases, of_codes, of_a_stack])
@pytest.mark.parametrize("scale", [(1.0, 1.0), (1e3, 1e-2)])
def test_topics_of_each_layer_merge_as_planted_however_factors_are_scaled(make, scale: tuple[float, float]) -> None:
    fitted = make(np.array(scale))
    (share,) = shares(fitted)
    assert [W.shape for W in fitted.bases] == [(9, 4), (9, 2)]
    np.testing.assert_allclose(share.sum(0), 1)
    np.testing.assert_allclose(share[:, [0, 1, 3]], [[1, 0, 0], [0, 1, 1]], atol=1e-12)
    assert [below.tolist() for below in merges(fitted, 0.25)[0]] == [[0, 2], [1, 2, 3]]


def test_every_topic_goes_somewhere() -> None:
    H2 = np.array([[0.6, 0.5], [0.4, 0.5]])
    fitted = arrays(Hierarchy(tensors(H2, np.eye(2)), tensors(np.ones((2, 3)), H2), torch.ones(2)))
    assert [below.tolist() for below in merges(fitted, 1.0)[0]] == [[0, 1], [1]]


@pytest.mark.parametrize(
    ("factorization", "titles"),
    [
        (Samples(torch.ones(9, 7)), []),
        (Product(torch.eye(9)[:, :3], torch.ones(3, 7)), ["topics of layer 1"]),
    ],
)
def test_shallow_methods_and_raw_data_are_shown_too(factorization, titles: list[str]) -> None:
    shown = Topics(words=2).exhibits(arrays(factorization), Dataset("d", np.ones((9, 7))))
    assert [exhibit.title for exhibit in shown] == titles


@pytest.mark.parametrize("evaluator", [Topics(words=2), Factors()])
def test_exhibits_are_plain_values_that_json_gives_back(evaluator) -> None:
    exhibits = evaluator.exhibits(of_bases(np.ones(2)), Dataset("d", np.ones((9, 7))))
    assert exhibits
    for exhibit in exhibits:
        assert Exhibit(**json.loads(json.dumps(vars(exhibit)))) == exhibit
        assert all(len(row) == len(exhibit.columns) for row in exhibit.rows)
        assert all(isinstance(cell, str) for row in [exhibit.columns, *exhibit.rows] for cell in row)


def test_run_hands_back_the_exhibits_of_every_seed() -> None:
    data = load_dataset("ratings", scaling="none")
    outcomes = measuring.fitted(DeepONMF(ranks=[4, 3]), data, seeds=[0, 1])
    for outcome in [measuring.score(outcome, data, Factors()) for outcome in outcomes]:
        assert outcome.exhibits == Factors().exhibits(outcome.fitted, data) and len(outcome.exhibits) == 12
    assert measuring.score(outcomes[0], data, Layers()).exhibits == []


def test_coherence_of_a_topic_by_hand() -> None:
    # Of 4 documents word 0 is in 2, word 1 in 3, both in 2: log(½ / (½ · ¾)) / log 2; words 2 and 3 never meet.
    X = np.array([[1.0, 2, 0, 0], [3, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 5]])
    expected = np.log2(4 / 3)
    np.testing.assert_allclose(coherences(X, np.array([[0, 2], [1, 3]])), [expected, -1], rtol=1e-12)


@pytest.fixture(scope="module")
def showcase(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("showcase")
    assert main(["run", "experiment=showcase", f"results_dir='{folder}'", "threads=1", "seeds=100"]) == 0
    return folder


def test_showcase_says_that_ours_is_not_the_printed_hierarchy_and_fits_better(showcase: Path) -> None:
    text = (showcase / "tables/showcase-seeds=100.md").read_text()
    verdict = (
        "ours is not the printed hierarchy (users 8, 10 elsewhere) and fits better: half the squared error of both"
    )
    assert verdict in text and "is 73.769, with the best factors of the printed clusters 74.468" in text
    assert "users                  | 6, 9, 10           | 6, 8, 9" in text


def test_exhibits_are_headings_and_tables_in_markdown_and_compile_in_latex(showcase: Path) -> None:
    md, tex = ((showcase / f"tables/showcase-seeds=100.{kind}").read_text() for kind in ("md", "tex"))
    assert "\n### deep_onmf (seed 84): W1\n\n|" in md
    assert "\n%% deep_onmf (seed 84): W1\n\n\\begin{tabular}{rrrrr}" in tex
    # A title has underscores and superscripts, which LaTeX takes in comments alone.
    bodies = [line for line in tex.splitlines() if not line.startswith("%")]
    assert not any("deep_onmf (" in line or "ᵀ" in line for line in bodies)


def test_table_of_the_experiment_shows_its_exhibits_again_byte_for_byte(showcase: Path, capsys) -> None:
    before = [path.read_bytes() for path in sorted(showcase.glob("tables/*"))]
    assert main(["table", "showcase", "--results", str(showcase)]) in (0, 1)  # 200 of 300 seeds are missing
    assert "W2 as printed" in capsys.readouterr().out
    assert [path.read_bytes() for path in sorted(showcase.glob("tables/*"))] == before


def test_printed_hierarchy_is_recognised_and_its_own_order_restored() -> None:
    data = load_dataset("ratings", scaling="none")
    printed = data.truth
    assert {name: F.shape for name, F in printed.items()} == {
        "W1": (9, 4), "W2": (9, 3), "H2": (3, 4), "H1": (4, 15), "H2H1": (3, 15)
    }  # fmt: skip
    np.testing.assert_allclose(printed["H2"] @ printed["H1"], printed["H2H1"], atol=0.01)
    one, two = [2, 0, 3, 1], [1, 2, 0]
    Ws = tensors(printed["W1"][:, one] / 7, printed["W2"][:, two])
    Hs = tensors(7 * printed["H1"][one], printed["H2"][np.ix_(two, one)] / 7)
    exhibits = Factors().exhibits(arrays(Hierarchy(Ws, Hs, torch.ones(2))), data)
    shown = {exhibit.title: np.array(exhibit.rows) for exhibit in exhibits}
    assert "ours is the printed hierarchy" in shown
    for name in ("W1", "H1ᵀ", "W2", "H2", "H2H1ᵀ"):
        ours, theirs = shown[name][:, 1:], shown[f"{name} as printed"][:, 1:]
        np.testing.assert_allclose(ours.astype(float), theirs.astype(float), atol=0.011)


def test_factors_stand_beside_the_truth_of_any_dataset_that_has_them() -> None:
    W, H = rng.uniform(size=(5, 2)), np.array([[1.0, 2, 0, 0], [0, 0, 1, 3]])
    W *= 10 / W.max(0)
    data = Dataset("mine", W @ H, truth={"W1": W, "H1": H, "M": W})
    fitted = arrays(Product(*tensors(W[:, ::-1].copy(), H[::-1].copy())))
    first, *others = Factors().exhibits(fitted, data)
    assert first.title == "ours is the printed hierarchy" and first.columns[1] == "basis sample"
    assert [exhibit.title for exhibit in others[:4]] == ["W1", "W1 as printed", "H1ᵀ", "H1ᵀ as printed"]
    assert others[0].rows == others[1].rows and others[2].rows == others[3].rows
    unlike = Dataset("mine", W @ H, truth={"W1": W[:, :1], "H1": H[:1]})
    assert [exhibit.title for exhibit in Factors().exhibits(fitted, unlike)] == ["W1", "H1ᵀ"]


def test_printed_factors_are_the_truth_of_unscaled_ratings_alone() -> None:
    assert load_dataset("ratings", scaling=["none"]).truth and not load_dataset("ratings", scaling="max").truth


def test_words_of_news20_are_words(data_dir: str) -> None:
    data = load_dataset("news20")
    assert len(data.feature_names) == data.X.shape[0] == 37693
    assert sum(word.isalpha() for word in data.feature_names) > 20000


def test_names_of_features_come_from_a_text_file(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(1.0, 13).reshape(4, 3))
    (tmp_path / "words.txt").write_text("one\ntwo\nthree\n")
    data = {"path": str(tmp_path / "x.npy"), "vocabulary": str(tmp_path / "words.txt")}
    assert load_dataset("file", **data).feature_names == ("one", "two", "three")
    with pytest.raises(DataError, match="4 features but 3 names of features"):
        load_dataset("file", **data, samples="columns")
    with pytest.raises(DataMissing, match=r"correct vocabulary"):
        load_dataset("file", **data | {"vocabulary": str(tmp_path / "none.txt")})
