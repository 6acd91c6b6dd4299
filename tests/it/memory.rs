//! What an import takes in memory, measured from outside: its bound and a stated rest, however large the input is.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::array::{ArrayRef, BinaryArray, Float64Array, RecordBatch};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};

/// Rows, and bytes of each beside its position: 150 MB in all, which no encoding makes less of. Few and wide, since an
/// unoptimised build is slow by the value.
const ROWS: usize = 240_000;
const ROW_BYTES: usize = 640;
const GROUP_ROWS: usize = 20_000;
/// What `--memory` bounds, and what the program, its threads and a row group of the input per core take beside it.
const BOUND_MB: u64 = 128;
const REST_MB: u64 = 190;

fn write_input(file: &Path) {
    let mut random = StdRng::seed_from_u64(9);
    let properties = WriterProperties::builder().set_dictionary_enabled(false).build();
    let mut writer = None;
    for _ in 0..ROWS / GROUP_ROWS {
        let mut numbers = |range: std::ops::Range<f64>| {
            let values = (0..GROUP_ROWS).map(|_| random.random_range(range.clone()));
            Arc::new(values.collect::<Float64Array>()) as ArrayRef
        };
        let (ra, dec) = (numbers(0.0..360.0), numbers(-90.0..90.0));
        let mut bytes = vec![0; GROUP_ROWS * ROW_BYTES];
        random.fill_bytes(&mut bytes);
        let rest: ArrayRef = Arc::new(BinaryArray::from_iter_values(bytes.chunks(ROW_BYTES)));
        let columns = [("ra", ra), ("dec", dec), ("rest", rest)];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let writer = writer.get_or_insert_with(|| {
            let properties = Some(properties.clone());
            ArrowWriter::try_new(fs::File::create(file).unwrap(), batch.schema(), properties).unwrap()
        });
        writer.write(&batch).unwrap();
        writer.flush().unwrap();
    }
    writer.unwrap().close().unwrap();
}

/// Memory of the process that is its own: pages of its program are the system's, which takes them when it needs them.
fn own_kb(id: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

#[cfg(target_os = "linux")]
#[test]
fn an_import_keeps_to_its_memory() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("stars.parquet");
    write_input(&input);
    assert!(fs::metadata(&input).unwrap().len() > (BOUND_MB << 20));
    let mut child = Command::new(env!("CARGO_BIN_EXE_dreyer"))
        .arg("import")
        .arg(&input)
        .arg("--into")
        .arg(folder.path().join("sky"))
        .args([
            "--name",
            "stars",
            "--memory",
            &format!("{BOUND_MB}MiB"),
            "--margin",
            "5",
            "--index",
            "ra",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut peak_kb = 0;
    while child.try_wait().unwrap().is_none() {
        peak_kb = peak_kb.max(own_kb(child.id()).unwrap_or(0));
        std::thread::park_timeout(Duration::from_millis(10));
    }
    assert!(child.wait().unwrap().success());
    let peak_mb = peak_kb >> 10;
    assert!(peak_mb > 32, "it was not measured: {peak_mb} MiB");
    assert!(
        peak_mb <= BOUND_MB + REST_MB,
        "{peak_mb} MiB where {BOUND_MB} and {REST_MB} are allowed"
    );
}

#[test]
fn too_little_memory_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_dreyer"))
        .args([
            "import", "x.csv", "--into", "sky", "--name", "stars", "--memory", "127MiB",
        ])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && text.contains("at least 128MiB"), "{text}");
}
