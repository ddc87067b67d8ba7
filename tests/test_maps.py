"""Abundance maps and spectra of every layer: their names, order, scale and numbers."""

import numpy as np
import pytest

from nmfbench.datasets import columns
from nmfbench.datasets.base import Dataset
from nmfbench.evaluators.base import Fitted
from nmfbench.evaluators.unmixing import Unmixing, abundances, spectral_angles
from nmfbench.reports import maps, materials
from nmfbench.reports.figures import FIGURES, common
from nmfbench.reports.maps import Maps

rng = np.random.default_rng(0)
M, A = rng.uniform(0.1, 1, (7, 3)), rng.dirichlet([0.5] * 3, 20).T
M /= M.max(0)
TRUTH = {"M": M, "A": A, "materials": np.array(["rock", "tree", "water"])}
SCENE = columns.scene(4, 5)
DATA = Dataset("planted", M @ A, scene=SCENE, truth=TRUTH)


def hierarchy(order: list[int]) -> Fitted:
    """Layer 1: the true spectra in this order, scaled, then a second water; layer 2 merges tree with both waters."""
    scale = np.array([2.0, 5.0, 0.1])
    W1 = np.column_stack([M[:, order] * scale, 0.9 * M[:, 2] + 0.02])
    H1 = np.vstack([A[order] / scale[:, None], np.zeros(20)])
    into = np.array([0 if k == 0 else 1 for k in [*order, 2]])  # rock by itself
    H2 = np.eye(2)[:, into]
    W2 = W1 @ H2.T / H2.sum(1)
    return Fitted([H1, H2 @ H1], {"W1": W1}, [W1, W2], [H2], "bases")


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1]])
def test_components_have_the_names_of_the_true_materials_in_their_order(order: list[int]) -> None:
    first, second = materials.layers(hierarchy(order), DATA)
    assert first.names == ["rock", "tree", "water", "water 2"] and second.names == ["rock", "tree + water + water 2"]
    np.testing.assert_allclose(first.abundances, np.vstack([A, np.zeros(20)]), atol=1e-12)
    np.testing.assert_allclose(first.angles[:3], 0, atol=1e-5)
    assert np.isnan(first.angles[3]) and np.isnan(second.angles).all()
    np.testing.assert_allclose(first.bases[:, :3], M)
    np.testing.assert_allclose(second.abundances.sum(0), 1)


def test_unknown_materials_are_numbered_in_the_order_of_the_first_method() -> None:
    unknown = Dataset("unknown", DATA.X, scene=SCENE)
    first, _ = materials.layers(hierarchy([0, 1, 2]), unknown)
    codes = hierarchy([2, 0, 1])
    codes.codes[0][3] = codes.codes[0][:3].min(0) / 2 + 1e-3  # a row that correlates with something
    again, second = materials.layers(codes, unknown, first.abundances + 1e-9 * rng.random((4, 20)))
    np.testing.assert_allclose(np.corrcoef(again.abundances[:3], A)[:3, 3:].argmax(1), [0, 1, 2])
    assert again.names == ["1", "2", "3", "4"] and second.names == ["1", "2 + 3 + 4"]


def test_four_layers_are_named_by_all_that_they_merge_and_one_that_takes_nothing_by_a_dash() -> None:
    W, links = rng.random((6, 5)), [np.eye(4, 5), np.eye(3, 4), np.array([[1.0, 1, 1], [0, 0, 0]])]
    links[0][0, 4] = links[1][2, 3] = 1
    bases, codes = [W], [rng.random((5, 12))]
    for link in links:
        bases.append(np.maximum(bases[-1] @ link.T, 1e-9))
        codes.append(link @ codes[-1])
    shown = materials.layers(Fitted(codes, {"W1": W}, bases, links, "bases"), Dataset("d", np.ones((6, 12))))
    assert [layer.names for layer in shown[1:]] == [
        ["1 + 5", "2", "3", "4"],
        ["1 + 5", "2", "3 + 4"],
        ["1 + 5 + 2 + 3 + 4", "–"],
    ]


def test_abundances_do_not_depend_on_the_scale_of_the_bases_and_sum_to_one() -> None:
    W, H = rng.random((7, 3)), rng.random((3, 5))
    H[:, 2] = 0
    D = np.array([3.0, 0.2, 7.0])
    np.testing.assert_allclose(abundances(W * D, H / D[:, None]), abundances(W, H))
    np.testing.assert_allclose(abundances(W, H).sum(0), 1)
    assert (abundances(W, H)[:, 2] == 1 / 3).all(), "a pixel without codes"
    measured = {row["metric"]: row["value"] for row in Unmixing().evaluate(hierarchy([1, 2, 0]), DATA, 0, None)}
    assert measured["spectral_angle"] == pytest.approx(0, abs=1e-5)
    assert measured["abundance_rmse"] == pytest.approx(0, abs=1e-9)


def run(solver: str, seed: int, objective: float, fitted: Fitted) -> common.Run:
    record = {"solver": solver, "seed": seed, "objective": objective, "config": {"solver": {"ranks": [4, 2]}}}
    return common.Run(record, fitted, lambda: DATA)


def runs(solvers: tuple[str, ...]) -> list[common.Run]:
    worse = hierarchy([0, 1, 2])
    worse.bases[0][:] = rng.random(worse.bases[0].shape)
    return [
        made for solver in solvers for made in (run(solver, 0, 2.0, worse), run(solver, 1, 1.0, hierarchy([2, 1, 0])))
    ]


METHODS = ("deep_kl_minvol", "lc_dmf", "multilayer_kl")


def test_maps_of_all_methods_and_of_the_truth_have_one_scale() -> None:
    figure = FIGURES["deep_kl_fig10_11"].draw(runs(METHODS))
    shown = [ax for ax in figure.findobj(lambda a: hasattr(a, "images")) if ax.images]
    assert len(shown) == 3 * (4 + 2) + 3
    assert {image.get_clim() for ax in shown for image in ax.images} == {(0, 1)}
    titles = [ax.get_title() for ax in shown]
    assert titles.count("rock") == 3 * 2 + 1 and titles.count("water\N{NO-BREAK SPACE}2") == 3
    rocks = [ax.images[0].get_array() for ax in shown if ax.get_title() == "rock"]
    upright = A[0].reshape(5, 4).T  # pixels are stored column by column
    assert sum(np.allclose(rock, upright) for rock in rocks) == 3 + 1, "layer 1 of three methods, and the truth"


def test_numbers_of_the_maps_are_those_of_the_run_with_the_lowest_objective() -> None:
    table = FIGURES["urban_synthetic_maps"].numbers(runs(("deep_onmf", "deep_kl_minvol")))
    assert len(table) == 2 * (4 + 2)
    first = table[(table["solver"] == "deep_onmf") & (table["layer"] == 1)]
    assert list(first["material"]) == ["rock", "tree", "water", "water 2"]
    np.testing.assert_allclose(first["mean"][:3], A.mean(1))
    np.testing.assert_allclose(first["rmse"][:3], 0, atol=1e-9)
    assert table.loc[table["layer"] == 2, "rmse"].isna().all()
    figure = FIGURES["urban_synthetic_maps"].draw(runs(("deep_onmf", "deep_kl_minvol")))
    assert len([ax for ax in figure.findobj(lambda a: hasattr(a, "images")) if ax.images]) == 3 + 2 * (4 + 2)


@pytest.mark.parametrize(("name", "solver"), [("survey_fig5", "deep_onmf"), ("deep_kl_fig1", "deep_kl_minvol")])
def test_maps_of_an_image_without_truth_are_numbered(name: str, solver: str) -> None:
    unknown = Dataset("urban", DATA.X, scene=SCENE)
    finished = [common.Run(run(solver, 0, 1.0, hierarchy([0, 1, 2])).record, hierarchy([0, 1, 2]), lambda: unknown)]
    shown = [ax for ax in FIGURES[name].draw(finished).findobj(lambda a: hasattr(a, "images")) if ax.images]
    assert [ax.get_title() for ax in shown] == ["1", "2", "3", "4", "1", "2 + 3 + 4"]
    table = FIGURES[name].numbers(finished)
    assert list(table["material"]) == ["1", "2", "3", "4", "1", "2 + 3 + 4"] and table["rmse"].isna().all()


def test_spectra_stand_beside_the_truth_with_their_angles_in_the_legend() -> None:
    tilted = hierarchy([0, 1, 2])
    tilted.bases[0][:, 1] += 0.3
    finished = [run(solver, 0, 1.0, tilted) for solver in METHODS]
    table = FIGURES["samson_spectra"].numbers(finished)
    assert len(table) == 3 * 7 and list(table["band"][:7]) == [1, 2, 3, 4, 5, 6, 7]
    np.testing.assert_allclose(table["true"], M.T.ravel())
    of_tree = table[table["material"] == "tree"]
    angle = spectral_angles(M[:, 1:2], tilted.bases[0][:, 1:2]).item()
    np.testing.assert_allclose(of_tree["lc_dmf_angle"], angle)
    np.testing.assert_allclose(of_tree["lc_dmf"], tilted.bases[0][:, 1] / tilted.bases[0][:, 1].max())
    _, tree, _ = FIGURES["samson_spectra"].draw(finished).axes
    texts = [text.get_text() for text in tree.get_legend().get_texts()]
    assert texts == ["truth", *(f"{common.NAMES[solver]}, {angle:.1f}°" for solver in METHODS)]
    np.testing.assert_allclose(tree.lines[0].get_ydata(), M[:, 1])


def test_names_are_wrapped_above_small_maps_and_an_empty_place_stays_empty() -> None:
    images = rng.random((3, 4, 6))
    panel = Maps("one", images, ["a", "b + c + d + e + f + g", "h"], 2)
    assert panel.rows == 2 and maps.wrapped(panel, 0.6)[1] == "b + c + d +\ne + f + g"
    figure = maps.maps([[panel, panel], [panel, None]], "t", "n", width=6)
    assert len([ax for ax in figure.findobj(lambda a: hasattr(a, "images")) if ax.images]) == 9


def test_rows_are_put_in_the_order_of_those_they_resemble() -> None:
    codes = rng.random((4, 30))
    like = codes[[2, 0, 3, 1]] * 3 + 0.01 * rng.random((4, 30))
    assert list(materials.matching(codes, like)) == [2, 0, 3, 1]


def test_second_of_one_name_has_a_number() -> None:
    assert materials.numbered(["a", "b", "a", "a"]) == ["a", "b", "a 2", "a 3"]
