//! Files of astropy read as astropy means them, and ours read by astropy, maps by the library that
//! HATS tools read them with. Needs Python.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::Command;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::{cast, concat_batches};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::ipc::reader::FileReader;
use dreyer_formats::ecsv::EcsvReader;
use dreyer_formats::fits::{FitsReader, Table, write_healpix_map};
use dreyer_formats::votable::{Serialization, VotableReader, VotableWriter};

fn python(task: &str, folder: &Path) {
    let python = std::env::var("DREYER_TEST_PYTHON")
        .expect("DREYER_TEST_PYTHON must name a Python with astropy, pyarrow and cdshealpix; tests/run makes one");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/formats_astropy.py");
    let output = Command::new(python).arg(script).arg(task).arg(folder).output().unwrap();
    let (out, errors) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{out}{errors}");
}

fn open(path: PathBuf) -> BufReader<File> {
    BufReader::new(File::open(path).unwrap())
}

/// The values that a file must have, from the Arrow file beside it.
fn truth(folder: &Path, name: &str) -> RecordBatch {
    let reader = FileReader::try_new(open(folder.join(format!("{name}.arrow"))), None).unwrap();
    let schema = reader.schema();
    concat_batches(&schema, &reader.map(Result::unwrap).collect::<Vec<_>>()).unwrap()
}

fn whole(schema: SchemaRef, batches: impl Iterator<Item = dreyer_formats::Result<RecordBatch>>) -> RecordBatch {
    concat_batches(&schema, &batches.map(Result::unwrap).collect::<Vec<_>>()).unwrap()
}

fn read(folder: &Path, name: &str) -> RecordBatch {
    let file = open(folder.join(name));
    match name.rsplit('.').next() {
        Some("fits") => {
            let table = if name == "raw.fits" {
                Table::Named("heap".to_owned())
            } else {
                Table::First
            };
            let reader = FitsReader::open(file, table).unwrap().with_batch_rows(100);
            whole(reader.schema(), reader)
        }
        Some("vot") => {
            let reader = VotableReader::open(file).unwrap().with_batch_rows(100);
            whole(reader.schema(), reader)
        }
        _ => {
            let reader = EcsvReader::open(file).unwrap().with_batch_rows(100);
            whole(reader.schema(), reader)
        }
    }
}

#[test]
fn files_of_astropy_mean_what_astropy_means() {
    let folder = tempfile::tempdir().unwrap();
    python("write", folder.path());
    for (name, columns) in [
        ("all.fits", 22),
        ("raw.fits", 15),
        ("tabledata.vot", 19),
        ("binary.vot", 19),
        ("binary2.vot", 19),
        ("blank.ecsv", 23),
        ("comma.ecsv", 23),
    ] {
        let (found, truth) = (read(folder.path(), name), truth(folder.path(), name));
        assert_eq!((found.num_rows(), found.num_columns()), (257, columns), "{name}");
        for (field, expected) in truth.schema().fields().iter().zip(truth.columns()) {
            let column = found.column_by_name(field.name()).unwrap();
            // The truth is in Python's few types, which hold all values.
            let column = cast(column, field.data_type()).unwrap();
            assert_eq!(&column, expected, "{name}, {}", field.name());
        }
        if name != "raw.fits" {
            let field = found.schema().field_with_name("float64").unwrap().clone();
            assert_eq!(field.metadata()["unit"], "deg", "{name}");
        }
    }
    let schema = read(folder.path(), "binary2.vot").schema();
    let metadata = schema.field_with_name("float64").unwrap().metadata();
    assert_eq!(metadata["ucd"], "pos.eq.ra;meta.main");
    assert_eq!(metadata["description"], "A number & a 'sentence' <of> it");
}

#[test]
fn astropy_reads_what_is_written() {
    let folder = tempfile::tempdir().unwrap();
    python("write", folder.path());
    // Numbers beyond 63 bits have no place in a VOTable.
    let mut batch = read(folder.path(), "all.fits");
    batch.remove_column(batch.schema().index_of("uint64").unwrap());
    for (name, serialization) in [
        ("ours.tabledata", Serialization::TableData),
        ("ours.binary2", Serialization::Binary2),
    ] {
        let file = File::create(folder.path().join(name)).unwrap();
        let mut writer = VotableWriter::new(file, batch.schema(), serialization, Some("stars & more"), Some("<all>"));
        writer.write(&batch.slice(0, 100)).unwrap();
        writer.write(&batch.slice(100, 157)).unwrap();
        writer.finish().unwrap();
    }
    python("read", folder.path());
}

/// A map's name, its order, cells and values.
type Map = (&'static str, u8, Vec<(u64, i64)>);

#[test]
fn hats_tools_read_our_maps() {
    let folder = tempfile::tempdir().unwrap();
    let maps: [Map; 6] = [
        (
            "dense",
            3,
            (0..768).map(|cell| (cell, 1 + i64::try_from(cell).unwrap())).collect(),
        ),
        ("sparse", 10, vec![(0, 1), (77, 1 << 40), (12_582_911, 3)]),
        ("half", 0, (0..6).map(|cell| (cell * 2, 5)).collect()),
        ("less", 0, (0..5).map(|cell| (cell * 2, 5)).collect()),
        ("one", 0, vec![(11, 1)]),
        ("empty", 1, vec![]),
    ];
    for (name, order, counts) in &maps {
        let file = File::create(folder.path().join(format!("{name}.fits"))).unwrap();
        write_healpix_map(file, *order, counts, "VALUE").unwrap();
        let lines: String = counts.iter().map(|(cell, value)| format!("{cell} {value}\n")).collect();
        std::fs::write(folder.path().join(format!("{name}.{order}.txt")), lines).unwrap();
    }
    python("maps", folder.path());
}
