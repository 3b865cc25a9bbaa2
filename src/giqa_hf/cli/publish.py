"""`giqa publish`: a dataset, a model, the metric or the web app to the Hub, after a look at what would be sent."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import GiqaError

if TYPE_CHECKING:
    from ..hub.plan import UploadPlan


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser("publish", help="send a dataset, a model, a metric or the app to the Hub")
    actions = parser.add_subparsers(required=True, metavar="WHAT")

    dataset = actions.add_parser("dataset", help="a folder of `giqa dataset build` or `giqa bench import`")
    dataset.add_argument("path", type=Path, help="the folder")
    dataset.add_argument(
        "--whole", action="store_true", help="refuse instead of leaving out photos that may not be passed on"
    )
    dataset.add_argument(
        "--without", action="append", default=[], metavar="FILE", help="leave a file out, such as eval.yaml"
    )
    _add_common(dataset, run_dataset)

    model = actions.add_parser("model", help="a run of `giqa train`, or a checkpoint with a card")
    model.add_argument("path", type=Path, help="the folder")
    model.add_argument(
        "--bench",
        type=Path,
        action="append",
        default=[],
        metavar="RUN",
        help="a scored run of `giqa bench` of it",
    )
    model.add_argument(
        "--bench-dataset", metavar="ME/NAME", help="the benchmark on the Hub, for .eval_results of those runs"
    )
    model.add_argument("--merged", action="store_true", help="of a run with an adapter, the merged weights")
    _add_common(model, run_model)

    metric = actions.add_parser("metric", help="a metric as a Space that evaluate.load opens")
    metric.add_argument("name", nargs="?", default="giqa_bench", help="of the metric (default: %(default)s)")
    _add_package(metric)
    _add_common(metric, run_metric)

    space = actions.add_parser("space", help="the web app as a Gradio Space")
    space.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="ME/NAME",
        help="a model on the Hub (default: giqa-tiny)",
    )
    _add_package(space)
    _add_common(space, run_space)


def _add_package(parser: Any) -> None:
    parser.add_argument(
        "--package",
        metavar="ADDRESS",
        help="where the Space installs giqa-hf from, such as git+https://... (default: PyPI)",
    )


def _add_common(parser: Any, run: Any) -> None:
    parser.add_argument(
        "--to", required=True, metavar="ME/NAME", help="your user or organisation, and a name"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="show what would be sent, and stop; needs no network"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--public", action="store_true", help="for all to see (default: private)")
    parser.add_argument("--update", action="store_true", help="change a repository that is there already")
    parser.add_argument("--revision", default="main", help="branch (default: %(default)s)")
    parser.set_defaults(run=run)


def run_dataset(args: argparse.Namespace) -> None:
    """Run `giqa publish dataset`."""
    from ..hub.dataset_plan import dataset_plan

    with dataset_plan(
        args.path, args.to, private=not args.public, whole=args.whole, left_out=args.without
    ) as plan:
        _publish(plan, args)


def run_model(args: argparse.Namespace) -> None:
    """Run `giqa publish model`."""
    from ..hub.model_plan import model_plan

    plan = model_plan(
        args.path,
        args.to,
        bench_runs=args.bench,
        bench_dataset=args.bench_dataset,
        merged=args.merged,
        private=not args.public,
    )
    _publish(plan, args)


def run_metric(args: argparse.Namespace) -> None:
    """Run `giqa publish metric`."""
    from ..hub.metric_plan import metric_plan

    _publish(metric_plan(args.name, args.to, package=args.package, private=not args.public), args)


def run_space(args: argparse.Namespace) -> None:
    """Run `giqa publish space`."""
    from ..hub.space_plan import space_plan

    plan = space_plan(args.to, models=tuple(args.model), package=args.package, private=not args.public)
    _publish(plan, args)


def _publish(plan: UploadPlan, args: argparse.Namespace) -> None:
    """Show the plan, ask, send it."""
    print(plan.describe(), flush=True)
    plan.check()
    if args.dry_run:
        print("nothing was sent (--dry-run)")
        return
    if not args.yes and not sys.stdin.isatty():
        raise GiqaError(
            "nobody can be asked here, for there is no terminal; look at --dry-run, then run with --yes"
        )
    from ..hub.upload import look_up, stale_files, summary, upload

    def say(line: str) -> None:
        print(line, flush=True)

    remote = look_up(plan, update=args.update, revision=args.revision, say=say)
    for path in stale_files(plan, remote):
        print(f"removed there: {path}")
    if not args.yes:
        where = f"{'private' if plan.private else 'PUBLIC'} {plan.repo_type} {plan.repo_id}"
        answer = input(f"send {len(plan.files)} files to the {where}? [y/N] ")
        if answer.strip().lower() not in ("y", "yes"):
            raise GiqaError("nothing was sent, as you wished")
    print(summary(plan, upload(plan, remote, revision=args.revision, say=say)))
