"""The committed package list, and fetching its archives through each registry's own client."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

PERMISSIVE = {"MIT", "MIT-0", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "PSF-2.0", "ISC"}
REGISTRIES = ("pypi", "npm", "go", "crates", "maven")


@dataclass(frozen=True)
class Package:
    registry: str
    name: str
    version: str
    licence: str
    include: tuple[str, ...] = ()
    heldout: bool = False

    @property
    def archive_name(self) -> str:
        safe = self.name.replace("/", "__").replace(":", "__")
        suffix = {"pypi": ".whl", "npm": ".tgz", "go": ".zip", "crates": ".crate", "maven": ".jar"}[self.registry]
        return f"{self.registry}/{safe}@{self.version}{suffix}"

    @property
    def label(self) -> str:
        return f"{self.registry}:{self.name}@{self.version}"


def load_packages(path: Path) -> list[Package]:
    """Reads packages.toml; refuses an unknown registry, a licence outside PERMISSIVE and a package listed twice."""
    packages = []
    seen = set()
    for entry in tomllib.loads(path.read_text())["package"]:
        package = Package(**{**entry, "include": tuple(entry.get("include", ()))})
        if package.registry not in REGISTRIES:
            raise ValueError(
                f"{package.label}: unknown registry {package.registry!r}; known are {', '.join(REGISTRIES)}."
            )
        if not set(package.licence.split(" OR ")) & PERMISSIVE:
            raise ValueError(f"{package.label}: licence {package.licence!r} is not in the permissive list.")
        if (package.registry, package.name) in seen:
            raise ValueError(f"{package.label} is listed twice.")
        seen.add((package.registry, package.name))
        packages.append(package)
    return packages


def fetch_all(packages: list[Package], folder: Path) -> None:
    """Downloads what `folder` does not hold yet; each archive appears under its final name only when complete."""
    fetchers: dict[str, Callable[[list[Package], Path], None]] = {
        "pypi": _fetch_pypi,
        "npm": _fetch_npm,
        "go": _fetch_go,
        "crates": _fetch_crates,
        "maven": _fetch_maven,
    }
    for registry, fetch in fetchers.items():
        missing = [p for p in packages if p.registry == registry and not (folder / p.archive_name).exists()]
        if missing:
            print(f"{registry}: fetching {len(missing)} packages", flush=True)
            (folder / registry).mkdir(parents=True, exist_ok=True)
            fetch(missing, folder)


def _run(command: list[str], cwd: Path) -> str:
    result = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    if result.returncode != 0:
        raise RuntimeError(f"{' '.join(command[:3])} failed:\n{result.stdout[-500:]}{result.stderr[-1500:]}")
    return result.stdout


def _keep(source: Path, package: Package, folder: Path) -> None:
    target = folder / package.archive_name
    partial = target.with_suffix(target.suffix + ".partial")
    shutil.copyfile(source, partial)
    os.replace(partial, target)


def _fetch_pypi(missing: list[Package], folder: Path) -> None:
    for package in missing:
        with tempfile.TemporaryDirectory() as scratch:
            _run(
                [
                    sys.executable,
                    "-m",
                    "pip",
                    "download",
                    "--quiet",
                    "--disable-pip-version-check",
                    "--no-deps",
                    "--only-binary",
                    ":all:",
                    "--dest",
                    ".",
                    f"{package.name}=={package.version}",
                ],
                Path(scratch),
            )
            _keep(next(Path(scratch).glob("*.whl")), package, folder)


def _fetch_npm(missing: list[Package], folder: Path) -> None:
    for package in missing:
        with tempfile.TemporaryDirectory() as scratch:
            _run(["npm", "pack", "--silent", f"{package.name}@{package.version}"], Path(scratch))
            _keep(next(Path(scratch).glob("*.tgz")), package, folder)


def _fetch_go(missing: list[Package], folder: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "go.mod").write_text("module corpus\n\ngo 1.22\n")
        for package in missing:
            report = _run(["go", "mod", "download", "-json", f"{package.name}@{package.version}"], Path(scratch))
            _keep(Path(json.loads(report)["Zip"]), package, folder)


def _fetch_crates(missing: list[Package], folder: Path) -> None:
    lines = [
        "[package]",
        'name = "corpus"',
        'version = "0.0.0"',
        'edition = "2021"',
        "[lib]",
        'path = "lib.rs"',
        "[dependencies]",
    ]
    lines += [f'{p.name} = "={p.version.split("+")[0]}"' for p in missing]
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "Cargo.toml").write_text("\n".join(lines) + "\n")
        (Path(scratch) / "lib.rs").touch()
        _run(["cargo", "fetch", "--quiet"], Path(scratch))
    cargo_home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    for package in missing:
        found = sorted(cargo_home.glob(f"registry/cache/*/{package.name}-{package.version}.crate"))
        if not found:
            raise RuntimeError(f"{package.label}: cargo fetched another version; correct the version in packages.toml.")
        _keep(found[0], package, folder)


def _fetch_maven(missing: list[Package], folder: Path) -> None:
    for package in missing:
        group, artifact = package.name.split(":")
        with tempfile.TemporaryDirectory() as scratch:
            _run(
                [
                    "mvn",
                    "--quiet",
                    "--batch-mode",
                    "dependency:copy",
                    f"-Dartifact={package.name}:{package.version}:jar:sources",
                    f"-DoutputDirectory={scratch}",
                ],
                Path(scratch),
            )
            _keep(next(Path(scratch).glob("*.jar")), package, folder)


def read_files(package: Package, folder: Path, wanted: Callable[[str], bool]) -> list[tuple[str, bytes]]:
    """The archive's wanted files as (path inside the package, bytes), in path order, limited to the package's
    `include` folders."""
    archive = folder / package.archive_name
    read = _read_zip if archive.suffix in (".whl", ".zip", ".jar") else _read_tar

    def chosen(path: str) -> bool:
        inner = _inside(package, path)
        return wanted(inner) and (not package.include or any(inner.startswith(f"{root}/") for root in package.include))

    return sorted((_inside(package, path), data) for path, data in read(archive, chosen))


def _inside(package: Package, path: str) -> str:
    if package.registry == "go":
        return path.removeprefix(f"{package.name}@{package.version}/")
    if package.registry in ("npm", "crates"):
        return path.split("/", 1)[-1]
    return path


def _read_zip(archive: Path, chosen: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(archive) as opened:
        for name in opened.namelist():
            if not name.endswith("/") and chosen(name):
                yield name, opened.read(name)


def _read_tar(archive: Path, chosen: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(archive, "r|*") as opened:
        for member in opened:
            if member.isfile() and chosen(member.name):
                yield member.name, opened.extractfile(member).read()
