"""A page in a real browser without a screen: what a script finds in it."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"


def found(page: str, script: str, folder: Path, *options: str) -> Any:
    """The ``result`` of a script at the end of the page; fails on any error in the console."""
    ending = (
        f'<script>window.onerror = (message) => {{ document.title = "error: " + message }};\n{{{script}\n'
        'if (!document.title.startsWith("error")) document.title = JSON.stringify(result)}</script></body>'
    )
    (folder / "page.html").write_text(page.replace("</body>", ending), encoding="utf-8")
    command = [str(CHROMIUM), *QUIET.split(), f"--user-data-dir={folder / 'profile'}", *options]
    command += ["--enable-logging=stderr", "--v=0", "--dump-dom", (folder / "page.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    title = re.search("<title>(.*?)</title>", done.stdout)
    assert title and not title[1].startswith("error"), title
    assert "CONSOLE" not in done.stderr, done.stderr
    return json.loads(html.unescape(title[1]))
