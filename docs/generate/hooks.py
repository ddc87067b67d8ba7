"""What mkdocs calls while it builds: adds the pages and pictures that are made from code, configs and results/."""

import re
from functools import cache

import dataset_pages
import reference_pages
import result_pages
import solver_pages
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

MADE = (solver_pages, dataset_pages, result_pages, reference_pages)


@cache  # `make docs-serve` builds at every change of a page
def _content() -> dict[str, str | bytes]:
    """Address in the site → the Markdown of a page, or the bytes of another file."""
    return {address: content for module in MADE for address, content in module.pages().items()}


def on_config(config: MkDocsConfig) -> None:
    """Put the pages of solvers, datasets and results below their index."""
    for entry in config.nav or []:
        for children in entry.values():
            if isinstance(children, list) and isinstance(children[0], str):
                folder = children[0].partition("/")[0]
                children += [
                    address
                    for address in _content()
                    if address.startswith(f"{folder}/") and address.endswith(".md") and address != children[0]
                ]


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add the pages."""
    for address, content in _content().items():
        files.append(File.generated(config, address, content=content))


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point links to results/ at the copies in the site, and put in what tables say of a paper's printed numbers."""
    markdown = re.sub(r"\]\(\.\./results/", "](results/", markdown)
    return re.sub(r"<!-- verdicts (\w+) -->", lambda found: result_pages.verdicts(found[1]), markdown)
