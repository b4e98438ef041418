import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from jakiro_training.packages import Package, load_packages, read_files

COMMITTED = Path(__file__).parents[1] / "packages.toml"


def test_committed_list_is_valid_and_holds_packages_out():
    packages = load_packages(COMMITTED)
    assert len(packages) > 150
    assert {p.registry for p in packages if p.heldout} == {"pypi", "npm", "go", "crates", "maven"}


@pytest.mark.parametrize(
    "change, complaint",
    [
        ({"licence": "GPL-3.0-only"}, "licence"),
        ({"registry": "elsewhere"}, "unknown registry"),
        ({"name": "first"}, "twice"),
    ],
)
def test_refused_lists(tmp_path, change, complaint):
    entries = [
        {"registry": "pypi", "name": "first", "version": "1", "licence": "MIT"},
        {"registry": "pypi", "name": "second", "version": "1", "licence": "LGPL-2.1 OR MIT"} | change,
    ]
    lines = [
        line for entry in entries for line in ("[[package]]", *(f'{key} = "{value}"' for key, value in entry.items()))
    ]
    (tmp_path / "packages.toml").write_text("\n".join(lines))
    with pytest.raises(ValueError, match=complaint):
        load_packages(tmp_path / "packages.toml")


def test_archives_are_read_below_their_own_folder(tmp_path):
    npm = Package("npm", "@scope/thing", "2.0.0", "MIT", include=("src",))
    go = Package("go", "example.org/thing", "v1.0.0", "MIT")
    for package in (npm, go):
        (tmp_path / package.archive_name).parent.mkdir()
    with tarfile.open(tmp_path / npm.archive_name, "w:gz") as archive:
        for name in ("package/src/b.ts", "package/src/a.ts", "package/dist/a.js"):
            member = tarfile.TarInfo(name)
            member.size = 2
            archive.addfile(member, io.BytesIO(b"hi"))
    with zipfile.ZipFile(tmp_path / go.archive_name, "w") as archive:
        archive.writestr("example.org/thing@v1.0.0/main.go", "package main")
    assert read_files(npm, tmp_path, lambda path: True) == [("src/a.ts", b"hi"), ("src/b.ts", b"hi")]
    assert read_files(go, tmp_path, lambda path: path.endswith(".go")) == [("main.go", b"package main")]
