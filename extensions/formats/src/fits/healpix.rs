//! HEALPix maps of counts as FITS, as catalogues in HATS have them. Not the reading of maps.

use std::io::Write;

use super::header::BLOCK;
use crate::{FormatError, Result};

/// The deepest order whose cells an `i64` numbers.
const MAX_ORDER: u8 = 29;

/// Writes the map of one value per cell of the order, in nested numbering: `counts` are cells and values, sorted by
/// cell; cells left out have zero. A map that is mostly zero lists its cells, another holds a value for each, which
/// is what the HATS tools write and expect. `column` names the values (`VALUE` there).
///
/// # Errors
/// When the order is above 29, cells are unsorted or beyond the sky, the column's name is no plain ASCII of at most 60
/// characters, or writing fails.
pub fn write_healpix_map(mut out: impl Write, order: u8, counts: &[(u64, i64)], column: &str) -> Result<()> {
    let cells = cells_of(order)?;
    check(counts, cells)?;
    if column.is_empty()
        || column.len() > 60
        || !column
            .bytes()
            .all(|byte| (b' '..=b'~').contains(&byte) && byte != b'\'')
    {
        return Err(FormatError::column(
            column,
            "a column of a map is named in plain ASCII, at most 60 characters",
        ));
    }
    let listed = counts.iter().filter(|(_, value)| *value != 0).count() as u64;
    // The same share as the HATS tools: above one half of zeros.
    let explicit = u128::from(cells - listed) * 2 > u128::from(cells);
    header(
        &mut out,
        &[("SIMPLE", "T"), ("BITPIX", "8"), ("NAXIS", "0"), ("EXTEND", "T")],
    )?;
    let bytes = if explicit {
        explicit_header(&mut out, order, listed, column)?;
        write_listed(&mut out, counts)?;
        listed * 16
    } else {
        implicit_header(&mut out, order, cells, column)?;
        write_all(&mut out, counts, cells)?;
        cells * 8
    };
    pad(&mut out, bytes)?;
    out.flush()?;
    Ok(())
}

fn cells_of(order: u8) -> Result<u64> {
    if order > MAX_ORDER {
        return Err(FormatError::unsupported(format!(
            "a map of order {order}: HEALPix ends at order {MAX_ORDER}"
        )));
    }
    Ok(12 << (2 * order))
}

fn check(counts: &[(u64, i64)], cells: u64) -> Result<()> {
    if let Some(pair) = counts.windows(2).find(|pair| pair[0].0 >= pair[1].0) {
        return Err(FormatError::unsupported(format!(
            "the cells of a map must be sorted and unique: {} stands before {}",
            pair[0].0, pair[1].0
        )));
    }
    match counts.last() {
        Some((cell, _)) if *cell >= cells => Err(FormatError::unsupported(format!(
            "cell {cell} of a map that has {cells}"
        ))),
        _ => Ok(()),
    }
}

fn explicit_header(out: &mut impl Write, order: u8, rows: u64, column: &str) -> Result<()> {
    let (rows, nside) = (rows.to_string(), (1_u64 << order).to_string());
    let mut cards = table("16", &rows, "2");
    let column = quoted(column);
    cards.extend([
        ("TTYPE1", "'PIXEL   '"),
        ("TTYPE2", &column),
        ("TFORM1", "'K       '"),
        ("TFORM2", "'K       '"),
    ]);
    cards.extend([
        ("PIXTYPE", "'HEALPIX '"),
        ("INDXSCHM", "'EXPLICIT'"),
        ("ORDERING", "'NESTED  '"),
    ]);
    cards.extend([
        ("COORDSYS", "'C       '"),
        ("EXTNAME", "'xtension'"),
        ("NSIDE", &nside),
        ("OBS_NPIX", &rows),
    ]);
    cards.push(("CREATOR", "'dreyer  '"));
    header(out, &cards)
}

fn implicit_header(out: &mut impl Write, order: u8, cells: u64, column: &str) -> Result<()> {
    let (rows, last, nside) = (cells.to_string(), (cells - 1).to_string(), (1_u64 << order).to_string());
    let mut cards = table("8", &rows, "1");
    let column = quoted(column);
    cards.extend([
        ("TTYPE1", column.as_str()),
        ("TFORM1", "'K       '"),
        ("PIXTYPE", "'HEALPIX '"),
    ]);
    cards.extend([
        ("INDXSCHM", "'IMPLICIT'"),
        ("ORDERING", "'NESTED  '"),
        ("NSIDE", &nside),
        ("FIRSTPIX", "0"),
    ]);
    cards.extend([
        ("LASTPIX", last.as_str()),
        ("OBJECT", "'FULLSKY '"),
        ("COORDSYS", "'C       '"),
    ]);
    cards.extend([("EXTNAME", "'xtension'"), ("CREATOR", "'dreyer  '")]);
    header(out, &cards)
}

fn table<'a>(row_bytes: &'a str, rows: &'a str, fields: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("XTENSION", "'BINTABLE'"),
        ("BITPIX", "8"),
        ("NAXIS", "2"),
        ("NAXIS1", row_bytes),
        ("NAXIS2", rows),
        ("PCOUNT", "0"),
        ("GCOUNT", "1"),
        ("TFIELDS", fields),
    ]
}

/// Texts are at least eight characters long.
fn quoted(text: &str) -> String {
    format!("'{text:<8}'")
}

fn header(out: &mut impl Write, cards: &[(&str, &str)]) -> Result<()> {
    let mut text = String::new();
    for (keyword, value) in cards {
        // Texts begin in column 11, numbers end in column 30.
        let card = match value.starts_with('\'') {
            true => format!("{keyword:<8}= {value}"),
            false => format!("{keyword:<8}= {value:>20}"),
        };
        text.push_str(&format!("{card:<80}"));
    }
    text.push_str(&format!("{:<80}", "END"));
    while !(text.len() as u64).is_multiple_of(BLOCK) {
        text.push(' ');
    }
    Ok(out.write_all(text.as_bytes())?)
}

fn write_listed(out: &mut impl Write, counts: &[(u64, i64)]) -> Result<()> {
    let mut bytes = Vec::new();
    for chunk in counts.chunks(4096) {
        bytes.clear();
        for (cell, value) in chunk.iter().filter(|(_, value)| *value != 0) {
            bytes.extend_from_slice(&cell.to_be_bytes());
            bytes.extend_from_slice(&value.to_be_bytes());
        }
        out.write_all(&bytes)?;
    }
    Ok(())
}

fn write_all(out: &mut impl Write, counts: &[(u64, i64)], cells: u64) -> Result<()> {
    let mut listed = counts.iter().peekable();
    let mut bytes = Vec::new();
    for cell in 0..cells {
        let value = listed.next_if(|(next, _)| *next == cell).map_or(0, |(_, value)| *value);
        bytes.extend_from_slice(&value.to_be_bytes());
        if bytes.len() >= 1 << 16 {
            out.write_all(&bytes)?;
            bytes.clear();
        }
    }
    Ok(out.write_all(&bytes)?)
}

fn pad(out: &mut impl Write, bytes: u64) -> Result<()> {
    let missing = bytes.next_multiple_of(BLOCK) - bytes;
    let zeros = vec![0; usize::try_from(missing).unwrap_or_default()];
    Ok(out.write_all(&zeros)?)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use arrow::util::pretty::pretty_format_batches;

    use super::*;
    use crate::fits::{FitsReader, Table};

    fn written(order: u8, counts: &[(u64, i64)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_healpix_map(&mut bytes, order, counts, "VALUE").unwrap();
        assert!(bytes.len().is_multiple_of(2880));
        bytes
    }

    fn drawn(bytes: &[u8]) -> String {
        let reader = FitsReader::open(Cursor::new(bytes), Table::First).unwrap();
        let batches: Vec<_> = reader.map(Result::unwrap).collect();
        pretty_format_batches(&batches).unwrap().to_string()
    }

    #[test]
    fn a_map_of_zeros_lists_its_cells() {
        let bytes = written(1, &[(3, 7), (4, 0), (47, -1)]);
        let expected = "+-------+-------+\n| PIXEL | VALUE |\n+-------+-------+\n| 3     | 7     |\n| 47    | -1    |\n+-------+-------+";
        assert_eq!(drawn(&bytes), expected);
        assert!(String::from_utf8_lossy(&bytes).contains("INDXSCHM= 'EXPLICIT'"));
    }

    #[test]
    fn half_full_maps_hold_every_cell() {
        let counts: Vec<_> = (0..6).map(|cell| (cell * 2, 5)).collect();
        let bytes = written(0, &counts);
        assert!(String::from_utf8_lossy(&bytes).contains("INDXSCHM= 'IMPLICIT'"));
        let values: Vec<_> = drawn(&bytes)
            .lines()
            .skip(3)
            .map(|line| line.contains('5'))
            .take(12)
            .collect();
        assert_eq!(values, [true, false].repeat(6));
    }

    #[test]
    fn what_is_no_map_is_refused() {
        for (order, counts, column) in [
            (30, &[][..], "VALUE"),
            (0, &[(12, 1)], "VALUE"),
            (0, &[(2, 1), (1, 1)], "VALUE"),
            (0, &[(1, 1), (1, 1)], "VALUE"),
            (0, &[(1, 1)], "it's"),
            (0, &[(1, 1)], "é"),
            (0, &[(1, 1)], ""),
        ] {
            assert!(
                write_healpix_map(Vec::new(), order, counts, column).is_err(),
                "{order} {counts:?} {column}"
            );
        }
    }
}
