"""Data cards: facts about a dataset that planning needs, kept beside the records to save reading the data again."""

import dataclasses
import json
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from nmfbench.adapters.source import source_hash
from nmfbench.config import build, escaped, structured
from nmfbench.datasets.base import Dataset, Loader
from nmfbench.datasets.corruption import Corruption
from nmfbench.datasets.files import fingerprint, locate
from nmfbench.datasets.subset import subset
from nmfbench.errors import DataMissing
from nmfbench.records import Record, Store, digest, write_text

SCHEMA = 1


@dataclass(frozen=True)
class Card:
    """One dataset as loaded for one node of a configuration.

    Parameters
    ----------
    node: the dataset's parameters, its class under ``_target_``; under "subset" how many samples are kept, if not all,
        and under "corrupt" how it is corrupted, if it is.
    name: the dataset's name in records and tables.
    sha256: checksum of X and y, see `Dataset.sha256`.
    features: m, the rows of X.
    samples: n, the columns of X.
    classes: number of distinct labels; None without labels.
    n_clusters: default cluster counts of its evaluation; None: the number of classes.
    preprocessing: what the loader did to the raw data, in sentences.
    files: path → fingerprint of every file it was read from; None for a file that was looked for and absent.
    proposed: the scaling that suits a user's own data, and why; empty: other data, or not known.
    refusals: digest of a run's config and checks → why that run cannot take this data.
    rank: number of components of a fit that is given none; None: the number of classes.
    """

    node: dict[str, Any]
    name: str
    sha256: str
    features: int
    samples: int
    classes: int | None
    n_clusters: list[int] | None
    preprocessing: list[str]
    files: dict[str, list[int] | None]
    proposed: list[str] = field(default_factory=list)
    refusals: dict[str, str] = field(default_factory=dict)
    rank: int | None = None

    def in_words(self) -> str:
        """Describe the data in a line."""
        classes = "no labels" if self.classes is None else f"{self.classes} classes"
        size = f"{self.samples} samples × {self.features} features, {classes}"
        return f"{self.name}: {'; '.join([size, *self.preprocessing])}"

    @property
    def is_current(self) -> bool:
        """Whether the files are as they were, or none of them is on this machine."""
        present = {path: fingerprint(place) if (place := locate(path)) else None for path in self.files}
        return present == self.files or not any(present.values())


class Cards:
    """The data cards of one results folder. A new card is written by `flush`, so that planning alone leaves no file."""

    def __init__(self, store: Store):
        self.folder = store.cards
        self._cards: dict[str, Card] = {}
        self._unwritten: set[str] = set()

    def known(self, node: dict[str, Any]) -> Card | None:
        """Return the card of a node, without reading data; None without a current one."""
        key = _key(node)
        if key not in self._cards:
            card = _read(self.folder / f"{key}.json")
            if card is None or card.node != node or not card.is_current:
                return None
            self._cards[key] = card
        return self._cards[key]

    def of(self, node: dict[str, Any]) -> Card:
        """Return the card of a node; load the data if there is none. Raises DataMissing, DataError or ConfigError."""
        return self.known(node) or self.loaded(node)

    def loaded(self, node: dict[str, Any]) -> Card:
        """Return the card of the data in its present state, loading it unless it is still in memory."""
        dataset, known = load(json.dumps(node)), self.known(node)
        if known is not None and known.sha256 == dataset.sha256:
            return known
        card = Card(
            node=node,
            name=dataset.name,
            sha256=dataset.sha256,
            features=dataset.X.shape[0],
            samples=dataset.n_samples,
            classes=dataset.n_classes,
            rank=dataset.rank,
            n_clusters=list(dataset.n_clusters) if dataset.n_clusters else None,
            preprocessing=list(dataset.preprocessing),
            files=dict(dataset.files),
            proposed=list(dataset.proposed or ()),
        )
        self._keep(card)
        return card

    def used(self) -> list[Card]:
        """Return the cards that this process has used."""
        return list(self._cards.values())

    def refuse(self, node: dict[str, Any], run: str, reason: str) -> None:
        """Note that this run, named by a digest, cannot take this data."""
        card = self.of(node)
        self._keep(dataclasses.replace(card, refusals=card.refusals | {run: reason}))

    def flush(self) -> None:
        """Write the new cards. They only save time, so a folder that cannot be written to is no error."""
        for key in self._unwritten:
            try:
                write_text(
                    self.folder / f"{key}.json",
                    json.dumps({"schema": SCHEMA, **dataclasses.asdict(self._cards[key])}, indent=1),
                )
            except OSError:
                return
        self._unwritten = set()

    def _keep(self, card: Card) -> None:
        key = _key(card.node)
        self._cards[key] = card
        self._unwritten.add(key)


def reading(card: Card, proposing: bool = False) -> str:
    """Say in a line how a file was read; with ``proposing``, also propose a better scaling if there is one."""
    if proposing and card.proposed and card.proposed[0] != card.node.get("scaling"):
        scaling, reason = card.proposed
        return f"{card.in_words()}; better dataset.scaling={scaling}, because {reason}"
    return card.in_words()


def loader_of(node: dict[str, Any]) -> Loader:
    """Build the loader that a node describes. Raises ConfigError for a bad parameter."""
    return _loader(json.dumps({key: value for key, value in node.items() if key not in ("subset", "corrupt")}))


@cache
def _loader(node: str) -> Loader:
    return build(escaped(json.loads(node)), Loader, "dataset")


@lru_cache(maxsize=4)  # the jobs of a sweep share their data
def load(node: str) -> Dataset:
    """Load the dataset of a node, given as JSON. Raises DataMissing, DataError, ConfigError or NotApplicable."""
    parameters = json.loads(node)
    data, size, corruption = loader_of(parameters).load(), parameters.get("subset"), parameters.get("corrupt")
    data = subset(data, size) if size else data
    return structured(corruption, Corruption, "corrupt").apply(data) if corruption else data


def kept(store: Store) -> list[Card]:
    """Read the cards of a results folder, whether or not they are still current."""
    return [card for path in sorted(store.cards.glob("*.json")) if (card := _read(path))]


def data_of(record: Record, store: Store) -> Dataset:
    """Load the data of a record by its checksum. Raises DataMissing if no card knows it, or if it is not here."""
    sha256, name = record["config"]["dataset"]["sha256"], record["dataset"]
    for card in kept(store):
        if card.sha256 == sha256:
            return load(json.dumps(card.node))
    raise DataMissing(f"no data card in {store.cards} knows the data of {name} ({sha256[:6]})")


def _key(node: dict[str, Any]) -> str:
    """Return a card's file name, a hash of the node and, for a loader from elsewhere, of its source."""
    return digest(node | {"source": source_hash(type(loader_of(node)))})


def _read(path: Path) -> Card | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Card(**content) if content.pop("schema") == SCHEMA else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None  # absent or damaged: the data is loaded again
