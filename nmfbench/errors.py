"""The ways in which a run can be refused before it starts. The command line maps each to an exit code."""


class ConfigError(ValueError):
    """Wrong use or configuration: nothing was run (exit code 2)."""


class NotApplicable(ConfigError):
    """This solver cannot take this data, by its nature. Alone: exit code 2; in a sweep: skipped and named."""


class DataError(Exception):
    """Data that is corrupt or not fit for any solver (exit code 3)."""


class DataMissing(DataError):
    """Data that is not on this machine. Alone: exit code 3; in a sweep: skipped and named.

    ``anywhere`` says it without this machine's paths, for tables that travel.
    """

    def __init__(self, message: str, anywhere: str = ""):
        super().__init__(message)
        self.anywhere = anywhere or message

    def __reduce__(self) -> tuple[type["DataMissing"], tuple[str, str]]:
        return DataMissing, (str(self), self.anywhere)
