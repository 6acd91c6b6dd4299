//! Made-up skies, the same on every run: where cross-matches go wrong, and HATS catalogues of them.

use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{Float64Array, Int64Array, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::execution::TaskContext;
use dreyer_sky::hats::import::{ImportOptions, Input, Place, TileLimit, import};

/// One object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Object {
    pub(crate) id: i64,
    pub(crate) ra: Option<f64>,
    pub(crate) dec: f64,
    pub(crate) band: i64,
}

/// Where the objects of a sky lie.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sky {
    /// Evenly over the sphere.
    Uniform,
    /// In a few clumps of a degree.
    Clustered,
    /// Within two degrees of both poles, and on them.
    Poles,
    /// Along right ascension 0/360.
    Wrap,
    /// Around the corners and edges of the HEALPix base cells.
    Corners,
}

impl Sky {
    /// `count` objects. Half of those of one seed lie within `near_deg` of an object of the seed before it, so that
    /// two skies of neighbouring seeds have pairs at every radius.
    pub(crate) fn objects(self, count: usize, seed: u64, near_deg: f64) -> Vec<Object> {
        let mut anchors = Random(1234 + self as u64);
        let mut random = Random(seed);
        (0..count)
            .map(|number| {
                let (ra, dec) = self.place(&mut anchors);
                let (ra, dec) = if number % 2 == 0 {
                    (ra, dec)
                } else {
                    self.place(&mut random)
                };
                // A step of up to `near_deg`, of either sign, along both axes of the sky.
                let step = (2.0 * random.unit() - 1.0) * near_deg;
                let across = (2.0 * random.unit() - 1.0) * near_deg / dec.to_radians().cos().max(1e-3);
                let dec = (dec + if seed.is_multiple_of(2) { 0.0 } else { step }).clamp(-90.0, 90.0);
                let ra = (ra + if seed.is_multiple_of(2) { 0.0 } else { across }).rem_euclid(360.0);
                Object {
                    id: number as i64,
                    ra: Some(ra),
                    dec,
                    band: (number % 3) as i64,
                }
            })
            .collect()
    }

    fn place(self, random: &mut Random) -> (f64, f64) {
        let uniform = |random: &mut Random| (360.0 * random.unit(), (2.0 * random.unit() - 1.0).asin().to_degrees());
        match self {
            Self::Uniform => uniform(random),
            Self::Clustered => {
                let clump = (8.0 * random.unit()).floor();
                (45.0 * clump + random.unit(), -70.0 + 20.0 * clump + random.unit())
            }
            Self::Poles => {
                let sign = if random.unit() < 0.5 { -1.0 } else { 1.0 };
                let away = if random.unit() < 0.05 { 0.0 } else { 2.0 * random.unit() };
                (360.0 * random.unit(), sign * (90.0 - away))
            }
            Self::Wrap => (
                (359.0 + 2.0 * random.unit()).rem_euclid(360.0),
                40.0 * random.unit() - 20.0,
            ),
            Self::Corners => {
                // Base cells meet where the equatorial and polar parts do, |sin dec| = 2/3, and on the equator.
                let lat = [
                    0.0,
                    (2.0_f64 / 3.0).asin().to_degrees(),
                    -(2.0_f64 / 3.0).asin().to_degrees(),
                ];
                let corner = (8.0 * random.unit()).floor() * 45.0;
                let spread = 0.5 * (random.unit() - 0.5);
                (
                    corner + spread,
                    lat[(3.0 * random.unit()) as usize % 3] + 0.5 * (random.unit() - 0.5),
                )
            }
        }
    }
}

/// SplitMix64 (Steele, Lea and Flood 2014): small, and the same everywhere.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// The objects as a record batch (id, ra, dec, band).
pub(crate) fn batch(objects: &[Object]) -> RecordBatch {
    let schema = Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("ra", DataType::Float64, true),
        Field::new("dec", DataType::Float64, true),
        Field::new("band", DataType::Int64, false),
    ]);
    RecordBatch::try_new(
        Arc::new(schema),
        vec![
            Arc::new(Int64Array::from_iter_values(objects.iter().map(|object| object.id))),
            Arc::new(Float64Array::from_iter(objects.iter().map(|object| object.ra))),
            Arc::new(Float64Array::from_iter_values(objects.iter().map(|object| object.dec))),
            Arc::new(Int64Array::from_iter_values(objects.iter().map(|object| object.band))),
        ],
    )
    .unwrap()
}

/// Writes the objects as HATS catalogue `name` under `root`: many small tiles, several row groups each.
pub(crate) async fn write_catalogue(root: &Path, name: &str, objects: &[Object], tile_rows: u64) {
    write_batch(root, name, batch(objects), tile_rows).await;
}

/// The same of rows with any columns beside `ra` and `dec`.
pub(crate) async fn write_batch(root: &Path, name: &str, batch: RecordBatch, tile_rows: u64) {
    let schema = batch.schema();
    let input = Input {
        plan: MemorySourceConfig::try_new_exec(&[vec![batch]], schema, None).unwrap(),
        task: Arc::new(TaskContext::default()),
        description: name.to_owned(),
    };
    let options = ImportOptions {
        tile: TileLimit::Rows(tile_rows),
        row_group_rows: tile_rows.div_ceil(4),
        ..ImportOptions::new(name)
    };
    let target = Place::local(root.join(name)).unwrap();
    import(input, &target, &options, &()).await.unwrap();
}
