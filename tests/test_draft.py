"""What is written beside its place arrives there whole, or not at all."""

import contextlib
from pathlib import Path

from bodega.draft import draft_of


def test_a_file_takes_the_place_of_an_old_one(tmp_path: Path) -> None:
    target = tmp_path / "new" / "file"
    for content in ("first", "second"):
        with draft_of(target) as draft:
            draft.write_text(content)
        assert target.read_text() == content
        assert not draft.exists()


def test_a_folder_arrives_with_all_it_holds(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    with draft_of(target) as draft:
        (draft / "sub").mkdir(parents=True)
        (draft / "sub" / "file").write_text("content")
        assert not target.exists()
    assert (target / "sub" / "file").read_text() == "content"


def test_a_failure_leaves_the_old_one_and_no_draft(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("old")
    with contextlib.suppress(KeyError), draft_of(target) as draft:
        draft.write_text("half")
        raise KeyError
    assert target.read_text() == "old"
    assert not draft.exists()


def test_a_block_that_writes_nothing_changes_nothing(tmp_path: Path) -> None:
    target = tmp_path / "file"
    with draft_of(target):
        pass
    assert not target.exists()


def test_what_a_killed_process_left_is_not_taken_for_the_work(tmp_path: Path) -> None:
    target = tmp_path / "file"
    with draft_of(target) as draft:
        pass
    draft.mkdir()
    (draft / "half").write_text("")
    with draft_of(target) as draft:
        assert not draft.exists()
    assert not target.exists()
