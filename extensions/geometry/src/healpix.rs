//! HEALPix cells: which one a position lies in, and where a cell is. NESTED numbering throughout.

use datafusion::arrow::array::ArrayRef;
use dreyer_kernel::{Arg, Call, Example, Fault, FnSpec, Kind, Overload, Returns};
use dreyer_sphere::{Cell, LonLat, MAX_ORDER};

use crate::arguments::{lat, lon, order};
use crate::shape::{POINT, of_sphere, points, unfit};

const FAMILY: &str = "HEALPix";
const CATALOGUE: &str = "IVOA Catalogue of ADQL User Defined Functions 1.2; Gorski et al. 2005, ApJ 622, 759";
const FINEST: f64 = MAX_ORDER as f64;

/// The HEALPix functions.
pub(crate) static TABLE: &[FnSpec] = &[
    FnSpec {
        summary: "The index of the HEALPix cell of an order that holds a position.",
        notes: "NESTED numbering: the index at a coarser order is this one shifted right by two bits an order.",
        reference: CATALOGUE,
        examples: &[
            Example::new("ivo_healpix_index(5, 56.75, 24.12)", "115"),
            Example::new("ivo_healpix_index(0, point(0, 0))", "4"),
        ],
        ..FnSpec::new(
            "ivo_healpix_index",
            FAMILY,
            &[
                Overload::new(
                    &[order("order", FINEST), lon("lon"), lat("lat")],
                    INDEX,
                    index_of_numbers,
                ),
                Overload::new(
                    &[order("order", FINEST), Arg::new("point", POINT)],
                    INDEX,
                    index_of_point,
                ),
            ],
        )
    },
    FnSpec {
        summary: "The centre of a HEALPix cell.",
        reference: CATALOGUE,
        examples: &[
            Example::new("ivo_healpix_center(0, 4)", "[0.0, 0.0]"),
            Example::new("ivo_healpix_center(1, 0)", "[45.0, 19.4712]"),
        ],
        ..FnSpec::new(
            "ivo_healpix_center",
            FAMILY,
            &[Overload::new(
                &[order("order", FINEST), Arg::new("index", Kind::BigInt)],
                Returns::new(POINT).unit("deg").ucd("pos").xtype("point"),
                center,
            )],
        )
    },
    FnSpec {
        summary: "The index of the HEALPix cell of an order in which a Gaia source was detected, from its source_id.",
        notes: "The cell is that of the detection, up to a milliarcsecond from the catalogue position. The identifier \
                keeps order 12 and coarser.",
        reference: "Gaia archive; Gaia data release documentation, source_id",
        examples: &[
            Example::new("gaia_healpix_index(12, 66714384142368256)", "1941644"),
            Example::new("gaia_healpix_index(5, 66714384142368256)", "118"),
        ],
        ..FnSpec::new(
            "gaia_healpix_index",
            FAMILY,
            &[Overload::new(
                &[
                    order("order", 12.0),
                    Arg::new("source_id", Kind::BigInt).within(0.0, 6.917_529_027_641_082e18),
                ],
                INDEX,
                |call| {
                    let (order, source_id) = (call.integer(0)?, call.bigint(1)?);
                    call.fill_bigints(|row| Ok(source_id.get(row) >> (35 + 2 * (12 - order.get(row)))))
                },
            )],
        )
    },
];

const INDEX: Returns = Returns::new(Kind::BigInt).ucd("pos.healpix");

/// An order within the domain of its argument, as the sphere counts it.
fn checked_order(order: i32) -> Result<u8, Fault> {
    u8::try_from(order).map_err(|_| Fault::argument(0, format!("must lie in [0, {MAX_ORDER}], got {order}")))
}

/// The NESTED index of the cell. At order 29 it needs 62 bits: it always fits.
fn index(order: i32, position: LonLat) -> Result<i64, Fault> {
    let cell = Cell::containing(checked_order(order)?, position);
    i64::try_from(cell.index()).map_err(|_| Fault::call("gives an index that a BIGINT cannot hold"))
}

fn index_of_numbers(call: &Call<'_>) -> Result<ArrayRef, Fault> {
    let (order, lon, lat) = (call.integer(0)?, call.number(1)?, call.number(2)?);
    call.fill_bigints(|row| {
        let position = LonLat::new(lon.get(row), lat.get(row)).map_err(|error| of_sphere(None, error))?;
        index(order.get(row), position)
    })
}

fn index_of_point(call: &Call<'_>) -> Result<ArrayRef, Fault> {
    let (order, points) = (call.integer(0)?, points(call, 1)?);
    call.fill_bigints(|row| points.ask(row, |point| index(order.get(row), *point)))
}

fn center(call: &Call<'_>) -> Result<ArrayRef, Fault> {
    let (order, index) = (call.integer(0)?, call.bigint(1)?);
    call.fill_tuples(|row| {
        let index = u64::try_from(index.get(row))
            .map_err(|_| Fault::argument(1, format!("must not be negative, got {}", index.get(row))))?;
        let cell = Cell::new(checked_order(order.get(row))?, index).map_err(|error| unfit(1, error))?;
        Ok([cell.center().lon_deg(), cell.center().lat_deg()])
    })
}
