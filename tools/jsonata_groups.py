"""`python tools/jsonata_groups.py FOLDER`: JSONata's official test groups, run as Step Functions evaluates JSONata.

FOLDER is `test/test-suite` of the reference implementation, or any copy: `groups/<group>/<case>.json` beside
`datasets/`. Every case that fails is listed with what was wanted and what came, the pass rate stands at the end.
`--expect LIST` names a file of cases that may fail (`group/case`, a reason after it) and makes any other failure, or
any listed case that passes, the command's failure.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonata.jexception import JException
from jsonata.utils import Utils

from forecourt.services.stepfunctions.asl.chance import Chance
from forecourt.services.stepfunctions.asl.errors import DefinitionError
from forecourt.services.stepfunctions.asl.jsonata import UNDEFINED, Expression
from forecourt.services.stepfunctions.asl.scope import Scope

# The reference implementation's code for "took too long or recursed too deeply"; our bounds speak in words.
_OUT_OF_BOUNDS = "U1001"


@dataclass(frozen=True)
class Case:
    group: str
    name: str
    expression: str
    data: Any
    bindings: dict[str, Any]
    wanted: str  # what `outcome` must say


def cases(folder: Path) -> Iterator[Case]:
    for path in sorted((folder / "groups").glob("*/*.json")):
        held = json.loads(path.read_text())
        several = isinstance(held, list)
        for index, raw in enumerate(held if several else [held]):
            name = f"{path.stem}[{index}]" if several else path.stem
            text = raw["expr"] if "expr" in raw else (path.parent / raw["expr-file"]).read_text()
            yield Case(path.parent.name, name, text, _data(raw, folder), raw.get("bindings") or {}, _wanted(raw))


def _data(raw: dict[str, Any], folder: Path) -> Any:
    if "data" in raw:
        return Utils.NULL_VALUE if raw["data"] is None else raw["data"]
    dataset = raw.get("dataset")
    return json.loads((folder / "datasets" / f"{dataset}.json").read_text()) if dataset else None


def _wanted(raw: dict[str, Any]) -> str:
    if "result" in raw:
        return _shown(raw["result"])
    if "code" in raw or "error" in raw:
        return f"error {raw.get('code') or raw['error'].get('code')}"
    return "nothing"


def outcome(case: Case) -> str:
    scope = Scope({}, case.bindings, Chance(b"groups" * 4), dict, time.time())
    try:
        value = Expression(case.expression).over(case.data, scope)
    except JException as error:
        return f"error {error.error}"
    except DefinitionError as error:
        code = getattr(error.__cause__, "error", None)
        return f"error {code}" if code else f"refused: {error}"
    except Exception as error:
        return f"refused: {type(error).__name__}: {error}"
    return "nothing" if value is UNDEFINED else _shown(value)


def _shown(value: Any) -> str:
    return json.dumps(_like_javascript(value), sort_keys=True, ensure_ascii=False)


def _like_javascript(value: Any) -> Any:
    """JavaScript knows one kind of number: 1.0 and 1 are the same; 15 digits are compared."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else float(f"{value:.14g}")
    if isinstance(value, dict):
        return {key: _like_javascript(item) for key, item in value.items()}
    return [_like_javascript(item) for item in value] if isinstance(value, list) else value


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--expect", type=Path, metavar="LIST")
    chosen = arguments.parse_args()
    excused = {line.split()[0] for line in chosen.expect.read_text().splitlines() if line} if chosen.expect else set()
    passed, failed = 0, set()
    for case in cases(chosen.folder):
        came = outcome(case)
        if came == case.wanted or (case.wanted == f"error {_OUT_OF_BOUNDS}" and came.startswith("refused")):
            passed += 1
            continue
        failed.add(f"{case.group}/{case.name}")
        print(f"{case.group}/{case.name}: {case.expression!r:.100}")
        print(f"    wanted {case.wanted:.160}\n    came   {came:.160}")
    total = passed + len(failed)
    print(f"{passed} of {total} cases pass ({100 * passed / max(total, 1):.1f} %).")
    if chosen.expect:
        surprising = failed ^ excused
        sys.exit(f"Not as {chosen.expect} has it: {', '.join(sorted(surprising))}" if surprising else 0)


if __name__ == "__main__":
    main()
