//! The numerical functions of ADQL that the engine lacks or knows by another name only.

use datafusion::logical_expr::Volatility;
use dreyer_kernel::{Arg, Example, Fault, FnSpec, Kind, Overload, Returns};

const FAMILY: &str = "Numbers";
const ADQL: &str = "ADQL 2.1, section Mathematical and Trigonometrical Functions";
const NUMBER: Returns = Returns::new(Kind::Number);
const X: Arg = Arg::new("x", Kind::Number);
const PLACES: Arg = Arg::new("places", Kind::Integer).within(-400.0, 400.0);

/// The numerical functions.
pub(crate) static TABLE: &[FnSpec] = &[
    FnSpec {
        summary: "The number cut off after so many decimal places, towards zero; after the integer part if not said.",
        notes: "Places less than 0 cut off before the decimal point.",
        reference: ADQL,
        examples: &[
            Example::new("truncate(-2.718)", "-2.0"),
            Example::new("truncate(2.718, 2)", "2.71"),
            Example::new("truncate(1299, -2)", "1200.0"),
        ],
        ..FnSpec::new(
            "truncate",
            FAMILY,
            &[
                Overload::new(&[X], NUMBER, |call| {
                    let x = call.number(0)?;
                    call.fill_numbers(|row| Ok(x.get(row).trunc()))
                }),
                Overload::new(&[X, PLACES], NUMBER, |call| {
                    let (x, places) = (call.number(0)?, call.integer(1)?);
                    call.fill_numbers(|row| Ok(truncate(x.get(row), places.get(row))))
                }),
            ],
        )
    },
    FnSpec {
        summary: "The least integer not less than a number.",
        reference: ADQL,
        examples: &[Example::new("ceiling(-2.5)", "-2.0")],
        ..FnSpec::new(
            "ceiling",
            FAMILY,
            &[Overload::new(&[X], NUMBER, |call| {
                let x = call.number(0)?;
                call.fill_numbers(|row| Ok(x.get(row).ceil()))
            })],
        )
    },
    FnSpec {
        summary: "What is left of the first number after division by the second, with the sign of the first.",
        notes: "Of two integers, an integer.",
        reference: ADQL,
        examples: &[Example::new("mod(7, 3)", "1"), Example::new("mod(-7.5, 2)", "-1.5")],
        ..FnSpec::new(
            "mod",
            FAMILY,
            &[
                Overload::new(
                    &[Arg::new("x", Kind::BigInt), Arg::new("y", Kind::BigInt)],
                    Returns::new(Kind::BigInt),
                    |call| {
                        let (x, y) = (call.bigint(0)?, call.bigint(1)?);
                        call.fill_bigints(|row| match y.get(row) {
                            0 => Err(zero()),
                            y => Ok(x.get(row).wrapping_rem(y)),
                        })
                    },
                ),
                Overload::new(&[X, Arg::new("y", Kind::Number)], NUMBER, |call| {
                    let [x, y] = call.numbers()?;
                    call.fill_numbers(|row| {
                        if y.get(row) == 0.0 {
                            Err(zero())
                        } else {
                            Ok(x.get(row) % y.get(row))
                        }
                    })
                }),
            ],
        )
    },
    FnSpec {
        volatility: Volatility::Volatile,
        summary: "A random number in [0, 1), another in every row.",
        notes: "A seed is taken for the sake of the standard and has no effect.",
        reference: ADQL,
        examples: &[
            Example::new("rand() < 1", "true"),
            Example::new("rand(42) >= 0", "true"),
        ],
        ..FnSpec::new(
            "rand",
            FAMILY,
            &[
                Overload::new(&[], NUMBER, |call| call.fill_numbers(|_| Ok(rand::random()))),
                Overload::new(&[Arg::new("seed", Kind::BigInt)], NUMBER, |call| {
                    call.fill_numbers(|_| Ok(rand::random()))
                }),
            ],
        )
    },
];

fn zero() -> Fault {
    Fault::argument(1, "must not be 0")
}

fn truncate(x: f64, places: i32) -> f64 {
    let cut = |scale: f64, back: f64| {
        if scale.is_finite() {
            (x * scale).trunc() * back
        } else {
            x
        }
    };
    if places >= 0 {
        let scale = 10_f64.powi(places);
        // Beyond 2^53 there is nothing after the point to cut off.
        if (x * scale).abs() < 9e15 {
            (x * scale).trunc() / scale
        } else {
            x
        }
    } else {
        let unit = 10_f64.powi(-places);
        cut(unit.recip(), unit)
    }
}
