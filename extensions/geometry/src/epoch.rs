//! Positions carried to another epoch.

use datafusion::arrow::array::ArrayRef;
use dreyer_kernel::{Arg, Call, Example, Fault, FnSpec, Kind, Overload, Returns};
use dreyer_sphere::{Astrometry, LonLat};

use crate::arguments::{lat, lon};
use crate::shape::{POINT, of_sphere};

/// The functions of epochs.
pub(crate) static TABLE: &[FnSpec] = &[FnSpec {
    aliases: &["epoch_prop_pos"],
    summary: "The position at another epoch of a source that moves uniformly through space.",
    notes: "Proper motion in right ascension includes the factor cos(dec). A position or an epoch that is NULL gives \
            NULL. NaN counts as NULL; a parallax that is not positive counts as none.",
    reference: "IVOA Catalogue of ADQL User Defined Functions 1.2; The Hipparcos and Tycho Catalogues, ESA SP-1200 \
                (1997), vol. 1, section 1.5.5",
    examples: &[
        Example::new(
            "ivo_epoch_prop_pos(269.45402305, 4.66828815, 549.01, -797.84, 10326.93, -110.51, 1991.25, 2016.0)",
            "[269.448511, 4.739395]",
        ),
        Example::new(
            "ivo_epoch_prop_pos(10, 20, NULL, NULL, 3600, NULL, 2000, 3000)",
            "[10.0, 21.0]",
        ),
        Example::new("ivo_epoch_prop_pos(10, NULL, 5, 1, 1, 0, 2000, 2016)", "NULL"),
    ],
    ..FnSpec::new(
        "ivo_epoch_prop_pos",
        "Epochs",
        &[Overload::new(
            &[
                lon("ra"),
                lat("dec"),
                Arg::new("parallax", Kind::Number)
                    .unit("mas")
                    .nullable("infinitely far"),
                Arg::new("pmra", Kind::Number).unit("mas/yr").nullable("0"),
                Arg::new("pmdec", Kind::Number).unit("mas/yr").nullable("0"),
                Arg::new("radial_velocity", Kind::Number).unit("km/s").nullable("0"),
                Arg::new("ref_epoch", Kind::Number).unit("yr").finite(),
                Arg::new("out_epoch", Kind::Number).unit("yr").finite(),
            ],
            Returns::new(POINT).unit("deg").ucd("pos").xtype("point"),
            position,
        )],
    )
}];

fn position(call: &Call<'_>) -> Result<ArrayRef, Fault> {
    let [ra, dec, parallax, pmra, pmdec, radial_velocity, ref_epoch, out_epoch] = call.numbers()?;
    call.fill_tuples(|row| {
        let astrometry = Astrometry {
            position: LonLat::new(ra.get(row), dec.get(row)).map_err(|error| of_sphere(None, error))?,
            parallax_mas: parallax.known(row),
            pmra_mas_yr: pmra.known(row).unwrap_or(0.0),
            pmdec_mas_yr: pmdec.known(row).unwrap_or(0.0),
            radial_velocity_km_s: radial_velocity.known(row).unwrap_or(0.0),
        };
        let moved = astrometry.position_at(ref_epoch.get(row), out_epoch.get(row));
        Ok([moved.lon_deg(), moved.lat_deg()])
    })
}
