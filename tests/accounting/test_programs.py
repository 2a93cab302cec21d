"""Which program a shell command runs; no other word of it is ever given back."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionmill.decode.programs import program, program_of


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("git status", "git"),
        ("  npm\ttest", "npm"),
        ("ls", "ls"),
        ("/usr/local/bin/node build.js", "node"),
        ("./gradlew build", "gradlew"),
        ("~/bin/tool --all", "tool"),
        ("$HOME/.cargo/bin/cargo test", "cargo"),
        ("g++ -O2 a.cc", "g++"),
        ("python3.11 x.py", "python3.11"),
        ("apt-get update", "apt-get"),
        (r".\build.ps1 -Fast", "build.ps1"),
        ("/mnt/c/git/bin/git.exe log", "git"),
        # The first of several, whatever stands behind it.
        ("git add . && git commit -m 'x'", "git"),
        ("npx eslint . | tail -5; git push", "npx"),
        ("cat <<'EOF' > notes.txt\nsecret words\nEOF", "cat"),
        ("make>log 2>&1", "make"),
        # What is run by a program is its own affair.
        ("python -m pytest -q", "python"),
        ("bash -c 'make test'", "bash"),
        ("uv run pytest", "uv"),
        ("xargs -n1 rm < list", "xargs"),
        # What prepares is passed over.
        ("cd /work/shop && make test", "make"),
        ('cd "/work/my shop" && make', "make"),
        ("cd src; go vet ./...", "go"),
        ("cd src\ngo vet ./...", "go"),
        ("cd /nowhere || exit; ls", "exit"),
        ("pushd a && popd && ls", "ls"),
        ("export A=1 B='x y' && npm test", "npm"),
        ("source .venv/bin/activate && pytest", "pytest"),
        (". ./env.sh; pytest", "pytest"),
        ("set -euo pipefail\npytest", "pytest"),
        ("[ -f a ] && cat a", "cat"),
        ("[[ -f a ]] && cat a", "cat"),
        ('A="$(git log "x y")" make', "make"),
        ("test -d x || mkdir x", "mkdir"),
        ("Set-Location D:/x; npx vale .", "npx"),
        # … and is what ran where nothing follows.
        ("cd /work", "cd"),
        ("export A=1", "export"),
        ("source x.sh", "source"),
        # Assignments.
        ("NODE_ENV=test npm test", "npm"),
        ("A=1 B=2 make", "make"),
        ("A='x y' B=\"p q\" make", "make"),
        ("A=$(git rev-parse HEAD) make", "make"),
        ("A=$(echo 'a)b' \")\" `x`) make", "make"),
        ("A=${B:-c d} make", "make"),
        ("A=`git log` make", "make"),
        ("A=$'it\\'s' make", "make"),
        ("A+=x a[1]=2 make", "make"),
        ("SCRATCH=/tmp/x; ls $SCRATCH", "ls"),
        # Wrappers.
        ("sudo apt install x", "apt"),
        ("sudo -u postgres -E psql", "psql"),
        ("env -i PATH=/bin A='b c' make", "make"),
        ("env", "env"),
        ("/usr/bin/env node x", "node"),
        ("time -p make", "make"),
        ("nohup ./server.sh &", "server.sh"),
        ("timeout 60 pytest", "pytest"),
        ("timeout -k 5 --signal KILL 1m pytest", "pytest"),
        ("timeout --kill-after=5 60 pytest", "pytest"),
        ("sudo timeout 5 nice -n 10 make", "make"),
        ("stdbuf -oL tail -f x", "tail"),
        ("command -v node", "command"),
        ("command node x", "node"),
        ("exec node x", "node"),
        ("sudo -k 2>&1", "sudo"),
        # Brackets, keywords, comments, redirections, continued lines.
        ("(cd a && make)", "make"),
        ("{ make; }", "make"),
        ("! grep x y", "grep"),
        ("if git diff --quiet; then echo same; fi", "git"),
        ("for f in a b c; do rm $f; done", "rm"),
        ("while true; do curl x; done", "true"),
        ("# first build\nmake", "make"),
        ("\\\n  make all", "make"),
        ("> out.txt ls", "ls"),
        ("2>/dev/null ls", "ls"),
        ("< in.txt sort", "sort"),
        ("<<< word cat", "cat"),
        ("make &", "make"),
        # What stands behind the first words may be anything.
        ('git commit -m "$(cat <<\'EOF\'\nsay "no" secret\nEOF\n)"', "git"),
        ("git commit -m 'left open", "git"),
    ],
)
def test_the_first_program_is_named(command: str, name: str) -> None:
    assert program(command) == name


@pytest.mark.parametrize(
    "command",
    [
        "",
        "   \n\t",
        "# only a comment",
        "A=1",
        # A quoted word, and one that comes from elsewhere, may be anything.
        '"git" status',
        "'my secret' x",
        '"$DIR/omp.exe" print',
        "$PYTHON x.py",
        "$(which git) log",
        "`which git` log",
        "g'i't status",
        "a\\ b",
        # From a heredoc on, words may be text.
        "<<EOF cat\nsecret words\nEOF",
        "export A=$(cat <<EOF\nsecret words\nEOF\n) && ls",
        "cd x <<EOF\nsecret\nEOF\n",
        "export A=$(cat <<EOF\na) secret\nmore words\nEOF\n) && ls",
        'export A="$(cat <<EOF\nsay "no" secret\nmore words\nEOF\n)" && ls',
        # Within these brackets && separates no commands.
        "[[ -f a && -f b ]] && cat a",
        # Left open.
        "A='x make",
        'A="x make',
        "A=$(x make",
        "A=`x make",
        # What no program is called.
        "2024 x",
        "--version",
        "...",
        "+x",
        "über x",
        "user@host:x",
        "https://example.invalid/",
        "*.sh",
        "x" * 65,
        "=x",
    ],
)
def test_what_cannot_be_told_is_nothing(command: str) -> None:
    assert program(command) is None


def test_a_command_as_deep_as_it_may_be_is_not_told() -> None:
    assert program('A="$(' * 2000) is None


def test_a_quote_that_is_escaped_ends_nothing() -> None:
    told = r"""body=$'## It\'s "new" and broader' && gh pr create --body "$body" """
    assert program(told) == "gh"


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (["bash", "-lc", "cd x && git log"], "git"),
        (["/bin/zsh", "-c", "'quoted' words"], None),
        (["git", "log"], "git"),
        (["/usr/bin/rg", "x"], "rg"),
        (["bash", "script.sh"], "bash"),
        (["bash", "-lc", "a", "b"], "bash"),
        (["my words"], None),
        ([], None),
    ],
)
def test_of_a_list_of_words_it_is_the_first_or_what_a_shell_runs(
    argv: list[str], name: str | None
) -> None:
    assert program_of(argv) == name


SIGNS = ("'x y'", "\n", *"cd sudo env timeout A=1 git \" ' ` $( ) ${ } <<EOF << < > && ||".split())
SIGNS += tuple("; | ( \\ # - -u for in do [ ] 2>&1 $'".split())
#: Words and signs from which commands are made, and whatever else.
PIECES = st.lists(
    st.one_of(
        st.sampled_from(SIGNS),
        st.text(max_size=6),
    ),
    max_size=14,
)


@given(PIECES, st.sampled_from(["", " "]))
def test_of_any_text_it_is_a_programs_name_or_nothing(pieces: list[str], between: str) -> None:
    name = program(between.join(pieces))
    assert name is None or re.fullmatch(r"[A-Za-z0-9._+-]{1,64}", name, re.ASCII)


@given(st.text(alphabet="'\"`", min_size=1, max_size=3), PIECES)
def test_no_word_is_taken_from_within_quotes(quotes: str, pieces: list[str]) -> None:
    inside = "".join(c for c in "Kanarienvogel ".join(["", *pieces]) if c not in "'\"`\\")
    quote = quotes[0]
    for command in (
        f"{quote}{inside}{quote}",
        f"A={quote}{inside}{quote} cd {quote}{inside}{quote}",
    ):
        assert "Kanarienvogel" not in (program(command) or "")
