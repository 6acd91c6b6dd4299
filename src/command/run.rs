//! A text of SQL from parsing to print: what `-c`, a file, the shell and the demonstration all do.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use futures::{StreamExt, TryStreamExt};

use super::Failure;
use crate::{Error, Format, Outcome, Session, Statement};

/// Runs texts in a session and prints what they give.
#[derive(Debug, Clone)]
pub(crate) struct Runner {
    pub(crate) session: Session,
    pub(crate) format: Format,
    /// Print how long each statement took.
    pub(crate) timing: bool,
}

impl Runner {
    /// Runs the statements of `text` one after the other, up to the first that fails.
    pub(crate) async fn run(&self, text: &str, out: &mut dyn Write) -> Result<(), Failure> {
        let failure = |error| Failure::new(error, text);
        for statement in self.session.parse(text).map_err(failure)? {
            let start = Instant::now();
            self.statement(&statement, out).await.map_err(failure)?;
            if self.timing {
                writeln!(out, "Time: {}", seconds(start.elapsed())).map_err(Error::from)?;
            }
        }
        Ok(())
    }

    async fn statement(&self, statement: &Statement, out: &mut dyn Write) -> crate::Result<()> {
        let explain = |error: Error| self.session.explain(error, statement);
        let plan = self.session.plan(statement).await?;
        let outcome = self.session.execute(plan).await.map_err(explain)?;
        for notice in self.session.take_notices() {
            let _ = writeln!(io::stderr(), "NOTICE:  {notice}");
        }
        match outcome {
            Outcome::Rows(rows) => print(aside(rows), self.format, out).await.map_err(explain),
            Outcome::Done { tag, notices } => {
                for notice in notices {
                    // Whoever reads the output reads this too, or does not care.
                    let _ = writeln!(io::stderr(), "NOTICE:  {notice}");
                }
                if self.format == Format::Table {
                    writeln!(out, "{tag}")?;
                }
                Ok(())
            }
        }
    }
}

/// The rows, made by a task of their own: whoever waits for them can turn to a cancel at any time. Dropping them stops
/// the task.
fn aside(mut rows: SendableRecordBatchStream) -> SendableRecordBatchStream {
    let mut stream = RecordBatchReceiverStream::builder(rows.schema(), 2);
    let sender = stream.tx();
    stream.spawn(async move {
        while let Some(batch) = rows.next().await {
            if sender.send(batch).await.is_err() {
                break;
            }
        }
        Ok(())
    });
    stream.build()
}

/// Writes rows as they come.
pub(crate) async fn print(
    mut rows: SendableRecordBatchStream,
    format: Format,
    out: &mut dyn Write,
) -> crate::Result<()> {
    let mut writer = format.writer(rows.schema(), out);
    while let Some(batch) = rows.try_next().await? {
        writer.write(&batch)?;
    }
    writer.finish()
}

/// A time for people: three figures are enough.
pub(crate) fn seconds(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{:.1} ms", time.as_secs_f64() * 1e3)
    } else {
        format!("{:.2} s", time.as_secs_f64())
    }
}
