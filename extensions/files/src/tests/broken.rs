//! Broken files: an error that names the file, or rows where the damage cannot be seen; never a panic.

use futures::FutureExt;

use super::*;

/// A small generator of numbers, the same on every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end.max(1)
    }
}

fn damaged(bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    match dice.below(4) {
        0 => bytes.truncate(dice.below(bytes.len())),
        1 => {
            let (at, len) = (dice.below(bytes.len()), dice.below(64));
            let end = bytes.len().min(at + len);
            bytes.drain(at..end);
        }
        _ => {
            for _ in 0..=dice.below(8) {
                let at = if dice.below(2) == 0 {
                    dice.below(bytes.len())
                } else {
                    // Heads and tails hold what the rest is read by.
                    let near = dice.below(bytes.len().min(600));
                    if dice.below(2) == 0 {
                        near
                    } else {
                        bytes.len() - 1 - near
                    }
                };
                bytes[at] ^= 1 << dice.below(8);
            }
        }
    }
    bytes
}

fn formats() -> Vec<(&'static str, Vec<u8>)> {
    let stars = stars(300);
    let text = csv(&stars, b',');
    vec![
        ("x.parquet", parquet(&stars, 100)),
        ("x.csv", text.clone()),
        ("x.csv.gz", gzip(&text)),
        ("x.csv.zst", zstd(&text)),
        ("x.arrow", arrow_file(&stars)),
        ("x.ipc", arrow_stream(&stars)),
        ("y.arrow", packed_arrow(&stars)),
        ("x.vot", votable(&stars, Serialization::TableData)),
        ("y.vot", votable(&stars, Serialization::Binary2)),
        ("x.ecsv", ecsv(&stars)),
        ("x.fits", fits(&stars)),
        ("x.fits.gz", gzip(&fits(&stars))),
    ]
}

fn packed_arrow(rows: &RecordBatch) -> Vec<u8> {
    use datafusion::arrow::ipc::CompressionType;
    use datafusion::arrow::ipc::writer::IpcWriteOptions;
    let options = IpcWriteOptions::default()
        .try_with_compression(Some(CompressionType::ZSTD))
        .unwrap();
    let mut writer = FileWriter::try_new_with_options(Vec::new(), &rows.schema(), options).unwrap();
    writer.write(rows).unwrap();
    writer.into_inner().unwrap()
}

async fn read(context: &SessionContext, path: &Path) -> Result<usize, String> {
    register(context, "t", path).await?;
    Ok(rows(context, "SELECT * FROM t").await?.len())
}

async fn survives(rounds: usize, seed: u64) {
    let folder = tempfile::tempdir().unwrap();
    let context = session();
    let mut dice = Dice(seed);
    for (name, bytes) in formats() {
        let path = folder.path().join(name);
        std::fs::write(&path, &bytes).unwrap();
        assert!(read(&context, &path).await.unwrap() >= 300, "{name}");
        let mut refused = 0;
        for round in 0..rounds {
            let broken = damaged(&bytes, &mut dice);
            std::fs::write(&path, &broken).unwrap();
            let outcome = std::panic::AssertUnwindSafe(read(&context, &path)).catch_unwind().await;
            let Ok(outcome) = outcome else {
                panic!("{name}, seed {seed}, round {round}: a panic went through")
            };
            if let Err(error) = outcome {
                assert!(error.contains(name), "{name}, seed {seed}, round {round}: {error}");
                refused += 1;
            }
        }
        assert!(refused > rounds / 10, "{name}: {refused} of {rounds} refused");
    }
}

#[tokio::test]
async fn damaged_files_are_told_and_never_panic() {
    survives(20, 1).await;
}

#[tokio::test]
#[ignore = "minutes; the bounded sample stands above"]
async fn damaged_files_at_length() {
    for seed in 2..6 {
        survives(500, seed).await;
    }
}

/// Cut at every length, a file is refused, except where what is left is whole by itself.
#[tokio::test]
async fn files_cut_short_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let context = session();
    for (name, bytes) in formats() {
        let path = folder.path().join(name);
        for part in 0..40 {
            std::fs::write(&path, &bytes[..bytes.len() * part / 40]).unwrap();
            match read(&context, &path).await {
                Err(error) => assert!(error.contains(name), "{error}"),
                Ok(_) => assert!(["x.csv", "x.ecsv"].contains(&name), "{name}, {part} of 40"),
            }
        }
    }
}
