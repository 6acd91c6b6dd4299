//! XMATCH: the condition of a cross-match, and everything that can be asked of one.
//!
//! As a function it can only say whether two positions match. To pick the nearest of many is asked of a whole join: the
//! planner of cross-matches takes such a call out of the ON clause, and none of them is ever evaluated.

use datafusion::arrow::array::ArrayRef;
use dreyer_kernel::{Arg, Call, Example, Fault, FnSpec, Kind, Overload, Returns};
use dreyer_sphere::separation_deg;

use crate::arguments::{lat, lon};
use crate::shape::{POINT, points};

const RADIUS: Arg = Arg::new("radius_arcsec", Kind::Number).unit("arcsec");
const MODE: Arg = Arg::new("mode", Kind::Text).hint("the modes are 'all', 'nearest' and 'best'");
const K: Arg = Arg::new("k", Kind::Integer);
const LEAST: Arg = Arg::new("min_radius_arcsec", Kind::Number).unit("arcsec");
const A: Arg = Arg::new("a", POINT);
const B: Arg = Arg::new("b", POINT);
const TRUTH: Returns = Returns::new(Kind::Boolean);

/// The condition of a cross-match.
pub(crate) static TABLE: &[FnSpec] = &[FnSpec {
    role: Some("crossmatch"),
    summary: "Whether two positions, of the rows to be joined, lie closer together than a radius in arcseconds; in ON, \
              also which of the pairs are wanted.",
    notes: "Arguments can be named: XMATCH(a.ra, a.dec, b.ra, b.dec, radius_arcsec => 1, mode => 'nearest', k => 3, \
            min_radius_arcsec => 0.1). Without positions they are those of the two tables: the columns with UCD \
            pos.eq.ra;meta.main and pos.eq.dec;meta.main, or named ra and dec. Mode 'all' gives every pair, 'nearest' \
            the k nearest of each row of the table that the join keeps (the left one, unless it is a RIGHT JOIN), 'best' \
            the pairs of which each is the nearest of the other. Conditions beside it in ON say which rows can be \
            partners; those in WHERE are asked afterwards. The radius itself is outside, the least radius inside.",
    reference: "dreyer",
    examples: &[
        Example::new("xmatch(10, 20, 10, 20.0001, 1)", "true"),
        Example::new("xmatch(point(10, 20), point(10, 20.01), 1)", "false"),
        Example::new("xmatch(10, 20, 10, 20.0001, 1, 'all', 1, 0.5)", "false"),
    ],
    ..FnSpec::new(
        "xmatch",
        "Cross-matches",
        &[
            Overload::new(
                &[lon("lon1"), lat("lat1"), lon("lon2"), lat("lat2"), RADIUS],
                TRUTH,
                of_numbers,
            ),
            Overload::new(
                &[
                    lon("lon1"),
                    lat("lat1"),
                    lon("lon2"),
                    lat("lat2"),
                    RADIUS,
                    MODE,
                    K,
                    LEAST,
                ],
                TRUTH,
                of_numbers,
            ),
            Overload::new(&[A, B, RADIUS], TRUTH, of_points),
            Overload::new(&[A, B, RADIUS, MODE, K, LEAST], TRUTH, of_points),
            Overload::new(&[RADIUS, MODE, K, LEAST], TRUTH, |_| {
                Err(
                    Fault::call("without positions can stand only in the ON clause of a JOIN")
                        .with_hint("name the positions: XMATCH(a.ra, a.dec, b.ra, b.dec, radius_arcsec => 1)"),
                )
            }),
        ],
    )
}];

fn of_numbers(call: &Call<'_>) -> Result<ArrayRef, Fault> {
    let [lon1, lat1, lon2, lat2] = call.numbers()?;
    within(call, 4, |row| {
        Ok(separation_deg(
            lon1.get(row),
            lat1.get(row),
            lon2.get(row),
            lat2.get(row),
        ))
    })
}

fn of_points(call: &Call<'_>) -> Result<ArrayRef, Fault> {
    let (a, b) = (points(call, 0)?, points(call, 1)?);
    within(call, 2, |row| {
        a.ask(row, |a| {
            b.ask(row, |b| {
                Ok(separation_deg(a.lon_deg(), a.lat_deg(), b.lon_deg(), b.lat_deg()))
            })
        })
    })
}

/// Whether a separation lies within the radii that stand from argument `at` on.
fn within(call: &Call<'_>, at: usize, separation: impl Fn(usize) -> Result<f64, Fault>) -> Result<ArrayRef, Fault> {
    let radius = call.number(at)?;
    if call.arguments() == at + 1 {
        return call.fill_booleans(|row| Ok(separation(row)? < radius.get(row) / 3600.0));
    }
    let (mode, least) = (call.text(at + 1)?, call.number(at + 3)?);
    call.fill_booleans(|row| {
        if !mode.get(row).eq_ignore_ascii_case("all") {
            return Err(
                Fault::call("picks among pairs and can stand only in the ON clause of a JOIN")
                    .with_hint("write FROM a JOIN b ON XMATCH(..), with further conditions beside it or in WHERE"),
            );
        }
        let apart = separation(row)?;
        Ok(apart < radius.get(row) / 3600.0 && apart >= least.get(row) / 3600.0)
    })
}
