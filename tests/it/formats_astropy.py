"""formats_astropy.py write|read|maps FOLDER: files as astropy writes them, beside the same values as Arrow files;
or what was written by the program, held against the same values, or maps against those of the HATS library's own library."""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
from astropy import units
from astropy.io import fits
from astropy.io.votable import from_table, parse_single_table
from astropy.table import MaskedColumn, Table

ROWS = 257
FOLDER = Path(sys.argv[2])


def columns():
    """Every type, with and without masked values, and the edges of each."""
    random = np.random.default_rng(7)
    masked = random.random(ROWS) < 0.3
    table = Table()
    for name in ["uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]:
        span = np.iinfo(name)
        values = random.integers(span.min, span.max, ROWS, dtype=name, endpoint=True)
        values[:2] = span.min, span.max
        table[name] = values
    for name in ["float32", "float64"]:
        values = random.normal(size=ROWS).astype(name)
        values[:5] = 0.0, -0.0, np.inf, -np.inf, np.finfo(name).max
        table[name] = values
    table["nan"] = np.where(masked, np.nan, random.random(ROWS))
    table["truth"] = random.random(ROWS) < 0.5
    table["text"] = [f"star {i}" * (i % 4) + "x" for i in range(ROWS)]
    for name in ["int16", "int32", "int64"]:
        table[f"masked_{name}"] = MaskedColumn(random.integers(-99, 99, ROWS).astype(name), mask=masked)
    table["masked_float"] = MaskedColumn(random.random(ROWS), mask=masked)
    table["masked_text"] = MaskedColumn([f"name {i}" for i in range(ROWS)], mask=masked)
    table["vector"] = random.random((ROWS, 3)).astype("float32")
    table["matrix"] = random.integers(-9, 9, (ROWS, 2, 4)).astype("int32")
    table["float64"].unit = units.deg
    table["float64"].description = "A number & a 'sentence' <of> it"
    table["float64"].meta["ucd"] = "pos.eq.ra;meta.main"
    return table


def nullable(values, mask=None):
    """Python values for Arrow; NaN and masked ones are None."""
    if mask is None:
        mask = np.zeros(len(values), dtype=bool)
    def plain(value):
        if isinstance(value, (list, np.ndarray)):
            return [plain(item) for item in value]
        if isinstance(value, (complex, np.complexfloating)):
            return [plain(value.real), plain(value.imag)]
        value = value.item() if hasattr(value, "item") else value
        return None if isinstance(value, float) and np.isnan(value) else value
    return [None if np.all(hidden) else plain(value) for value, hidden in zip(values, mask)]


def keep(name, expected):
    arrays = {key: pa.array(value, pa.uint64() if key == "uint64" else None) for key, value in expected.items()}
    table = pa.table(arrays)
    with pa.ipc.new_file(FOLDER / f"{name}.arrow", table.schema) as out:
        out.write_table(table)


def expected(table, skip=()):
    found = {}
    for name in table.colnames:
        if name not in skip:
            column = table[name]
            found[name] = nullable(np.asarray(column), getattr(column, "mask", None))
    return found


def write_fits():
    table = columns()
    del table["int8"]  # astropy stores it as truth
    table["complex64"] = (np.arange(ROWS) + 2j).astype("complex64")
    table["complex128"] = np.arange(ROWS) * (1.5 - 1j)
    table["texts"] = [[f"a{i}", "bcd"] for i in range(ROWS)]
    table.write(FOLDER / "all.fits")
    keep("all.fits", expected(table))


def write_raw_fits():
    """What tables of astropy do not reach: arrays in the heap, packed bits, scaling, forms of other tools."""
    random = np.random.default_rng(8)
    lengths = random.integers(0, 6, ROWS)
    def ragged(dtype):
        values = np.empty(ROWS, dtype=object)
        values[:] = [random.integers(0, 100, length).astype(dtype) for length in lengths]
        return values
    arrays = {f"p_{code}": (f"P{code}()", ragged(dtype)) for code, dtype in
              [("B", "uint8"), ("I", "int16"), ("J", "int32"), ("K", "int64"), ("E", "float32"), ("D", "float64"),
               ("C", "complex64"), ("M", "complex128"), ("L", "bool")]}
    arrays["q_D"] = ("QD()", ragged("float64"))
    arrays["p_A"] = ("PA()", np.array(["x" * length + "y" for length in lengths], dtype=object))
    bits = random.random((ROWS, 11)) < 0.5
    raw = random.integers(-1000, 1000, ROWS).astype("int16")
    plain = [fits.Column(name=name, format=form, array=values) for name, (form, values) in arrays.items()]
    plain += [
        fits.Column(name="bits", format="11X", array=bits),
        fits.Column(name="int8", format="B", bzero=-128, array=(raw // 8).astype("int8")),
        fits.Column(name="cube", format="24E", dim="(2,3,4)", array=random.random((ROWS, 4, 3, 2)).astype("float32")),
        fits.Column(name="null", format="J", null=-1, array=np.where(raw > 0, raw, -1).astype("int32")),
    ]
    first = fits.BinTableHDU.from_columns([fits.Column(name="other", format="J", array=np.arange(5))], name="OTHER")
    image = fits.ImageHDU(np.zeros((20, 30)))
    fits.HDUList([fits.PrimaryHDU(np.ones((3, 3))), image, first, fits.BinTableHDU.from_columns(plain, name="Heap")]).writeto(
        FOLDER / "raw.fits"
    )
    cube = next(column for column in plain if column.name == "cube").array
    found = {name: nullable(list(values)) for name, (form, values) in arrays.items()}
    found["bits"] = nullable(bits)
    found["int8"] = (raw // 8).astype("int8").tolist()
    found["cube"] = nullable(cube)
    found["null"] = [int(value) if value > 0 else None for value in raw]
    keep("raw.fits", found)


def write_votables():
    table = columns()
    table["empty_or_text"] = np.array(["<&>" * (i % 3) + "é" for i in range(ROWS)])
    table["complex128"] = np.arange(ROWS) * (1.5 - 1j)
    lengths = np.random.default_rng(9).integers(1, 5, ROWS)
    ragged = np.empty(ROWS, dtype=object)
    ragged[:] = [np.ma.masked_invalid(np.arange(length, dtype="float64")) for length in lengths]
    table["ragged"] = ragged
    for name in ["int8", "uint16", "uint32", "uint64"]:
        del table[name]
    found = expected(table)
    # astropy writes sizes slowest first, the standard has them fastest first; the elements follow one another alike.
    found["matrix"] = np.asarray(table["matrix"]).reshape(ROWS, 4, 2).tolist()
    for form in ["tabledata", "binary", "binary2"]:
        document = from_table(table)
        for field in document.get_first_table().fields:
            if field.name.startswith("masked_int"):
                field.values.null = -100
        document.to_xml(str(FOLDER / f"{form}.vot"), tabledata_format=form)
        keep(f"{form}.vot", found)


def write_ecsv():
    table = columns()
    ragged = np.empty(ROWS, dtype=object)
    ragged[:] = [np.arange(i % 4, dtype="int64") for i in range(ROWS)]
    table["ragged"] = ragged
    table["odd \"name\""] = ['quote " , comma', "two\nlines", "a  b", "#"] + ["é"] * (ROWS - 4)
    table["complex128"] = np.arange(ROWS) * (1.5 - 1e-3j)
    found = expected(table)
    found["nan"] = np.asarray(table["nan"])  # a value of its own here
    table.meta["note"] = {"deep": [1, {"deeper": "text: with colon"}]}
    for name, delimiter in [("blank", " "), ("comma", ",")]:
        table.write(FOLDER / f"{name}.ecsv", delimiter=delimiter)
        keep(f"{name}.ecsv", found)


def read_votables():
    with pa.ipc.open_file(FOLDER / "all.fits.arrow") as file:
        truth = file.read_all().drop_columns("uint64")
    for form in ["tabledata", "binary2"]:
        document = parse_single_table(FOLDER / f"ours.{form}", verify="exception")
        assert (document.name, document.description) == ("stars & more", "<all>")
        found = document.to_table()
        assert found.colnames == truth.column_names, found.colnames
        assert str(found["float64"].unit) == "deg"
        for name in found.colnames:
            if name == "texts":  # JSON
                continue
            column = found[name]
            values = nullable(list(column), column.mask if hasattr(column, "mask") else None)
            wanted = truth[name].to_pylist()
            if name.endswith("text"):
                values, wanted = ([value or None for value in column] for column in (values, wanted))
            differing = [row for row in range(ROWS) if values[row] != wanted[row]]
            assert not differing, (form, name, differing[0], values[differing[0]], wanted[differing[0]])


def read_maps():
    # As the HATS library does it.
    from cdshealpix.skymap.skymap import Scheme, Skymap, SkymapImplicit

    for listing in sorted(FOLDER.glob("*.txt")):
        name, order = listing.stem.split(".")
        truth = np.zeros(12 * 4 ** int(order), dtype=np.int64)
        for line in listing.read_text().splitlines():
            cell, value = line.split()
            truth[int(cell)] = int(value)
        found = Skymap.from_fits(FOLDER / f"{name}.fits")
        explicit = found.scheme == Scheme.EXPLICIT
        found = found.skymap.to_implicit(null_value=0).values if explicit else found.skymap.values
        assert found.dtype == truth.dtype and np.array_equal(found, truth), name
        map = SkymapImplicit(truth, null_value=0)
        map = map.to_explicit() if np.mean(truth == 0) > 0.5 else map
        map.to_fits(FOLDER / f"{name}.hats")
        with fits.open(FOLDER / f"{name}.fits") as ours, fits.open(FOLDER / f"{name}.hats") as theirs:
            ours.verify("exception")
            for key, value in theirs[1].header.items():
                assert key == "CREATOR" or ours[1].header[key] == value, (name, key)
            assert np.array_equal(ours[1].data, theirs[1].data), name


if sys.argv[1] == "write":
    write_fits()
    write_raw_fits()
    write_votables()
    write_ecsv()
elif sys.argv[1] == "read":
    read_votables()
else:
    read_maps()
