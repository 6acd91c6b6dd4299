"""What LSDB, hats and hats-import make of catalogues, in both directions, in one process: importing them costs seconds.

Usage: interop.py FOLDER. FOLDER/rows.parquet holds the rows of every catalogue of the table `sky`; FOLDER/ours what the
tests wrote. Any disagreement ends the process with an error. It writes FOLDER/theirs, catalogues of the same rows, and
the pairs of its own cross-matches as FOLDER/pairs/NAME.csv.
"""

import logging
import os
import shutil
import sys
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")

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
from hats.io.validation import is_valid_catalog
from hats_import.catalog.file_readers import get_file_reader
from hats_import.collection.arguments import CollectionArguments
from hats_import.index import run_index
from hats_import.index.arguments import IndexArguments
from hats_import.pipeline import pipeline_with_client

ALL = {"columns": "all"}


class Complaints(logging.Handler):
    """All that hats warns of while it validates."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.said = []

    def emit(self, record):
        if "found collection" not in record.getMessage():
            self.said.append(record.getMessage())


def valid(folder):
    heard = Complaints()
    logging.getLogger().addHandler(heard)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert is_valid_catalog(folder, strict=True), f"{folder} is not valid: {heard.said}"
    logging.getLogger().removeHandler(heard)
    said = heard.said + [str(w.message) for w in caught if issubclass(w.category, UserWarning)]
    assert not said, f"{folder}: {said}"


def arrow(frame, schema):
    """A frame of LSDB's as a table of the columns of `schema`, by id."""
    columns = []
    for field in schema:
        values = frame[field.name]
        if pa.types.is_struct(field.type):
            values = pa.chunked_array(values.array.struct_array if hasattr(values.array, "struct_array") else values)
            values = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
            columns.append(values.cast(field.type))
        else:
            columns.append(pa.array(values, from_pandas=False).cast(field.type))
    return pa.table(columns, schema=schema).sort_by("id")


def same(found, rows, what):
    assert found.num_rows == rows.num_rows, f"{what}: {found.num_rows} rows of {rows.num_rows}"
    for name in rows.column_names:
        a, b = found[name].combine_chunks(), rows[name].combine_chunks()
        if not a.equals(b):
            differ = [row for row in range(len(b)) if a[row].as_py() != b[row].as_py()]
            row = differ[0] if differ else 0
            raise AssertionError(f"{what}: {name} of id {rows['id'][row]} is {a[row]}, not {b[row]}")


def opened(folder, rows, what, **kwargs):
    catalog = lsdb.open_catalog(folder, **ALL, **kwargs)
    schema = rows.schema
    same(arrow(catalog.compute(), schema), rows, what)
    return catalog


def pairs(folder, name, left, right, keys, radius_arcsec):
    found = left.crossmatch(
        right, radius_arcsec=radius_arcsec, n_neighbors=1000, suffixes=("_l", "_r"), suffix_method="all_columns"
    ).compute()
    left_key, right_key = keys
    table = pa.table({"l": pa.array(found[f"{left_key}_l"]), "r": pa.array(found[f"{right_key}_r"])})
    os.makedirs(folder / "pairs", exist_ok=True)
    np.savetxt(folder / "pairs" / f"{name}.csv", table.to_pandas().to_numpy(dtype=np.int64), fmt="%d", delimiter=",")


def check_ours(folder, rows):
    ours = folder / "ours"
    for name in sorted(os.listdir(ours)):
        valid(ours / name)
    flat = rows.drop_columns(["lc"])
    for name in ["plain", "folders"]:
        opened(ours / name, rows, name)
    left, right = (opened(ours / name, rows if name == "left" else read(folder / "near.parquet"), name)
                   for name in ["left", "right"])
    assert left.margin is not None and right.margin is not None
    assert left.hc_collection.default_index_field == "id"
    # The margin is a catalogue of the same columns, and LSDB counts its rows as it says.
    assert len(right.margin.compute()) == right.margin.hc_structure.catalog_info.total_rows
    pairs(folder, "collections", left, right, ("id", "id"), 10)
    ids = rows["id"].to_pylist()
    for wanted in [[ids[0]], [ids[7], ids[-1]], [10**12]]:
        some = left.id_search({"id": wanted})
        expected = rows.filter(pc.is_in(rows["id"], pa.array(wanted))).sort_by("id")
        assert len(some.hc_structure.get_healpix_pixels()) <= len(wanted), "an index names few tiles"
        same(arrow(some.compute(), rows.schema), expected, f"id_search {wanted}")
    names = [name for name in rows["name"].to_pylist() if name is not None]
    found = left.id_search({"name": names[3]}).compute()
    assert sorted(found["id"]) == sorted(flat.filter(pc.equal(flat["name"], names[3]))["id"].to_pylist())
    thumbnail = pq.read_table(ours / "left" / "left" / "data_thumbnail.parquet")
    assert thumbnail.num_rows == len(left.get_healpix_pixels())
    assert thumbnail.schema.equals(left.hc_structure.original_schema or thumbnail.schema)
    for catalog in [left, right]:
        structure = hats.read_hats(catalog.hc_structure.catalog_base_dir)
        skymap = hats.io.skymap.read_skymap(structure, None)
        assert skymap.sum() == catalog.hc_structure.catalog_info.total_rows
        assert structure.moc is not None and structure.catalog_info.skymap_order is not None
        cache = structure.aggregate_column_statistics() if hasattr(structure, "aggregate_column_statistics") else None
        if cache is not None:
            assert cache.loc["dec", "min_value"] == pc.min(rows["dec"] if catalog is left else read(folder / "near.parquet")["dec"]).as_py()
    statistics = hats.io.parquet_metadata.per_partition_statistics_from_cache(
        ours / "left" / "left" / "per_partition_statistics.parquet", include_columns=["id", "dec"]
    )
    assert len(statistics) == len(left.get_healpix_pixels())
    # A cone reads few tiles, by the map of coverage, and finds all.
    ra, dec = float(flat["ra"][0].as_py()), float(flat["dec"][0].as_py())
    cone = lsdb.open_catalog(ours / "left", search_filter=lsdb.ConeSearch(ra, dec, 3600.0), **ALL).compute()
    whole = left.cone_search(ra, dec, 3600.0).compute()
    assert sorted(cone["id"]) == sorted(whole["id"]) and len(cone) > 0


def check_sample(folder, sample):
    """The sample sky, with a margin that was made of it."""
    hipparcos = lsdb.open_catalog(sample / "hipparcos", **ALL)
    gaia = lsdb.open_catalog(sample / "gaia_bright", margin_cache=folder / "gaia_bright_5arcs", **ALL)
    valid(folder / "gaia_bright_5arcs")
    for name in ["hipparcos", "gaia_bright"]:
        valid(sample / name)
    pairs(folder, "sample", hipparcos, gaia, ("hip", "source_id"), 1)


def read(path):
    return pq.read_table(path).sort_by("id")


def old_layout(new, old):
    """A copy as the first versions of HATS wrote it: one properties file, hive columns in leaves and list."""
    shutil.copytree(new, old)
    for name in ["hats.properties", "skymap.fits", "point_map.fits", "per_partition_statistics.parquet"]:
        (old / name).unlink(missing_ok=True)
    for name in ["_metadata", "_common_metadata"]:
        (old / "dataset" / name).unlink(missing_ok=True)
    lines = ["Norder,Dir,Npix"]
    for leaf in sorted((old / "dataset").rglob("Npix=*.parquet")):
        order, dir_, pixel = (int(part.split("=")[1].split(".")[0]) for part in leaf.parts[-3:])
        table = pq.read_table(leaf, partitioning=None)
        count = table.num_rows
        table = table.append_column("Norder", pa.array([order] * count, pa.uint8()))
        table = table.append_column("Dir", pa.array([dir_] * count, pa.uint64()))
        table = table.append_column("Npix", pa.array([pixel] * count, pa.uint64()))
        pq.write_table(table, leaf)
        lines.append(f"{order},{dir_},{pixel}")
        last = table
    pq.write_table(last.schema.empty_table(), old / "dataset" / "_common_metadata")
    pq.write_table(last.slice(0, 1), old / "dataset" / "data_thumbnail.parquet")
    (old / "partition_info.csv").write_text("\n".join(lines) + "\n")


class NoClient:
    """Stands in for a client where there is no cluster."""

    def compute(self, what):
        return what


def write_index(collection, primary, column):
    """hats-import refuses to index with Python 3.11, where a cluster within the process stands still; without one all
    is well."""
    IndexArguments.check_versions = classmethod(lambda cls: None)
    folder = f"{primary}_{column}"
    run_index.run(
        IndexArguments(
            input_catalog_path=collection / primary,
            indexing_column=column,
            output_path=collection,
            output_artifact_name=folder,
            compute_partition_size=100_000,
            progress_bar=False,
        ),
        NoClient(),
    )
    properties = CollectionProperties.read_from_dir(collection)
    properties.all_indexes = {column: folder}
    properties.to_properties_file(collection)


def write_theirs(folder, rows):
    theirs = folder / "theirs"
    os.makedirs(theirs)
    os.makedirs(folder / "tmp")
    arguments = (
        CollectionArguments(
            output_artifact_name="imported", output_path=theirs, progress_bar=False, tmp_dir=folder / "tmp"
        )
        .catalog(
            input_file_list=[folder / "rows.parquet"],
            file_reader=get_file_reader("parquet"),
            ra_column="ra",
            dec_column="dec",
            pixel_threshold=400,
            highest_healpix_order=7,
            row_group_kwargs={"num_rows": 100},
        )
        .add_margin(margin_threshold=10.0, is_default=True)
    )
    with Client(processes=False, n_workers=1, threads_per_worker=2, dashboard_address=None) as client:
        pipeline_with_client(arguments, client)
    write_index(theirs / "imported", "imported", "id")
    valid(theirs / "imported")
    primary = theirs / "imported" / "imported"
    assert primary.exists(), os.listdir(theirs / "imported")
    old_layout(primary, theirs / "old_layout")

    frame = npd.NestedFrame(rows.to_pandas(types_mapper=pd.ArrowDtype))
    for name, options in {"written": {}, "written_folders": {"npix_suffix": "/"}}.items():
        catalog = lsdb.from_dataframe(
            frame, ra_column="ra", dec_column="dec", partition_rows=400, margin_threshold=10.0, catalog_name=name
        )
        catalog.write_catalog(theirs / name, catalog_name=name, as_collection=True, progress_bar=False, **options)
        valid(theirs / name)
    found = lsdb.open_catalog(theirs / "written").query("dec > 0")
    found.write_catalog(
        theirs / "north", catalog_name="north", as_collection=False, progress_bar=False, create_parquet_metadata=False
    )


def main(folder, sample):
    folder, sample = Path(folder), Path(sample)
    dask.config.set(scheduler="synchronous")
    lsdb_progress_off()
    rows = read(folder / "rows.parquet")
    check_ours(folder, rows)
    check_sample(folder, sample)
    write_theirs(folder, rows)


def lsdb_progress_off():
    import tqdm

    tqdm.tqdm.__init__.__defaults__  # The bars go to stderr, which is shown on failure only.


if __name__ == "__main__":
    main(*sys.argv[1:])
