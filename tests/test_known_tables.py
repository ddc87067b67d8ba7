"""Tables that come with other packages: each loads with its shape, or is refused for the reason that stands here."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import sklearn

from nmfbench import load_dataset
from nmfbench.errors import DataError

SKLEARN = Path(sklearn.__file__).parent / "datasets" / "data"
# file: shape of X and number of classes, or the reason.
OF_SKLEARN = {
    "wine_data.csv": ((13, 178), 3),
    "breast_cancer.csv": ((30, 569), 2),
    "iris.csv": ((4, 150), 3),
    "linnerud_exercise.csv": ((3, 20), None),
    "linnerud_physiological.csv": ((3, 20), None),
    "digits.csv.gz": "no header, it seems: line 1",
}
OF_STATSMODELS = {
    "anes96/anes96.csv": (10, 944),
    "cancer/cancer.csv": (2, 301),
    "ccard/ccard.csv": (5, 72),
    "china_smoking/china_smoking.csv": (4, 8),
    "co2/co2.csv": "59 values are missing, the first in column 'co2' .an empty field in line 8",
    "committee/committee.csv": (6, 20),
    "copper/copper.csv": (6, 25),
    "cpunish/cpunish.csv": (7, 17),
    "danish_data/data.csv": (5, 55),
    "elec_equip/elec_equip.csv": (1, 257),
    "elnino/elnino.csv": (13, 61),
    "engel/engel.csv": (2, 235),
    "fair/fair.csv": (9, 6366),
    "fair/fair_pt.csv": (10, 601),
    "fertility/fertility.csv": "column 'Indicator Name' holds words",
    "grunfeld/grunfeld.csv": "column 'firm' holds words",
    "heart/heart.csv": (3, 69),
    "interest_inflation/E6.csv": (4, 107),
    "interest_inflation/E6_jmulti.csv": "no header, it seems: line 1",
    "longley/longley.csv": (7, 16),
    "macrodata/macrodata.csv": (14, 203),
    "modechoice/modechoice.csv": (9, 840),
    "nile/nile.csv": (2, 100),
    "randhie/randhie.csv": (10, 20190),
    "scotland/scotvote.csv": (8, 32),
    "spector/spector.csv": (4, 32),
    "stackloss/stackloss.csv": (4, 21),
    "star98/star98.csv": (22, 303),
    "statecrime/statecrime.csv": (7, 51),
    "strikes/strikes.csv": (2, 62),
    "sunspots/sunspots.csv": (2, 309),
}


@pytest.mark.parametrize("name", OF_SKLEARN)
def test_table_of_scikit_learn(name: str) -> None:
    expected = OF_SKLEARN[name]
    if isinstance(expected, str):
        with pytest.raises(DataError, match=expected):
            load_dataset("file", path=str(SKLEARN / name))
        return
    data = load_dataset("file", path=str(SKLEARN / name), scaling="none")
    assert (data.X.shape, data.n_classes) == expected


def test_wine_is_that_of_load_wine() -> None:
    from sklearn.datasets import load_wine

    wine = load_wine()
    data = load_dataset("file", path=str(SKLEARN / "wine_data.csv"), scaling="none")
    assert (data.X == wine.data.T).all() and (data.y == wine.target).all()
    with pytest.raises(DataError, match="no column 'class_2'"):
        load_dataset("file", path=str(SKLEARN / "wine_data.csv"), y="class_2")


@pytest.fixture(scope="module")
def statsmodels() -> Path:
    spec = find_spec("statsmodels")
    if spec is None or spec.origin is None:
        pytest.skip("statsmodels, whose tables are read here, is not installed")
    return Path(spec.origin).parent / "datasets"


@pytest.mark.parametrize("name", OF_STATSMODELS)
def test_table_of_statsmodels(name: str, statsmodels: Path) -> None:
    expected = OF_STATSMODELS[name]
    if isinstance(expected, str):
        with pytest.raises(DataError, match=expected):
            load_dataset("file", path=str(statsmodels / name))
        return
    assert load_dataset("file", path=str(statsmodels / name), scaling="none").X.shape == expected


def test_every_table_of_statsmodels_is_named_here(statsmodels: Path) -> None:
    assert {str(path.relative_to(statsmodels)) for path in statsmodels.glob("*/*.csv")} == {*OF_STATSMODELS}
