"""`python -m bench [NAME …]`: runs the benchmarks named, or all of them, and keeps the figures in build/bench/."""

from __future__ import annotations

import importlib
import pkgutil
import sys

import bench


def main() -> None:
    known = {module.name for module in pkgutil.iter_modules(bench.__path__)} - {"__main__", "support"}
    names = sys.argv[1:] or sorted(known)
    for name in names:
        if name not in known:
            raise SystemExit(f"There is no benchmark {name!r}. There are: {', '.join(sorted(known))}.")
        importlib.import_module(f"bench.{name}").main()


if __name__ == "__main__":
    main()
