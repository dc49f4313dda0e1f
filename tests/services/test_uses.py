"""What is in use is not removed, and what is being removed is not used."""

from pathlib import Path

import pytest

from bodega.errors import ModelInUse
from bodega.services.uses import Uses


def test_a_folder_in_use_is_kept(tmp_path: Path) -> None:
    uses = Uses()
    use = uses.begin(tmp_path / "model" / "snapshots" / "1", "loaded")
    with pytest.raises(ModelInUse, match="loaded"), uses.none_of(tmp_path / "model"):
        pass
    with uses.none_of(tmp_path / "model-2"):
        pass
    use.end()
    use.end()
    with uses.none_of(tmp_path / "model"):
        pass


def test_each_of_several_uses_keeps_it(tmp_path: Path) -> None:
    uses = Uses()
    first, second = uses.begin(tmp_path, "loaded"), uses.begin(tmp_path, "being downloaded")
    first.end()
    with pytest.raises(ModelInUse, match="downloaded"), uses.none_of(tmp_path):
        pass
    second.end()
    with uses.none_of(tmp_path):
        pass


def test_nobody_uses_what_is_being_removed(tmp_path: Path) -> None:
    uses = Uses()
    with uses.none_of(tmp_path):
        with pytest.raises(ModelInUse, match="deleted"):
            uses.begin(tmp_path / "inside", "loaded")
        with pytest.raises(ModelInUse, match="deleted"), uses.none_of(tmp_path):
            pass
    uses.begin(tmp_path / "inside", "loaded").end()


def test_a_folder_by_another_name_is_the_same(tmp_path: Path) -> None:
    uses = Uses()
    (tmp_path / "model").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "model")
    uses.begin(tmp_path / "link", "loaded")
    with pytest.raises(ModelInUse), uses.none_of(tmp_path / "model"):
        pass
