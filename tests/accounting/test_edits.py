"""How many lines an edit adds and removes, and what git has printed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionmill.decode.edits import Edit, file_hash, line_count, of_diff, of_patch, replaced
from sessionmill.decode.git import commits, created_pull_request, pull_request

# Lines


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("a", "b", (1, 1)),
        ("", "a\nb", (2, 0)),
        ("a\nb\n", "", (0, 2)),
        ("a\nb", "a\nx\nb", (1, 0)),
        ("a\nb\nc", "a\nc", (0, 1)),
        ("a\nb\nc", "a\nx\ny\nc", (2, 1)),
        ("a\n", "a", (0, 0)),
        ("a\na", "a", (0, 1)),
        # Lines between two changes count as both: it takes no comparison to see that.
        ("a\nkeep\nb", "x\nkeep\ny", (3, 3)),
    ],
)
def test_lines_that_both_texts_begin_or_end_with_are_not_changed(
    old: str, new: str, changed: tuple[int, int]
) -> None:
    assert replaced(old, new) == changed


LINES = st.lists(st.sampled_from("abc"), max_size=8).map("\n".join)


@given(LINES, LINES)
def test_a_replacement_tells_the_growth_and_never_more_than_all_lines(old: str, new: str) -> None:
    added, removed = replaced(old, new)
    before, after = (old.split("\n") if old else []), (new.split("\n") if new else [])
    assert added - removed == len(after) - len(before)
    assert 0 <= added <= len(after) and 0 <= removed <= len(before)
    assert (added == removed == 0) == (before == after)


@pytest.mark.parametrize(("text", "count"), [("", 0), ("a", 1), ("a\n", 1), ("a\n\nb", 3)])
def test_a_last_line_needs_no_newline(text: str, count: int) -> None:
    assert line_count(text) == count


def test_of_a_diff_the_lines_behind_signs_count() -> None:
    assert of_diff([" a", "+b", "-c", "+", "@@ -1 +1 @@", "\\ No newline"]) == (2, 1)


def test_a_patch_tells_its_lines_and_its_first_file() -> None:
    patch = "*** Begin Patch\n*** Update File: a.py\n@@ x\n a\n-b\n+c\n+d\n*** Add File: b.py\n+e"
    assert of_patch(patch) == Edit(3, 1, file_hash("a.py"))
    assert of_patch("*** Begin Patch\n*** Delete File: a.py") == Edit(0, None, file_hash("a.py"))
    assert of_patch("no patch") == Edit(0, 0, None)


def test_paths_are_told_apart_and_not_kept() -> None:
    assert file_hash("/a") == file_hash("/a") != file_hash("/b")
    assert file_hash(None) is file_hash("") is None


# What git and gh print


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[main 1a2b3c4] Fix it\n 1 file changed", ["1a2b3c4"]),
        ("[main (root-commit) 1a2b3c4] Begin", ["1a2b3c4"]),
        ("[detached HEAD 1a2b3c4d] x", ["1a2b3c4d"]),
        ("[feat/x-y_z.1 1a2b3c4] x", ["1a2b3c4"]),
        ("hooks ran\n[main 1a2b3c4] x\n[main 5d6e7f8] y\n[main 1a2b3c4] x", ["1a2b3c4", "5d6e7f8"]),
        ("[1/2] building\n[main 1a2b3c4] x", ["1a2b3c4"]),
        # No lines of git's.
        ("see [main 1a2b3c4] x", []),
        ("  [main 1a2b3c4] x", []),
        ("[main 1a2b3c4]", []),
        ("[main 1a2b3] x", []),
        ("[main 1a2b3cg] x", []),
        ("[two words 1a2b3c4] x", []),
        ("[link](1a2b3c4) x", []),
        ("\n[\n[", []),
        ("", []),
    ],
)
def test_a_commit_is_a_line_as_git_writes_it(text: str, found: list[str]) -> None:
    assert commits(text) == found


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("https://github.com/acme/shop/pull/7", "acme/shop#7"),
        ("Creating pull request\n\nhttps://git.example.invalid/a.b/c_d/pull/12\n", "a.b/c_d#12"),
        ("https://github.com/acme/shop/pull/7#issuecomment-1", None),
        ("see https://github.com/acme/shop/pull/7", None),
        ("https://github.com/acme/shop/pull/7\nmore", None),
        ("https://github.com/acme/shop/issues/7", None),
        ("", None),
    ],
)
def test_a_pull_request_is_an_address_that_ends_the_output(text: str, name: str | None) -> None:
    assert created_pull_request(text) == name


@given(st.text(alphabet="[]main 0123456789abcdef\n()-", max_size=60))
def test_of_any_text_commits_are_short_ids(text: str) -> None:
    for sha in commits(text):
        assert 7 <= len(sha) <= 40 and set(sha) <= set("0123456789abcdef")
    assert pull_request(text) is None
