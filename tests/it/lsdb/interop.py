"""What LSDB, hats and hats-import make of catalogues, in both directions; in one process, since importing them takes
seconds.

Usage: interop.py FOLDER SAMPLE. Reads FOLDER/rows.parquet and near.parquet, the rows of our catalogues in FOLDER/ours,
and checks that these are valid and hold these rows. Writes FOLDER/theirs, catalogues of the same rows, and what its own
cross-matches of each kind give as FOLDER/pairs/CATALOGUES/KIND.csv. Ends with an error at the first disagreement.
"""

import logging
import shutil
import sys
import time
import warnings
from pathlib import Path

import dask
import hats
import lsdb
import nested_pandas as npd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from dask.distributed import Client
from hats.catalog.dataset.collection_properties import CollectionProperties
from hats.io.parquet_metadata import aggregate_column_statistics_from_cache
from hats.io.skymap import read_skymap
from hats.io.validation import is_valid_catalog
from hats_import.catalog.file_readers import get_file_reader
from hats_import.collection.arguments import CollectionArguments
from hats_import.index import run_index
from hats_import.index.arguments import IndexArguments
from hats_import.pipeline import pipeline_with_client


def main(folder, sample):
    warnings.simplefilter("ignore")
    # Threads and processes of dask cost more than they save on a few thousand rows.
    dask.config.set(scheduler="synchronous")
    rows, near = read(folder / "rows.parquet"), read(folder / "near.parquet")
    for step in [
        lambda: check_plain(folder / "ours", rows),
        lambda: check_collections(folder, rows, near),
        lambda: check_sample(folder, sample),
        lambda: import_theirs(folder),
        lambda: write_theirs(folder / "theirs", rows),
    ]:
        begun = time.monotonic()
        step()
        print(f"{time.monotonic() - begun:.1f} s", file=sys.stderr)


def read(path):
    return pq.read_table(path).sort_by("id")


# ── ours ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Complaints(logging.Handler):
    """What hats says while it validates, short of an error."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.said = []

    def emit(self, record):
        if "found collection" not in record.getMessage():
            self.said.append(record.getMessage())


def check_valid(folder):
    heard = Complaints()
    logging.getLogger().addHandler(heard)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", UserWarning)
        valid = is_valid_catalog(folder, strict=True)
    logging.getLogger().removeHandler(heard)
    said = heard.said + [str(warning.message) for warning in warned if warning.category is UserWarning]
    assert valid and not said, f"{folder} is {'' if valid else 'not '}valid: {said}"


def as_table(frame, schema):
    """The columns of `schema` of a frame, by id."""

    def column(field):
        if not pa.types.is_struct(field.type):
            return pa.array(frame[field.name], from_pandas=False).cast(field.type)
        return pa.chunked_array(frame[field.name].array.struct_array).combine_chunks().cast(field.type)

    return pa.table([column(field) for field in schema], schema=schema).sort_by("id")


def check_same(found, rows, what):
    assert found.num_rows == rows.num_rows, f"{what}: {found.num_rows} rows of {rows.num_rows}"
    for name in rows.column_names:
        if not found[name].equals(rows[name]):
            pairs = zip(found[name].to_pylist(), rows[name].to_pylist())
            row = next((row for row, (a, b) in enumerate(pairs) if a != b), 0)
            raise AssertionError(f"{what}: {name} is {found[name][row]}, not {rows[name][row]}, in row {row}")


def open_checked(folder, rows):
    catalog = lsdb.open_catalog(folder, columns="all")
    check_same(as_table(catalog.compute(), rows.schema), rows, folder)
    return catalog


ALL = {"n_neighbors": 1000}
KINDS = {
    "all": ALL,
    "left": ALL | {"how": "left"},
    "full": ALL | {"how": "outer"},
    "least": ALL | {"min_radius_arcsec": 0.3},
    "nearest": {"n_neighbors": 1},
    "nearest_left": {"n_neighbors": 1, "how": "left"},
    "two_nearest": {"n_neighbors": 2},
}


def write_pairs(folder, left, right, keys, radius_arcsec):
    """The keys of every row that each kind of match gives and the separation, NULL as nothing."""
    folder.mkdir(parents=True)
    for name, kind in KINDS.items():
        found = left.crossmatch(right, radius_arcsec=radius_arcsec, suffixes=("_l", "_r"), **kind).compute()
        columns = [key + suffix for key, suffix in zip(keys, ["_l", "_r"])] + ["_dist_arcsec"]
        found[columns].to_csv(folder / f"{name}.csv", header=False, index=False)


def check_plain(ours, rows):
    for name in ["plain", "folders"]:
        check_valid(ours / name)
        open_checked(ours / name, rows)


def check_collections(folder, rows, near):
    ours = folder / "ours"
    for name in ["left", "right"]:
        check_valid(ours / name)
    left, right = open_checked(ours / "left", rows), open_checked(ours / "right", near)
    margin = right.margin
    assert left.margin is not None and len(margin.compute()) == margin.hc_structure.catalog_info.total_rows
    write_pairs(folder / "pairs" / "collections", left, right, ("id", "id"), 10)

    ids = rows["id"].to_pylist()
    for wanted in [ids[:1], [ids[7], ids[-1]], [10**12]]:
        some = left.id_search({"id": wanted})
        assert len(some.get_healpix_pixels()) == sum(id in ids for id in wanted), "each id in one tile"
        if some.get_healpix_pixels():
            check_same(as_table(some.compute(), rows.schema), rows.filter(pc.is_in(rows["id"], pa.array(wanted))), "ids")
    name = rows["name"][3].as_py()
    named = rows.filter(pc.equal(rows["name"], name))
    assert named.num_rows > 1
    check_same(as_table(left.id_search({"name": name}).compute(), rows.schema), named, "names")

    for catalog, truth in [(left, rows), (right, near)]:
        base = catalog.hc_structure.catalog_base_dir
        stored = hats.read_hats(base)
        assert read_skymap(stored, None).sum() == truth.num_rows
        assert stored.moc is not None and stored.catalog_info.skymap_order == stored.moc.max_order
        assert pq.read_table(base / "data_thumbnail.parquet").num_rows == len(catalog.get_healpix_pixels())
        seen = aggregate_column_statistics_from_cache(base / "per_partition_statistics.parquet")
        for column in ["id", "dec", "name", "count"]:
            least_greatest = pc.min_max(truth[column]).as_py()
            assert list(seen.loc[column, ["min_value", "max_value"]]) == list(least_greatest.values()), column
            assert seen.loc[column, "null_count"] == truth[column].null_count, column
        assert seen.loc["id", "row_count"] == truth.num_rows
    # A cone, found by the map of coverage and among all rows.
    ra, dec = (rows[column][700].as_py() for column in ["ra", "dec"])
    cone = lsdb.open_catalog(ours / "left", search_filter=lsdb.ConeSearch(ra, dec, 3600.0), columns="all").compute()
    assert 0 < len(cone) and sorted(cone["id"]) == sorted(left.cone_search(ra, dec, 3600.0).compute()["id"])


def check_sample(folder, sample):
    """The sample sky, and the margins that were made of it."""

    def catalog(name, *columns):
        margin = folder / f"{name}_5arcs"
        for made in [sample / name, margin]:
            check_valid(made)
        return lsdb.open_catalog(sample / name, columns=[*columns, "ra", "dec"], margin_cache=margin)

    hipparcos, gaia = catalog("hipparcos", "hip"), catalog("gaia_bright", "source_id")
    write_pairs(folder / "pairs" / "sample", hipparcos, gaia, ("hip", "source_id"), 1)


# ── theirs ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def import_theirs(folder):
    """By hats-import: a collection, and the same catalogue in the layout of the first versions of HATS."""
    theirs, scratch = folder / "theirs", folder / "scratch"
    theirs.mkdir()
    scratch.mkdir()
    arguments = CollectionArguments(
        output_artifact_name="imported", output_path=theirs, tmp_dir=scratch, progress_bar=False
    ).catalog(
        input_file_list=[folder / "rows.parquet"],
        file_reader=get_file_reader("parquet"),
        ra_column="ra",
        dec_column="dec",
        pixel_threshold=400,
        highest_healpix_order=7,
        row_group_kwargs={"num_rows": 100},
    )
    arguments.add_margin(margin_threshold=10.0, is_default=True)
    with Client(processes=False, n_workers=1, threads_per_worker=2, dashboard_address=None) as client:
        pipeline_with_client(arguments, client)
    write_index(theirs / "imported", "imported", "id")
    check_valid(theirs / "imported")
    write_old_layout(theirs / "imported" / "imported", theirs / "old_layout")


class NoClient:
    """In place of a cluster."""

    def compute(self, what):
        return what


def write_index(collection, primary, column):
    """hats-import refuses to index under Python 3.11, where a cluster within the process would stand still; it works
    without one."""
    IndexArguments.check_versions = classmethod(lambda cls: None)
    folder = f"{primary}_{column}"
    arguments = IndexArguments(
        input_catalog_path=collection / primary,
        indexing_column=column,
        output_path=collection,
        output_artifact_name=folder,
        progress_bar=False,
    )
    run_index.run(arguments, NoClient())
    properties = CollectionProperties.read_from_dir(collection)
    properties.all_indexes = {column: folder}
    properties.to_properties_file(collection)


def write_old_layout(new, old):
    """One properties file, no maps, and columns of the tile in the leaves and in the list."""
    shutil.copytree(new, old)
    for name in ["hats.properties", "skymap.fits", "point_map.fits", "dataset/_metadata"]:
        (old / name).unlink()
    lines = ["Norder,Dir,Npix"]
    for leaf in sorted((old / "dataset").rglob("Npix=*.parquet")):
        numbers = [int(part.split("=")[1].split(".")[0]) for part in leaf.parts[-3:]]
        lines.append(",".join(map(str, numbers)))
        table = pq.read_table(leaf, partitioning=None)
        for name, number, kind in zip(["Norder", "Dir", "Npix"], numbers, [pa.uint8(), pa.uint64(), pa.uint64()]):
            table = table.append_column(name, pa.array([number] * table.num_rows, kind))
        pq.write_table(table, leaf)
    pq.write_table(table.schema.empty_table(), old / "dataset" / "_common_metadata")
    pq.write_table(table.slice(0, 1), old / "dataset" / "data_thumbnail.parquet")
    (old / "partition_info.csv").write_text("\n".join(lines) + "\n")


def write_theirs(theirs, rows):
    """By LSDB, which puts the index last: collections with a margin, of one file a tile and of folders, and a part of
    the first without the optional files."""
    frame = npd.NestedFrame(rows.to_pandas(types_mapper=pd.ArrowDtype))
    catalog = lsdb.from_dataframe(frame, ra_column="ra", dec_column="dec", partition_rows=400, margin_threshold=10.0)
    for name, suffix in [("written", ".parquet"), ("written_folders", "/")]:
        catalog.write_catalog(
            theirs / name, catalog_name=name, as_collection=True, npix_suffix=suffix, progress_bar=False
        )
        check_valid(theirs / name)
    lsdb.open_catalog(theirs / "written", columns="all").query("dec > 0").write_catalog(
        theirs / "north",
        catalog_name="north",
        as_collection=False,
        progress_bar=False,
        create_parquet_metadata=False,
        should_write_skymap=False,
    )
    (theirs / "north" / "partition_info.csv").unlink()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
