//! `dreyer demo`: two real catalogues out of the binary, matched on the sky, in front of the user's eyes.

use std::io::Write;
use std::time::Instant;

use crate::command::{Failure, print, seconds};
use crate::examples::{Example, example};
use crate::{Config, Database, Error, ErrorKind, Format, Result, Session};

/// The examples of the demonstration, in order, and what is said before each.
const STEPS: &[(&str, &str)] = &[
    ("sample_tables", "The sample sky:"),
    (
        "crossmatch_as_catalogued",
        "Which Hipparcos stars lie within 1 arcsec of a Gaia star, both as catalogued?",
    ),
    (
        "crossmatch_at_epoch",
        "The stars have moved for 24.75 years in between. Carried to Gaia's epoch:",
    ),
    ("crossmatch_brightest", "The brightest of them:"),
];

/// Runs the command.
///
/// # Errors
/// The output cannot be written. The queries cannot fail: the tests run them.
pub async fn demo(out: &mut dyn Write) -> Result<(), Failure> {
    let session = Database::open(Config::default()).await?.session();
    for (name, words) in STEPS {
        let step = example(name)
            .ok_or_else(|| Error::new(ErrorKind::Internal, format!("the example {name} is not in the binary")))?;
        run(&session, &step, words, out)
            .await
            .map_err(|error| Failure::new(error, step.sql))?;
    }
    closing(out).map_err(Failure::from)
}

async fn run(session: &Session, step: &Example, words: &str, out: &mut dyn Write) -> Result<()> {
    writeln!(out, "{words}\n")?;
    for line in step.sql.lines() {
        writeln!(out, "    {line}")?;
    }
    writeln!(out)?;
    let start = Instant::now();
    print(session.query(step.sql).await?, Format::Table, out).await?;
    writeln!(out, "Time: {}\n", seconds(start.elapsed()))?;
    Ok(())
}

fn closing(out: &mut dyn Write) -> Result<()> {
    let psql = crate::command::psql_line(Config::default().pg.listen);
    writeln!(out, "Ask it yourself:        dreyer sql")?;
    writeln!(out, "Or from any client:     dreyer serve")?;
    writeln!(out, "                        {psql}")?;
    writeln!(
        out,
        "With your own catalogue: dreyer import stars.csv --into sky --name stars --ra ra --dec dec"
    )?;
    writeln!(
        out,
        "                        dreyer sql sky -c 'SELECT COUNT(*) FROM stars'"
    )?;
    Ok(out.flush()?)
}
