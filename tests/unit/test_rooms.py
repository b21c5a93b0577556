"""Every room imports only what lies below it: the rule of docs/ARCHITECTURE.md, and its drawing."""

from __future__ import annotations

from tests.conftest import ROOT
from tools.rooms import MAY_IMPORT, PACKAGE, PLUGINS, all_imports, drawing, problems


def test_no_import_points_up_and_none_closes_a_circle():
    assert len(list(all_imports())) > 200, "imports are looked for where they no longer are"
    assert problems() == []


def test_every_folder_is_a_room():
    folders = {path.name for path in (PLUGINS / PACKAGE).iterdir() if (path / "__init__.py").is_file()}
    assert folders == MAY_IMPORT.keys() - {"root"}


def test_the_drawing_in_the_architecture_is_that_of_the_code():
    assert drawing() in (ROOT / "docs" / "ARCHITECTURE.md").read_text(), "make rooms prints it anew"
