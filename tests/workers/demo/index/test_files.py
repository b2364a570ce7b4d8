"""Files that appear whole or not at all."""

from pathlib import Path

import pytest

from workers.demo.index.files import copy_file, digest_of, publish_file


def test_a_published_file_replaces_the_old_one_and_leaves_nothing_beside(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.write_text("old")
    publish_file(target, lambda aside: aside.write_text("new"))
    assert target.read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_writer_that_fails_leaves_the_old_content(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.write_text("old")

    def fail(aside: Path) -> None:
        aside.write_text("half")
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError):
        publish_file(target, fail)
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_a_killed_writer_left_aside_does_not_stand_in_the_way(tmp_path: Path) -> None:
    def leave_behind(aside: Path) -> None:
        aside.write_text("whole")
        aside.with_name(".out.1.tmp").write_text("of another process")

    publish_file(tmp_path / "out", leave_behind)
    publish_file(tmp_path / "out", leave_behind)
    assert (tmp_path / "out").read_text() == "whole"


def test_a_copy_has_the_digest_of_its_source(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"content")
    copy_file(tmp_path / "a", tmp_path / "b")
    assert digest_of(tmp_path / "b") == digest_of(tmp_path / "a")
    (tmp_path / "b").write_bytes(b"Content")
    assert digest_of(tmp_path / "b") != digest_of(tmp_path / "a")
