"""Write the two files of a solver of one's own, which work as they are."""

from pathlib import Path

from nmfbench import config
from nmfbench.adapters import source
from nmfbench.errors import ConfigError


def solver(name: str, folder: Path) -> list[Path]:
    """Write ``folder``/NAME.py and its YAML in ``folder``/solver; returns both. Raises ConfigError if one exists."""
    if not (name.isidentifier() and name.islower()):
        raise ConfigError(f"{name!r} is no name for a solver: small letters, digits and _, as in my_nmf")
    if name in config.options("solver"):
        raise ConfigError(f"{name} is a solver already; choose another name")
    module, yaml = folder / f"{name}.py", folder / "solver" / f"{name}.yaml"
    for path in (module, yaml):
        if path.exists():
            raise ConfigError(f"{path} exists; choose another name, or another folder with --folder")
    kind = name.title().replace("_", "")
    written = (Path(source.__file__).parent / "template.py").read_text(encoding="utf-8").replace("Template", kind)
    yaml.parent.mkdir(parents=True, exist_ok=True)
    module.write_text(written, encoding="utf-8")
    yaml.write_text(
        f"# {name}: say in a line what it is\n"
        f"_target_: {name}.{kind}\n"
        "rank: ${rank}\n"
        "lam: 0.0   # paper: its value, and where it stands\n",
        encoding="utf-8",
    )
    return [module, yaml]
