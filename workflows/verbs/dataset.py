"""``ionscreen dataset ...``: everything about the files of a dataset."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...datasets import InvalidInput

if TYPE_CHECKING:
    from ...datasets import Dataset

__all__ = ["dataset"]

UNSOUND = 3

dataset = typer.Typer(
    help="Look at, check, repair, merge, describe and export datasets.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    epilog=f"Exit codes: those of ionscreen; {UNSOUND} if verify found something wrong.",
)

Folder = Annotated[Path, typer.Argument(help="The dataset: RUN/dataset of a campaign.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@dataset.command()
def info(folder: Folder, as_json: AsJson = False) -> None:
    """Say what a dataset holds; quick at any size, because no shard is opened."""
    from ...datasets import info as read_info

    found = read_info(folder)
    if as_json:
        _print_json(found.to_dict())
        return
    lines = [
        f"{folder}: {_count(found.samples, 'sample')} in {_count(found.shards, 'shard')}, {_size(found.file_bytes)}"
    ]
    counts = found.counts
    for title, values in (("shapes", counts.shapes), ("families", counts.families)):
        lines.append(f"  {title:<9} {_listed(values)}")
    lines += [f"  {name:<9} {_listed(values)} (axes)" for name, values in sorted(counts.status.items())]
    if found.repeated:
        lines.append(f"  {_count(found.repeated, 'sample')} stored twice; the first counts.")
    if found.missing_shards:
        lines.append(f"  {_count(found.missing_shards, 'shard')} missing: ionscreen dataset repair {folder}")
    if found.leftover_bytes:
        lines.append(f"  {_size(found.leftover_bytes)} left by interrupted writers; harmless.")
    typer.echo("\n".join(lines))


@dataset.command()
def verify(folder: Folder, as_json: AsJson = False) -> int:
    """Check every hash, every layout, and whether the numbers can be true."""
    from ...datasets import verify as find

    with _bar("Verifying shards", _shards(folder)) as advance:
        findings = find(folder, on_shard=advance)
    if as_json:
        _print_json({"sound": not findings, "findings": [vars(finding) for finding in findings]})
    elif not findings:
        typer.echo(f"{folder}: sound.")
    else:
        for finding in findings:
            where = " ".join(part for part in (finding.shard[:8], finding.sample) if part)
            typer.echo(
                f"{finding.kind:<9} {where}: {finding.sentence}" if where else f"{finding.kind:<9} {finding.sentence}"
            )
        typer.echo(f"{_count(len(findings), 'finding')}. Damaged files: ionscreen dataset repair {folder}")
    return UNSOUND if findings else 0


@dataset.command()
def repair(folder: Folder, as_json: AsJson = False) -> None:
    """Move damaged files to quarantine/ and list what must be computed again.

    'ionscreen run' then computes it, and the dataset is what it was.
    """
    from ...datasets import repair as mend

    with _bar("Checking shards", _shards(folder)) as advance:
        done = mend(folder, on_shard=advance)
    if as_json:
        _print_json({**vars(done), "quarantined": [str(path) for path in done.quarantined]})
        return
    for path in done.quarantined:
        typer.echo(f"moved to {path}")
    for shard in done.restored:
        typer.echo(f"restored the manifest entry of {shard}")
    for sample in done.recompute:
        typer.echo(f"to be computed again: {sample}")
    for shard in done.unknown:
        typer.echo(f"to be computed again: the samples of shard {shard}, which left no trace of their ids")
    if done.recompute or done.unknown:
        typer.echo("Next: run the campaign again; it computes what is gone.")
    elif done.restored:
        typer.echo("Nothing was lost.")
    else:
        typer.echo(f"{folder}: every shard is sound; nothing was changed.")


@dataset.command()
def merge(
    destination: Annotated[Path, typer.Argument(help="Made if it does not exist.", show_default=False)],
    sources: Annotated[list[Path], typer.Argument(help="Datasets to add; left as they are.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Add the samples of other datasets to one; those it has already stay as they are."""
    from ...datasets import merge as add

    with _bar("Merging shards", sum(map(_shards, sources))) as advance:
        new = add(destination, sources, on_shard=advance)
    if as_json:
        _print_json({"destination": str(destination), "new_samples": new})
    else:
        typer.echo(f"{destination}: {_count(new, 'new sample')}.")


@dataset.command()
def card(
    folder: Folder,
    name: Annotated[str, typer.Option(help="Title of the dataset; the folder's name if not given.")] = "",
    description: Annotated[str, typer.Option(help="One sentence on what it is for.")] = "",
    license: Annotated[str, typer.Option(help="SPDX name or address.")] = "CC-BY-4.0",
    seed: Annotated[int, typer.Option(help="Of the split into training, validation and test.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Write README.md, croissant.json, labels.csv, splits.json and pictures into the dataset."""
    from ...datasets import Dataset
    from ...datasets.card import CardSettings, write_card

    texts = {"description": description} if description else {}
    settings = CardSettings(name or folder.resolve().name, license=license, seed=seed, **texts)
    with _bar("Describing shards", 2 * _shards(folder)) as advance:
        write_card(Dataset(folder).watched(advance), settings)
    files = [str(folder / file) for file in ("README.md", "croissant.json", "labels.csv", "splits.json")]
    if as_json:
        _print_json({"files": files})
    else:
        typer.echo("Wrote " + ", ".join(files))


# Format -> how often the dataset is read.
PASSES = {"hdf5": 2, "csv": 2, "parquet": 2, "npz": 1, "xdmf": 1, "vti": 1, "tiff": 1, "bpx": 1}
SUFFIXES = {".h5": "hdf5", ".hdf5": "hdf5", ".csv": "csv", ".parquet": "parquet", ".npz": "npz", ".xdmf": "xdmf"}


@dataset.command()
def export(
    folder: Folder,
    target: Annotated[
        Path,
        typer.Argument(help="A file .h5, .csv, .parquet, .npz or .xdmf; for the others a folder.", show_default=False),
    ],
    format: Annotated[
        str, typer.Option(help=f"{', '.join(PASSES)}; from the target's suffix if not given.", show_default=False)
    ] = "",
    transport: Annotated[str, typer.Option(help="The label that conditions and BPX look at.")] = "ionic",
    axis: Annotated[int, typer.Option(help="Array axis 0, 1 or 2 of that label.", min=0, max=2)] = 0,
    status: Annotated[
        list[str] | None, typer.Option(help="Keep samples whose label came out so: ok, non_percolating, ...; repeat.")
    ] = None,
    family: Annotated[list[str] | None, typer.Option(help="Keep samples of this family; repeat.")] = None,
    relative: Annotated[
        str, typer.Option(help="Keep samples with σ_eff/σ_max from LOW to HIGH.", metavar="LOW,HIGH")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Write a dataset, or the samples that meet all conditions, in a form that other programs read."""
    from ...datasets import Dataset

    kind = _format(format, target)
    if target.exists():
        raise InvalidInput(f"{target} exists already; remove it or choose another name.")
    opened = Dataset(folder)
    chosen = _chosen(opened, transport, axis, status or [], family or [], relative)
    if not len(chosen):
        raise InvalidInput(f"{folder}: no sample meets the conditions; 'ionscreen dataset info' shows what is there.")
    with _bar("Exporting shards", PASSES[kind] * len(chosen.shards())) as advance:
        _write(kind, chosen.watched(advance), target, transport, axis)
    if as_json:
        _print_json({"target": str(target), "format": kind, "samples": len(chosen)})
    else:
        typer.echo(f"Wrote {target}: {_count(len(chosen), 'sample')} as {kind}")


def _format(name: str, target: Path) -> str:
    kind = name or SUFFIXES.get(target.suffix, "")
    if kind not in PASSES:
        given = f"--format {name!r}" if name else f"The suffix of {target}"
        raise InvalidInput(f"{given} is no format to export; give --format {', '.join(PASSES)}.")
    wanted = sorted(suffix for suffix, of in SUFFIXES.items() if of == kind)
    if wanted and target.suffix not in wanted:
        raise InvalidInput(f"{target} would hold {kind}; let its name end in {' or '.join(wanted)}.")
    return kind


def _chosen(
    whole: Dataset, transport: str, axis: int, status: list[str], families: list[str], relative: str
) -> Dataset:
    """Return the samples that meet the conditions; all of them if there are none."""
    from ...datasets import Status

    if not (status or families or relative):
        return whole
    known = {value.name.lower(): value for value in Status}
    for name in status:
        if name not in known:
            raise InvalidInput(f"--status {name!r} is none; choose {', '.join(known)}.")
    low, high = _range(relative) if relative else (float("-inf"), float("inf"))
    wanted = [known[name] for name in status] or list(Status)
    return whole.where(transport, axis, wanted, families or None, (low, high))


def _range(text: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in text.split(","))
        if low <= high:
            return low, high
    except ValueError:
        pass
    raise InvalidInput(f"--relative {text!r} is no range; give two numbers, the lower first, as 0.1,0.5.")


def _write(kind: str, chosen: Dataset, target: Path, transport: str, axis: int) -> None:
    from ...datasets.export_bpx import export_bpx
    from ...datasets.export_hdf5 import export_hdf5
    from ...datasets.export_images import export_tiff, export_vti, export_xdmf
    from ...datasets.export_npz import export_npz
    from ...datasets.export_table import export_table

    writers: dict[str, Callable[[Dataset, Path], Any]] = {
        "hdf5": export_hdf5,
        "csv": export_table,
        "parquet": export_table,
        "npz": export_npz,
        "xdmf": export_xdmf,
        "vti": export_vti,
        "tiff": export_tiff,
        "bpx": lambda samples, folder: export_bpx(samples, folder, transport, axis),
    }
    writers[kind](chosen, target)


@contextmanager
def _bar(title: str, total: int) -> Iterator[Callable[[], None]]:
    """Show a bar on standard error while the context lasts, and yield what moves it on."""
    from rich.console import Console

    from ..progress import TerminalProgress

    with TerminalProgress(Console(stderr=True)).bar(title, total) as bar:
        yield bar.advance


def _shards(folder: Path) -> int:
    from ...datasets.manifest import entry_paths

    return len(entry_paths(folder))


def _print_json(answer: dict[str, Any]) -> None:
    typer.echo(json.dumps(answer, indent=1, allow_nan=False))


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _size(number: int) -> str:
    unit, scale = ("kB", 1e3) if number < 1e6 else ("MB", 1e6) if number < 1e9 else ("GB", 1e9)
    return f"{number / scale:,.1f} {unit}"


def _listed(counts: Any) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items())) or "none"
