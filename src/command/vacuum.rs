//! `dreyer vacuum`: removes what crashes left under a root of tables made by SQL, and merges what inserts added.

use std::io::Write;
use std::time::Duration;

use clap::Args;
use dreyer_sky::hats::managed::{ManagedTable, SweepReport, sweep};
use dreyer_sky::hats::{Place, discover};

use super::Failure;
use crate::storage::{ClosedRegistry, open_roots};
use crate::{Config, Error, ErrorKind, Result};

/// What `dreyer vacuum` is asked to do.
#[derive(Debug, Clone, Args)]
pub struct VacuumArgs {
    /// The root: a directory, or an address such as s3://bucket/prefix.
    pub root: String,
    /// How long files stay that no table names any more: longer than any query and any write takes.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = duration)]
    pub grace: Duration,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// Runs the command; says on `out` what was found and done.
///
/// # Errors
/// The root cannot be opened or listed; a table cannot be written. What was done until then stays done.
pub async fn vacuum(args: VacuumArgs, out: &mut dyn Write) -> Result<(), Failure> {
    // The stores' threads end with their registry.
    let registry = ClosedRegistry::default();
    let root = open(&args.root, &registry).await?;
    let swept = sweep(&root, args.grace, args.dry_run).await.map_err(Error::from)?;
    tell(&swept, args.dry_run, out)?;
    for found in discover(&root.store, &root.path).await.map_err(Error::from)? {
        let (name, mut place) = match &found.schema {
            Some(schema) => (format!("{schema}.{}", found.name), root.child(schema)),
            None => (found.name.clone(), root.clone()),
        };
        place = place.child(&found.name);
        let table = if found.managed {
            ManagedTable::open(place).await.map_err(Error::from)?
        } else {
            None
        };
        let Some(table) = table else { continue };
        let inserts = table.increments();
        if args.dry_run {
            if inserts > 0 {
                writeln!(out, "would merge     {name}: {inserts} inserts").map_err(Error::from)?;
            }
            continue;
        }
        let report = table.vacuum(args.grace).await.map_err(Error::from)?;
        if report.merged > 0 {
            writeln!(
                out,
                "merged          {name}: {} inserts, {} rows now",
                report.merged, report.rows
            )
            .map_err(Error::from)?;
        }
        if report.deleted > 0 {
            writeln!(out, "deleted         {name}: {} old folders", report.deleted).map_err(Error::from)?;
        }
    }
    Ok(out.flush().map_err(Error::from)?)
}

/// The root, to be written to.
async fn open(given: &str, registry: &ClosedRegistry) -> Result<Place> {
    let config = Config {
        roots: vec![given.to_owned()],
        writable: Some(given.to_owned()),
        ..Config::default()
    };
    let mut roots = open_roots(&config, registry).await?;
    let root = roots
        .pop()
        .ok_or_else(|| Error::new(ErrorKind::Io, format!("cannot open {given}")))?;
    Ok(Place {
        store: root.store,
        url: root.url,
        path: root.path,
        local: root.local,
    })
}

fn tell(report: &SweepReport, dry_run: bool, out: &mut dyn Write) -> Result<()> {
    let would = if dry_run { "would " } else { "" };
    let (remove, repair) = if dry_run {
        ("remove", "repair")
    } else {
        ("removed", "repaired")
    };
    for path in &report.removed {
        writeln!(out, "{:<15} {path}", format!("{would}{remove}"))?;
    }
    for told in &report.repaired {
        writeln!(out, "{:<15} {told}", format!("{would}{repair}"))?;
    }
    for told in &report.left {
        writeln!(out, "{:<15} {told}", "left alone")?;
    }
    let megabytes = report.bytes as f64 / 1e6;
    writeln!(
        out,
        "{} tables; {} leftovers, {megabytes:.1} MB{}",
        report.tables,
        report.removed.len(),
        if dry_run { " (nothing was touched)" } else { "" },
    )?;
    Ok(())
}

/// `90s`, `15m`, `1h`, `2d`; a number alone is seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no time; write 90s, 15m, 1h or 2d");
    let split = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        for (text, seconds) in [("0", 0), ("90s", 90), ("15m", 900), ("1h", 3600), ("2d", 172_800)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "h",
            "1w",
            "-1s",
            "1.5h",
            "99999999999999999999s",
            "9999999999999999999d",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
