"""The declaration of a metric: its title, unit, decimals and direction."""

from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Metric:
    """One number that an evaluator measures, and how tables show it.

    Parameters
    ----------
    name: the key in records and CSV files, for example "nmi_max".
    title: the name that a reader sees.
    unit: with "%" the value is a fraction of 1, shown times 100; any other unit changes nothing about the value.
    decimals: digits after the point; None: four significant digits.
    better: which values are better: "higher", "lower", or "" for neither.
    shown: whether the evaluator's own table shows it where nothing is clustered; if not, only the CSV has it.
    """

    name: str
    title: str
    unit: str = ""
    decimals: int | None = None
    better: str = ""
    shown: bool = True

    def __post_init__(self) -> None:
        if self.better not in ("", "higher", "lower"):
            raise ValueError(f"better must be higher, lower or empty, got {self.better!r}")

    @property
    def scale(self) -> int:
        """The factor from the value in a record to the value in a table."""
        return 100 if self.unit == "%" else 1

    @property
    def sign(self) -> int:
        """The factor by which values sort best first: −1 where higher ones are better."""
        return 1 if self.better == "lower" else -1

    def as_dict(self) -> dict[str, Any]:
        """The declaration as plain JSON, for a record."""
        return asdict(self)

    @classmethod
    def from_dict(cls, declared: dict[str, Any]) -> "Metric":
        """The metric that `as_dict` wrote. Keys of later versions are ignored."""
        known = {field.name for field in fields(cls)}
        return cls(**{key: value for key, value in declared.items() if key in known})
