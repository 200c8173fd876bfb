"""The web console: TypeScript sources in this folder, and where the built files are.

Whoever serves them asks for the folder here; nothing else in the package is Python.
"""

from pathlib import Path


def asset_root() -> Path:
    """Return the folder of the built console: index.html, login.html, share/assets and a few icons.

    It exists only after `npm run build` in this folder, which wheels and images include.
    """
    return Path(__file__).parent / "dist"
