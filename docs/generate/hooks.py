"""Hooks of mkdocs, which add the pages and pictures that are generated from code, configs and results/."""

import re
from functools import cache

import dataset_pages
import reference_pages
import result_pages
import solver_pages
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

GENERATORS = (solver_pages, dataset_pages, result_pages, reference_pages)


@cache  # cached, because `make docs-serve` builds at every change of a page
def _content() -> dict[str, str | bytes]:
    """Return address in the site → the Markdown of a page, or the bytes of another file."""
    return {address: content for module in GENERATORS for address, content in module.pages().items()}


def on_config(config: MkDocsConfig) -> None:
    """List the pages of solvers, datasets and results below their index in the navigation."""
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
    """Add the generated pages and pictures to the site."""
    for address, content in _content().items():
        files.append(File.generated(config, address, content=content))


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point links to results/ at the copies in the site, and insert each table's verdict on a paper's numbers."""
    markdown = re.sub(r"\]\(\.\./results/", "](results/", markdown)
    return re.sub(r"<!-- verdicts (\w+) -->", lambda match: result_pages.verdicts(match[1]), markdown)
