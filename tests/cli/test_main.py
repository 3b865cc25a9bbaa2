"""The command as a whole: exit codes, one sentence instead of a traceback, and what a terminal can and cannot show."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from giqa_hf import __version__
from giqa_hf.cli import main as cli
from giqa_hf.errors import GiqaError, MissingExtraError


def command(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "giqa_hf.cli.main", *arguments],
        capture_output=True, text=True, encoding="utf-8", check=False, **options,
    )  # fmt: skip


@pytest.fixture
def failing(monkeypatch):
    """Function: exit code of `giqa fail`, a command that raises this error."""

    def run(error):
        def fail(args):
            raise error

        def add_parser(subparsers):
            subparsers.add_parser("fail").set_defaults(run=fail)

        monkeypatch.setattr(cli, "COMMANDS", (SimpleNamespace(add_parser=add_parser),))
        return cli.main(["fail"])

    return run


HEAD = "We couldn't connect to the Hub.\nCheck your connection.\nSee the documentation."
ERRORS = [
    # A problem that the user can mend: its sentence.
    (GiqaError("a: expected b, found c; do d"), 2, "giqa: a: expected b, found c; do d\n"),
    (
        MissingExtraError("tuning", "train"),
        2,
        'giqa: tuning needs the extra "train": run  pip install "giqa-hf[train]"  (in a clone of the repository: '
        'pip install -e ".[train]")\n',
    ),
    # The system's errors: where and what, whether they have a file name or not.
    (
        OSError(errno.ENOSPC, "No space left on device", "/out/x"),
        2,
        "giqa: /out/x: the disk is full; make room",
    ),
    (OSError(errno.ENOSPC, "No space left on device"), 2, "giqa: the disk is full; make room"),
    (
        PermissionError(errno.EACCES, "Permission denied", "/root/x"),
        2,
        "giqa: /root/x: Permission denied; check the place",
    ),
    (OSError(HEAD), 2, "giqa: We couldn't connect to the Hub; check the place"),  # one line of many
    (OSError(), 2, "giqa: OSError; check the place"),
    # Ctrl-C: 128 + SIGINT's 2
    (KeyboardInterrupt(), 130, "\ngiqa: interrupted; run the same command again to go on\n"),
]


@pytest.mark.parametrize(("error", "code", "words"), ERRORS)
def test_errors_end_in_a_sentence_and_an_exit_code(failing, capsys, error, code, words):
    assert failing(error) == code
    out, err = capsys.readouterr()
    assert out == "" and err.startswith(words) and err.strip().count("\n") == 0


def test_a_bug_is_not_hidden(failing):
    with pytest.raises(ZeroDivisionError):
        failing(ZeroDivisionError())


def test_version(capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"giqa_hf {__version__}\n"


def test_help_names_the_commands_and_loads_nothing_heavy():
    code = (
        "import sys; from giqa_hf.cli.main import main\n"
        "try: main(['--help'])\n"
        "finally: print([m for m in ('torch', 'transformers', 'datasets') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0 and "quickstart" in run.stdout and "describe" in run.stdout
    assert run.stdout.endswith("[]\n") and run.stderr == ""


@pytest.mark.parametrize("arguments", [[], ["fly"], ["describe"], ["quickstart", "--train-scenes", "many"]])
def test_wrong_arguments_are_told_with_the_usage(arguments, capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(arguments)
    err = capsys.readouterr().err
    assert err.startswith("usage: giqa") and "error:" in err.splitlines()[-1]


TOO_MANY = [
    # The usage of the innermost command that was named, and what it did not expect.
    (["annotate", "t.csv", "--licence", "x"], "giqa annotate", "unrecognized arguments: --licence x"),
    (["dataset", "check", "a", "--against", "b", "c"], "giqa dataset check", "unrecognized arguments: c"),
    (["bench", "score", "a", "b"], "giqa bench score", "unrecognized arguments: b"),
    (["bench", "a", "b"], "giqa bench", "unrecognized arguments: b"),
    # A misspelt action is taken for a model, until more comes behind it.
    (["bench", "scor", "r"], "giqa bench", "unrecognized arguments: r; did you mean `giqa bench score`?"),
    (
        ["bench", "scroes", "m", "--labels", "l"],
        "giqa bench",
        "unrecognized arguments: m --labels l; did you mean `giqa bench scores`?",
    ),
    (["--colour", "describe", "x"], "giqa", "unrecognized arguments: --colour"),
]


@pytest.mark.parametrize(("arguments", "prog", "said"), TOO_MANY)
def test_a_word_too_many_is_told_with_the_usage_of_its_command(arguments, prog, said, capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(arguments)
    err = capsys.readouterr().err
    assert err.startswith(f"usage: {prog} [-h]") and err.endswith(f"\n{prog}: error: {said}\n")


@pytest.mark.parametrize("arguments", [["--help"], ["quickstart", "--help"], ["describe", "--help"]])
def test_help_on_a_terminal_that_knows_ascii_only(arguments):
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    run = command(*arguments, env=environment)
    assert run.returncode == 0 and run.stderr == "" and "usage: giqa" in run.stdout


def test_a_reader_that_has_seen_enough(monkeypatch):
    """As `giqa ... | head -1`: no traceback, and the exit code of SIGPIPE, 128 + 13."""
    code = (
        "import sys, time; from types import SimpleNamespace; from giqa_hf.cli import main as cli\n"
        "def run(args):\n"
        "    sys.stdin.read()\n"  # until the reader is gone
        "    for _ in range(1000): print('x' * 100)\n"
        "def add_parser(subparsers): subparsers.add_parser('talk').set_defaults(run=run)\n"
        "cli.COMMANDS = (SimpleNamespace(add_parser=add_parser),)\n"
        "sys.exit(cli.main(['talk']))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    process.stdin.close()
    assert process.wait(60) == 141
    assert process.stderr.read() == b""
    process.stderr.close()
