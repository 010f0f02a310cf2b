"""``python -m trunkline``."""

from __future__ import annotations

from trunkline.app.cli import main

if __name__ == "__main__":
    main()
