//! Made-up FITS files for tests, byte by byte, so that no other implementation is needed. Not a writer.

/// A header of these cards, `END` and the filling.
pub(crate) fn header(cards: &[String]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for card in cards.iter().map(String::as_str).chain(["END"]) {
        bytes.extend_from_slice(format!("{card:<80}").as_bytes());
    }
    bytes.resize(bytes.len().next_multiple_of(2880), b' ');
    bytes
}

/// The primary unit, with an image of 3 × 5 bytes.
pub(crate) fn primary() -> Vec<u8> {
    let cards = [
        "SIMPLE  = T",
        "BITPIX  = 8",
        "NAXIS   = 2",
        "NAXIS1  = 3",
        "NAXIS2  = 5",
        "EXTEND  = T",
    ];
    let mut bytes = header(&cards.map(str::to_owned));
    bytes.resize(bytes.len() + 2880, 7);
    bytes
}

/// A binary table: the form of each column, cards besides, rows and heap.
pub(crate) fn table(forms: &[&str], cards: &[&str], row_bytes: usize, rows: &[u8], heap: &[u8]) -> Vec<u8> {
    let mut all = vec![
        "XTENSION= 'BINTABLE'".to_owned(),
        "BITPIX  = 8".to_owned(),
        "NAXIS   = 2".to_owned(),
        format!("NAXIS1  = {row_bytes}"),
        format!("NAXIS2  = {}", rows.len().checked_div(row_bytes).unwrap_or_default()),
        format!("PCOUNT  = {}", heap.len()),
        "GCOUNT  = 1".to_owned(),
        format!("TFIELDS = {}", forms.len()),
    ];
    for (number, form) in (1..).zip(forms) {
        all.push(format!("{:<8}= 'c{number}'", format!("TTYPE{number}")));
        all.push(format!("{:<8}= '{form}'", format!("TFORM{number}")));
    }
    all.extend(cards.iter().map(|card| (*card).to_owned()));
    let mut bytes = header(&all);
    bytes.extend_from_slice(rows);
    bytes.extend_from_slice(heap);
    bytes.resize(bytes.len().next_multiple_of(2880), 0);
    bytes
}

/// A file with one table of almost everything: 5 rows.
pub(crate) fn everything() -> Vec<u8> {
    let forms = [
        "L", "11X", "B", "I", "J", "K", "E", "D", "C", "4A", "2J", "1PE(3)", "1QA", "PL", "6A3", "0D", "PX",
    ];
    let (mut rows, mut heap) = (Vec::new(), Vec::new());
    let mut row_bytes = 0;
    for row in 0..5_u8 {
        let start = rows.len();
        rows.push([b'T', b'F', 0, b'F', b'T'][usize::from(row)]);
        rows.extend([0b1010_0000 >> row, 0b0010_0000]);
        rows.push(row);
        rows.extend(i16::from(row).to_be_bytes());
        rows.extend((i32::from(row) - 2).to_be_bytes());
        rows.extend(i64::from(row).to_be_bytes());
        rows.extend((f32::from(row) / 2.0).to_be_bytes());
        rows.extend(if row == 3 { f64::NAN } else { f64::from(row) }.to_be_bytes());
        rows.extend([f32::from(row).to_be_bytes(), 1.5_f32.to_be_bytes()].concat());
        rows.extend([b"ab  ", b"a\0zz", b"\0\0\0\0", b"    ", b"abcd"][usize::from(row)]);
        rows.extend([i32::from(row).to_be_bytes(), 9_i32.to_be_bytes()].concat());
        let mut put = |count: u8, bytes: &[u8]| {
            let place = (i32::from(count), i32::try_from(heap.len()).unwrap());
            heap.extend_from_slice(bytes);
            place
        };
        let floats: Vec<u8> = (0..row).flat_map(|x| f32::from(x).to_be_bytes()).collect();
        let (count, offset) = put(row, &floats);
        rows.extend([count.to_be_bytes(), offset.to_be_bytes()].concat());
        let (count, offset) = put(3, b"xyz");
        rows.extend([i64::from(count).to_be_bytes(), i64::from(offset).to_be_bytes()].concat());
        let (count, offset) = put(2, b"TF");
        rows.extend([count.to_be_bytes(), offset.to_be_bytes()].concat());
        rows.extend(b"one2  ");
        let (count, offset) = put(9, &[0xff, 0x80]);
        rows.extend([count.to_be_bytes(), offset.to_be_bytes()].concat());
        row_bytes = rows.len() - start;
    }
    let cards = [
        "EXTNAME = 'Stars'",
        "TNULL5  = -1",
        "TSCAL4  = 0.5",
        "TZERO4  = 10",
        "TZERO3  = -128",
        "TZERO6  = 9223372036854775808",
        "TUNIT8  = 'deg'",
        "TUCD8   = 'pos.eq.ra'",
        "TUTYP8  = 'a:b'",
        "TCOMM8  = 'where it is'",
        "TDISP8  = 'F8.3'",
    ];
    [primary(), table(&forms, &cards, row_bytes, &rows, &heap)].concat()
}
