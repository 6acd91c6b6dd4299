//! Generated tables: rows crowded where matching goes wrong, stored as catalogues of a few small tiles.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema};
use dreyer_sphere::{Cell, LonLat, destination};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::properties::WriterProperties;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::skies::write_batch;

/// 0.01 arcseconds to 180 degrees.
const SCALES_DEG: std::ops::Range<f64> = 0.01 / 3600.0..180.0;

/// How a row is found.
#[derive(Debug, Clone)]
enum Spot {
    /// Around the centre of the sky: a direction, and how many times the scale away.
    Near(f64, f64),
    /// Where a row before it is.
    Same(Index),
    /// As far from the centre as a row before it, on the other side.
    Across(Index),
    Anywhere(f64, f64),
}

/// What is wrong with the stored position of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Lost {
    Not,
    NullRa,
    NullDec,
    NanRa,
    NanDec,
    BeyondThePole,
    InfiniteRa,
}

#[derive(Debug, Clone)]
struct Draft {
    spot: Spot,
    lost: Lost,
    band: i64,
    size: Option<f64>,
    motion: (f64, f64),
}

/// One row of a table. Its id is its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Star {
    pub(super) ra: f64,
    pub(super) dec: f64,
    pub(super) lost: Lost,
    pub(super) band: i64,
    /// In degrees, about as large as the pairs are wide; NULL, NaN and negative at times.
    pub(super) size: Option<f64>,
    /// In milliarcseconds a year, so that twenty years carry it about as far.
    pub(super) motion: (f64, f64),
}

/// Two tables, and how wide their pairs are.
#[derive(Debug, Clone)]
pub(super) struct Tables {
    pub(super) left: Vec<Star>,
    pub(super) right: Vec<Star>,
    pub(super) scale_deg: f64,
}

fn centre() -> impl Strategy<Value = LonLat> {
    let at = |lon, lat| LonLat::new(lon, lat).unwrap();
    // Tiles, units and row groups end at the corners of cells.
    let corner = (0..=12_u8, any::<u64>(), 0..4_usize)
        .prop_map(|(order, number, corner)| Cell::new(order, number % (12 << (2 * order))).unwrap().vertices()[corner]);
    prop_oneof![
        1 => Just(at(0.0, 90.0)),
        1 => Just(at(77.0, -90.0)),
        1 => (-60.0..60.0).prop_map(move |lat| at(0.0, lat)),
        1 => (0..8_u8, prop_oneof![Just(41.810_314_895_778_6), Just(-41.810_314_895_778_6), Just(0.0)])
            .prop_map(move |(eighth, lat)| at(45.0 * f64::from(eighth), lat)),
        3 => corner,
        1 => (0.0..360.0, -90.0..=90.0).prop_map(move |(lon, lat)| at(lon, lat)),
    ]
}

fn spot() -> impl Strategy<Value = Spot> {
    prop_oneof![
        6 => (0.0..360.0, 0.0..2.0).prop_map(|(turn, reach)| Spot::Near(turn, reach)),
        1 => any::<Index>().prop_map(Spot::Same),
        1 => any::<Index>().prop_map(Spot::Across),
        1 => (0.0..360.0, -90.0..=90.0).prop_map(|(lon, lat)| Spot::Anywhere(lon, lat)),
    ]
}

fn lost() -> impl Strategy<Value = Lost> {
    let lost = [
        Lost::NullRa,
        Lost::NullDec,
        Lost::NanRa,
        Lost::NanDec,
        Lost::BeyondThePole,
        Lost::InfiniteRa,
    ];
    prop_oneof![5 => Just(Lost::Not), 1 => proptest::sample::select(lost.to_vec())]
}

fn draft() -> impl Strategy<Value = Draft> {
    let size = prop_oneof![
        6 => (0.0..1.5).prop_map(Some),
        1 => Just(None),
        1 => proptest::sample::select(vec![Some(f64::NAN), Some(-1.0), Some(0.0), Some(f64::INFINITY)]),
    ];
    let motion = (-1.0..1.0, -1.0..1.0);
    let draft = (spot(), lost(), 0..3_i64, size, motion);
    draft.prop_map(|(spot, lost, band, size, motion)| Draft {
        spot,
        lost,
        band,
        size,
        motion,
    })
}

/// Two tables of one to thirty rows around one place, or of many on one side.
pub(super) fn tables() -> impl Strategy<Value = Tables> {
    let rows = |most| prop::collection::vec(draft(), 1..most);
    let sides = prop_oneof![
        4 => (rows(30), rows(30)),
        1 => (rows(6), rows(90)),
        1 => (rows(90), rows(6)),
    ];
    let scale = prop_oneof![
        8 => (SCALES_DEG.start.log10()..SCALES_DEG.end.log10()).prop_map(|exponent| 10_f64.powf(exponent)),
        1 => Just(SCALES_DEG.start),
        1 => Just(SCALES_DEG.end),
    ];
    (centre(), scale, any::<bool>(), sides).prop_map(|(centre, scale_deg, lossy, (left, right))| {
        let mut placed = Vec::new();
        let mut stars = |drafts: Vec<Draft>| {
            let star = |draft| star(draft, centre, scale_deg, lossy, &mut placed);
            drafts.into_iter().map(star).collect()
        };
        Tables {
            left: stars(left),
            right: stars(right),
            scale_deg,
        }
    })
}

fn star(draft: Draft, centre: LonLat, scale_deg: f64, lossy: bool, placed: &mut Vec<(f64, f64, LonLat)>) -> Star {
    let near = |turn: f64, reach: f64| (turn, reach, destination(centre, turn, (reach * scale_deg).min(180.0)));
    let before = |index: Index| match placed.is_empty() {
        true => near(0.0, 0.0),
        false => *index.get(placed.as_slice()),
    };
    let found = match draft.spot {
        Spot::Near(turn, reach) => near(turn, reach),
        Spot::Same(index) => before(index),
        Spot::Across(index) => {
            let (turn, reach, _) = before(index);
            near(turn + 180.0, reach)
        }
        Spot::Anywhere(lon, lat) => (0.0, 0.0, LonLat::new(lon, lat).unwrap()),
    };
    placed.push(found);
    let yearly = scale_deg.min(20.0) * 3_600_000.0 / 20.0;
    Star {
        ra: found.2.lon_deg(),
        dec: found.2.lat_deg(),
        lost: if lossy { draft.lost } else { Lost::Not },
        band: draft.band,
        size: draft.size.map(|size| size * scale_deg),
        motion: (draft.motion.0 * yearly, draft.motion.1 * yearly),
    }
}

impl Star {
    pub(super) fn lies(&self) -> bool {
        self.lost == Lost::Not
    }
}

/// Writes a table as catalogue `name` under `root`.
pub(super) async fn write(root: &Path, name: &str, stars: &[Star], tile_rows: u64) {
    write_batch(root, name, batch(stars), tile_rows).await;
    if stars.iter().any(|star| !star.lies()) {
        lose(&root.join(name));
    }
}

fn batch(stars: &[Star]) -> RecordBatch {
    let doubles =
        |of: &dyn Fn(&Star) -> Option<f64>| Arc::new(stars.iter().map(of).collect::<Float64Array>()) as ArrayRef;
    let integers = |of: &dyn Fn(usize) -> i64| Arc::new((0..stars.len()).map(of).collect::<Int64Array>()) as ArrayRef;
    let columns = [
        ("id", integers(&|row| row as i64)),
        ("ra", doubles(&|star| Some(star.ra))),
        ("dec", doubles(&|star| Some(star.dec))),
        ("band", integers(&|row| stars[row].band)),
        ("size", doubles(&|star| star.size)),
        ("pmra", doubles(&|star| Some(star.motion.0))),
        ("pmdec", doubles(&|star| Some(star.motion.1))),
        ("lost", integers(&|row| stars[row].lost as i64)),
    ];
    let fields = columns
        .iter()
        .map(|(name, array)| Field::new(*name, array.data_type().clone(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    RecordBatch::try_new(schema, columns.into_iter().map(|(_, array)| array).collect()).unwrap()
}

/// Spoils positions as other programs do that know an index: the rows stay where they are sorted, and nobody vouches for
/// the index any more.
fn lose(catalogue: &Path) {
    for file in files_under(catalogue) {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        if name.ends_with("properties") {
            let text = fs::read_to_string(&file).unwrap();
            let kept = text.lines().filter(|line| !line.starts_with("dreyer_index_is_of"));
            fs::write(&file, kept.collect::<Vec<_>>().join("\n")).unwrap();
        } else if name.ends_with("_metadata") {
            fs::remove_file(&file).unwrap();
        } else if name.ends_with(".parquet") && name.starts_with("Npix") {
            spoil(&file);
        }
    }
}

fn spoil(leaf: &Path) {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(leaf).unwrap()).unwrap();
    let rows: usize = reader.metadata().file_metadata().num_rows() as usize;
    let batches: Vec<RecordBatch> = reader.build().unwrap().map(Result::unwrap).collect();
    let batch = concat_batches(&batches[0].schema(), &batches).unwrap();
    let lost = batch.column_by_name("lost").unwrap().as_primitive::<Int64Type>();
    let spoilt = |name: &str, value: &dyn Fn(i64, f64) -> Option<f64>| {
        let column = batch.column_by_name(name).unwrap().as_primitive::<Float64Type>();
        let spoilt = (0..rows).map(|row| value(lost.value(row), column.value(row)));
        Arc::new(spoilt.collect::<Float64Array>()) as ArrayRef
    };
    let is = |lost: Lost, code: i64| lost as i64 == code;
    let ra = spoilt("ra", &|lost, ra| match lost {
        code if is(Lost::NullRa, code) => None,
        code if is(Lost::NanRa, code) => Some(f64::NAN),
        code if is(Lost::InfiniteRa, code) => Some(f64::INFINITY),
        _ => Some(ra),
    });
    let dec = spoilt("dec", &|lost, dec| match lost {
        code if is(Lost::NullDec, code) => None,
        code if is(Lost::NanDec, code) => Some(f64::NAN),
        code if is(Lost::BeyondThePole, code) => Some(95.0),
        _ => Some(dec),
    });
    let schema = batch.schema();
    let columns = schema
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, column)| match field.name().as_str() {
            "ra" => Arc::clone(&ra),
            "dec" => Arc::clone(&dec),
            _ => Arc::clone(column),
        });
    let nullable = schema.fields().iter().map(|field| {
        let nullable = field.is_nullable() || *field.data_type() == DataType::Float64;
        field.as_ref().clone().with_nullable(nullable)
    });
    let schema = Arc::new(Schema::new(nullable.collect::<Vec<_>>()));
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns.collect()).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(5)).build();
    let mut writer = ArrowWriter::try_new(File::create(leaf).unwrap(), schema, Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn files_under(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { files_under(&path) } else { vec![path] })
        .collect()
}
