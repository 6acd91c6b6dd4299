//! Aligned columns, as in the tables of a paper: names above, numbers to the right, NULL left blank.
//!
//! ```text
//!   hip |        ra |  hpmag
//! ------+-----------+-------
//!   677 |  2.097149 | 2.0434
//! (1 row)
//! ```
//!
//! The first rows decide how wide the columns are; they are held until there are enough of them, and later rows are
//! written as they come. A later value that is wider than its column pushes its line out. A value of several lines (a
//! plan, say) takes several lines.

use std::io::Write;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;

use super::RowWriter;
use super::cell::{Cells, is_numeric};
use crate::Result;

/// Rows that are held to find the widths of the columns.
const SAMPLE_ROWS: usize = 1000;

/// The widest column: formatting takes no wider one. A longer line pushes out, as that of a later row does.
const MOST_WIDTH: usize = u16::MAX as usize;

pub(super) struct TableWriter<'a> {
    schema: SchemaRef,
    out: &'a mut dyn Write,
    /// Rows not yet written, while the widths are open.
    held: Vec<Vec<String>>,
    /// Set once the header is out.
    widths: Option<Vec<usize>>,
    rows: usize,
}

impl<'a> TableWriter<'a> {
    pub(super) fn new(schema: SchemaRef, out: &'a mut dyn Write) -> Self {
        Self {
            schema,
            out,
            held: Vec::new(),
            widths: None,
            rows: 0,
        }
    }

    /// Decides the widths and writes what was held.
    fn open(&mut self) -> Result<()> {
        let held = std::mem::take(&mut self.held);
        let mut widths: Vec<usize> = self.schema.fields().iter().map(|field| width(field.name())).collect();
        for row in &held {
            for (widest, cell) in widths.iter_mut().zip(row) {
                *widest = width(cell).max(*widest);
            }
        }
        let names: Vec<String> = self
            .schema
            .fields()
            .iter()
            .map(|field| printable(field.name()).replace('\n', " "))
            .collect();
        let centred: Vec<String> = names
            .iter()
            .zip(&widths)
            .map(|(name, &width)| format!("{name:^width$}"))
            .collect();
        writeln!(self.out, "{}", format!(" {}", centred.join(" | ")).trim_end())?;
        let rules: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
        writeln!(self.out, "{}", rules.join("+"))?;
        for row in &held {
            self.line(row, &widths)?;
        }
        self.widths = Some(widths);
        Ok(())
    }

    fn line(&mut self, row: &[String], widths: &[usize]) -> Result<()> {
        let height = row.iter().map(|cell| cell.split('\n').count()).max().unwrap_or(0);
        for number in 0..height {
            let mut line = String::new();
            for ((cell, field), &width) in row.iter().zip(self.schema.fields()).zip(widths) {
                let text = cell.split('\n').nth(number).unwrap_or_default();
                line.push_str(if line.is_empty() { " " } else { " | " });
                if is_numeric(field.data_type()) {
                    line.push_str(&format!("{text:>width$}"));
                } else {
                    line.push_str(&format!("{text:<width$}"));
                }
            }
            writeln!(self.out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

impl RowWriter for TableWriter<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = batch.columns().iter().map(Cells::new).collect::<Result<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            let cells: Vec<String> = columns
                .iter()
                .map(|cells| printable(&cells.text(row).unwrap_or_default()))
                .collect();
            self.rows += 1;
            match self.widths.clone() {
                Some(widths) => self.line(&cells, &widths)?,
                None => self.held.push(cells),
            }
            if self.held.len() >= SAMPLE_ROWS {
                self.open()?;
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        if self.widths.is_none() {
            self.open()?;
        }
        writeln!(
            self.out,
            "({} {})",
            self.rows,
            if self.rows == 1 { "row" } else { "rows" }
        )?;
        self.out.flush()?;
        Ok(())
    }
}

/// Characters of the longest line, as far as a column can be wide.
fn width(text: &str) -> usize {
    let longest = text.split('\n').map(|line| line.chars().count()).max();
    longest.unwrap_or(0).min(MOST_WIDTH)
}

/// Characters that would move the cursor are shown as a space; line ends stay.
fn printable(text: &str) -> String {
    text.trim_end_matches('\n')
        .replace(|c: char| c.is_control() && c != '\n', " ")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{Float64Array, Int32Array, StringArray};
    use datafusion::arrow::datatypes::{DataType, Field, Schema};

    use super::*;

    fn batch(rows: i32) -> RecordBatch {
        let schema = Schema::new(vec![
            Field::new("id", DataType::Int32, false),
            Field::new("magnitude", DataType::Float64, true),
            Field::new("name", DataType::Utf8, true),
        ]);
        let ids = Int32Array::from_iter_values(0..rows);
        let magnitudes: Float64Array = (0..rows)
            .map(|row| (row % 2 == 0).then_some(0.1 + f64::from(row) / 3.0))
            .collect();
        let names: StringArray = (0..rows).map(|row| (row > 0).then(|| format!("α {row}"))).collect();
        RecordBatch::try_new(
            Arc::new(schema),
            vec![Arc::new(ids), Arc::new(magnitudes), Arc::new(names)],
        )
        .unwrap()
    }

    fn print(batches: &[RecordBatch]) -> String {
        let mut out = Vec::new();
        let mut writer = Box::new(TableWriter::new(batches[0].schema(), &mut out));
        for batch in batches {
            writer.write(batch).unwrap();
        }
        writer.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_cell_wider_than_any_column_is_printed_whole() {
        let long = "x".repeat(70_000);
        let schema = Schema::new(vec![
            Field::new("plan", DataType::Utf8, false),
            Field::new("n", DataType::Int32, false),
        ]);
        let texts = StringArray::from(vec![long.as_str(), "short"]);
        let columns: Vec<datafusion::arrow::array::ArrayRef> =
            vec![Arc::new(texts), Arc::new(Int32Array::from(vec![1, 2]))];
        let printed = print(&[RecordBatch::try_new(Arc::new(schema), columns).unwrap()]);
        assert!(printed.contains(&format!(" {long} | 1\n")) && printed.ends_with("(2 rows)\n"));
    }

    #[test]
    fn aligned_with_blank_nulls() {
        insta::assert_snapshot!(print(&[batch(3)]), @r"
         id |     magnitude      | name
        ----+--------------------+------
          0 |                0.1 |
          1 |                    | α 1
          2 | 0.7666666666666666 | α 2
        (3 rows)
        ");
    }

    #[test]
    fn empty_results_still_have_a_header() {
        insta::assert_snapshot!(print(&[batch(0)]), @r"
         id | magnitude | name
        ----+-----------+------
        (0 rows)
        ");
    }

    #[test]
    fn values_of_several_lines_take_several_lines() {
        let plans = StringArray::from(vec!["Join\n  Scan a\n  Scan b\n", "done"]);
        let ids = Int32Array::from(vec![1, 2]);
        let columns: [(&str, datafusion::arrow::array::ArrayRef); 2] =
            [("n", Arc::new(ids)), ("plan", Arc::new(plans))];
        insta::assert_snapshot!(print(&[RecordBatch::try_from_iter(columns).unwrap()]), @r"
         n |   plan
        ---+----------
         1 | Join
           |   Scan a
           |   Scan b
         2 | done
        (2 rows)
        ");
    }

    #[test]
    fn rows_beyond_the_sample_are_not_held() {
        let mut out = Vec::new();
        let many = batch(2000);
        let mut writer = Box::new(TableWriter::new(many.schema(), &mut out));
        writer.write(&many).unwrap();
        assert!(writer.held.is_empty());
        writer.finish().unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().count(), 2003);
        assert!(text.ends_with("(2000 rows)\n"));
    }
}
