"""`giqa bench`: a model through GIQA-Bench, runs beside each other, and the bench by people.

`giqa bench MODEL` runs and scores a model; `compare` puts runs beside each other; `score` scores a run again, or
predictions that were made elsewhere; `scores` reads quality scores of photos; `ablation` repeats one of the paper's on
a model of one's own; `export` gives rows to Label Studio, and `import` takes the work of several people back.
"""

from __future__ import annotations

import argparse
import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError
from . import bench_ablation, bench_humans, bench_scores

if TYPE_CHECKING:
    from ..metrics.llm_score.judge import JudgeChoice

_RUN = "run-model"  # what stands for MODEL inside; nobody needs to type it
_ACTIONS = (_RUN, "compare", "score", "scores", "ablation", "export", "import")


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "bench",
        help="a model through GIQA-Bench; runs beside each other; a bench by people",
        usage="giqa bench MODEL --data DATA --out RUN  |  giqa bench {compare,score,scores,ablation,export,import} ...",
    )
    # A model is named where an action may stand: what is no action is the beginning of a run.
    parse = parser.parse_known_args

    def parse_known_args(args: Any = None, namespace: Any = None) -> Any:
        is_run = bool(args) and args[0] not in (*_ACTIONS, "-h", "--help")
        if is_run and (alike := difflib.get_close_matches(args[0], _ACTIONS[1:], n=1, cutoff=0.7)):
            tell = run.error

            def error(message: str) -> None:  # a run takes one name: with more behind it, an action was meant
                meant = f"; did you mean `giqa bench {alike[0]}`?" if "unrecognized" in message else ""
                tell(message + meant)

            run.error = error
        return parse([_RUN, *args] if is_run else args, namespace)

    parser.parse_known_args = parse_known_args
    parser.epilog = "`giqa bench MODEL -h` tells the options of a run."
    actions = parser.add_subparsers(required=True, metavar="MODEL or ACTION", prog="giqa bench")
    run = _add_run(actions)
    _add_compare(actions)
    _add_score(actions)
    bench_scores.add_action(actions)
    bench_ablation.add_action(actions)
    bench_humans.add_actions(actions)


def _add_run(actions: Any) -> Any:
    run = actions.add_parser(
        _RUN,
        prog="giqa bench",  # and no help, which would put that inner name into the list
        description="Let a model answer the benchmark, and score it. A model whose name is an action's is given as "
        "./NAME or with its owner.",
    )
    run.add_argument(
        "model",
        metavar="MODEL",
        help="folder or Hub id; with --url, the name at the server",
    )
    run.add_argument(
        "--data", default="giqa-bench", help="giqa-bench (default), giqa-synth, or a folder of rows"
    )
    run.add_argument("--split", help="split of the data (default: test, or the only one)")
    run.add_argument("--limit", type=int, help="only the first rows")
    run.add_argument("--out", type=Path, help="folder of the run (default: runs/ and the model's name)")
    run.add_argument("--backend", choices=("transformers", "vllm", "endpoint"), help="default: transformers")
    run.add_argument("--url", help="of an OpenAI-compatible server; means --backend endpoint")
    run.add_argument(
        "--concurrency", type=int, default=16, help="rows at the server at once (default: %(default)s)"
    )
    run.add_argument("--prompt-style", default="giqa", choices=("giqa", "plain", "grounding"),
                     help="giqa: as in GIQA-160K (default); plain: without boxes, for general models; "
                     "grounding: asks for boxes with an example")  # fmt: skip
    _add_reading(run)
    run.add_argument("--batch-size", type=int, default=16, help="rows per batch (default: %(default)s)")
    run.add_argument(
        "--max-new-tokens", type=int, default=512, help="limit on an answer (default: %(default)s)"
    )
    run.add_argument("--device", help="such as cuda:1 (default: a GPU if there is any)")
    run.add_argument(
        "--chat-template", metavar="FILE", help="instead of the checkpoint's (transformers only)"
    )
    run.add_argument("--dtype", help="such as bfloat16 (default: as saved; float32 on a CPU)")
    run.add_argument("--first-token", action="store_true", help="read Yes/No from the logits of the first token "
                     "too, as a figure of its own (transformers only)")  # fmt: skip
    _add_scoring(run)
    run.set_defaults(run=run_model)
    return run


def _add_compare(actions: Any) -> None:
    compare = actions.add_parser(
        "compare", help="runs beside each other, in the columns of the paper's Tab. 5"
    )
    compare.add_argument("runs", type=Path, nargs="*", help="folders of scored runs")
    compare.add_argument(
        "--published", action="store_true", help="with the paper's rows, marked as published"
    )
    compare.add_argument(
        "--html", type=Path, help="write a page with intervals, counts and Fig. 1's chart too"
    )
    compare.set_defaults(run=run_compare)


def _add_score(actions: Any) -> None:
    score = actions.add_parser(
        "score",
        help="score a run again, without its model, or predictions that were made elsewhere",
        description="Score a run again from its folder, with this judge or that; or a file of predictions that were "
        "made elsewhere, for which the options below say what they belong to.",
    )
    score.add_argument("scored", type=Path, metavar="RUN or PREDICTIONS",
                       help='a run\'s folder, or JSON Lines: {"id": ..., "answer": ...}')  # fmt: skip
    _add_scoring(score)
    made = score.add_argument_group("predictions")
    made.add_argument("--data", help="the rows that were answered (default: giqa-bench)")
    made.add_argument("--split", help="split of the data (default: test, or the only one)")
    made.add_argument("--limit", type=int, help="only the first rows")
    made.add_argument("--out", type=Path, help="folder of the run (default: runs/ and the file's name)")
    _add_reading(made)
    score.set_defaults(run=run_score)


def _add_reading(parser: argparse._ActionsContainer) -> None:
    parser.add_argument("--format", help="form of boxes, a name or JSON (default: the processor's, or giqa)")
    parser.add_argument("--frame", choices=("whole", "square"), help="in which picture boxes name places, where no "
                        "processor says it: the whole one, or padded to a square")  # fmt: skip
    parser.add_argument("--processor", help="folder or Hub id of the processor that says it")


def _add_scoring(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--judge", default="lexical", help="lexical (default), none, the address of a server, or a "
                        "language model's folder or Hub id")  # fmt: skip
    parser.add_argument("--judge-model", help="the judge's name at its server")
    parser.add_argument("--judge-repeats", type=int, metavar="N", help="how often it reads each text (default: 1); "
                        "with more, the spread of its readings is shown")  # fmt: skip
    parser.add_argument("--judge-max-tokens", type=int, metavar="N", help="limit on its answer (default: 256); a model "
                        "that thinks aloud needs some thousands")  # fmt: skip
    parser.add_argument("--judge-timeout", type=float, metavar="SECONDS", help="without an answer of the judge's "
                        "server; then it is asked once more, and then the text counts as failed (default: 60, or "
                        "--judge-max-tokens over 10 where that is more)")  # fmt: skip


def run_model(args: argparse.Namespace) -> None:
    """Answers and scores of a model."""
    from ..benchmark.run import RunSettings, run_benchmark

    out = args.out or Path("runs") / Path(args.model).name
    settings = RunSettings(
        model=args.model,
        data=args.data,
        split=args.split,
        limit=args.limit,
        backend=args.backend or ("endpoint" if args.url else "transformers"),
        url=args.url,
        prompt_style=args.prompt_style,
        box_format=args.format,
        frame=args.frame,
        processor=args.processor,
        batch_size=args.batch_size,
        max_new_tokens=args.max_new_tokens,
        concurrency=args.concurrency,
        first_token=args.first_token,
        chat_template=args.chat_template,
        device=args.device,
        dtype=args.dtype,
    )
    judge = _judge(out, args)
    _quiet()
    run_benchmark(settings, out, say=_say)
    _score(out, judge)


def run_score(args: argparse.Namespace) -> None:
    """Scores of a run, again, or of predictions from elsewhere."""
    from ..benchmark.predictions import import_predictions

    if args.scored.is_dir():
        names = ("data", "split", "limit", "out", "format", "frame", "processor")
        if given := [f"--{name}" for name in names if getattr(args, name) is not None]:
            raise DataError(
                f"{args.scored}: expected no {', '.join(given)} with a run, which has its own; leave it out, or give "
                "a file of predictions"
            )
        _score(args.scored, _judge(args.scored, args))
        return
    out = args.out or Path("runs") / args.scored.stem
    judge = _judge(out, args)
    _quiet()
    import_predictions(
        args.scored,
        out,
        data=args.data or "giqa-bench",
        split=args.split,
        limit=args.limit,
        frame=args.frame,
        processor=args.processor,
        box_format=args.format,
        say=_say,
    )
    _score(out, judge)


def run_compare(args: argparse.Namespace) -> None:
    """The table, and the page if one is asked for."""
    from ..benchmark.compare_page import compare_html
    from ..benchmark.compare_text import compare_text
    from ..benchmark.comparing import compare_runs
    from ..benchmark.differing import differences_from_first
    from ..files import write_text

    comparison = compare_runs(args.runs, published=args.published)
    differences = differences_from_first(comparison, args.runs)
    print(compare_text(comparison, differences))
    if args.html is not None:
        write_text(args.html, compare_html(comparison, differences))
        print(f"page: {args.html}")


def _judge(folder: Path, args: argparse.Namespace) -> JudgeChoice:
    """Made before the model runs, so that options which cannot be are told at once; it loads nothing yet."""
    from ..benchmark.judges import judge_of

    return judge_of(
        args.judge,
        folder,
        model=args.judge_model,
        repeats=args.judge_repeats,
        max_tokens=args.judge_max_tokens,
        timeout_s=args.judge_timeout,
    )


def _score(folder: Path, judge: JudgeChoice) -> None:
    from ..benchmark.compare_text import compare_text
    from ..benchmark.comparing import compare_runs
    from ..benchmark.scoring import score_run

    scores = score_run(folder, judge=judge)
    print(compare_text(compare_runs([folder])))
    told = scores["answers"]
    failed = sum(told["failures"].values())
    print(f"{told['rows']} rows: {told['with_words']} with words, {told['empty']} empty, {failed} failed; "
          f"{told['cut_off']} cut off")  # fmt: skip
    print(f"scores: {folder / 'scores.json'}")


def _quiet() -> None:
    from ..quickstart import quiet

    quiet()


def _say(line: str) -> None:
    print(line, flush=True)
