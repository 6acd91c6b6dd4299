//! Where rows lie: positions of a batch as unit vectors and HEALPix indices.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::common::{Result, internal_err};
use datafusion::physical_expr::PhysicalExpr;
use dreyer_sphere::{CellRanges, LonLat, index29};

/// How the position of a row is computed.
#[derive(Debug, Clone)]
pub enum Position {
    /// Longitude and latitude in degrees.
    LonLat {
        /// The longitude.
        lon: Arc<dyn PhysicalExpr>,
        /// The latitude.
        lat: Arc<dyn PhysicalExpr>,
    },
    /// An expression that yields a POINT.
    Point(Arc<dyn PhysicalExpr>),
    /// Known by the stored index alone.
    Index,
}

/// The rows of a batch that lie somewhere. NULL, NaN and impossible coordinates lie nowhere and match nothing.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// HEALPix index of order 29.
    pub(crate) index: Vec<u64>,
    /// Unit vector.
    pub(crate) vector: Vec<[f64; 3]>,
    /// Row in the batch.
    pub(crate) row: Vec<u32>,
}

impl Position {
    /// The expressions, in the order in which [`Position::with_exprs`] takes them back.
    pub(crate) fn exprs(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        match self {
            Self::LonLat { lon, lat } => vec![lon, lat],
            Self::Point(point) => vec![point],
            Self::Index => Vec::new(),
        }
    }

    /// A position from one expression (a POINT), two (longitude, latitude) or none (the index).
    pub(crate) fn from_exprs(exprs: Vec<Arc<dyn PhysicalExpr>>) -> Result<Self> {
        if exprs.is_empty() {
            return Ok(Self::Index);
        }
        match <[_; 2]>::try_from(exprs) {
            Ok([lon, lat]) => Ok(Self::LonLat { lon, lat }),
            Err(one) => match <[_; 1]>::try_from(one) {
                Ok([point]) => Ok(Self::Point(point)),
                Err(other) => internal_err!("a position has one or two expressions, got {}", other.len()),
            },
        }
    }

    /// Places the rows of `batch`. `index_column` holds their HEALPix index, where it is stored.
    pub(crate) fn locate(&self, batch: &RecordBatch, index_column: Option<usize>) -> Result<Places> {
        let rows = batch.num_rows();
        let stored = index_column.map(|column| batch.column(column).as_primitive::<Int64Type>());
        let mut places = Places::default();
        places.reserve(rows);
        let mut place = |row: usize, lon: f64, lat: f64| {
            let Ok(at) = LonLat::new(lon, lat) else { return };
            let index = match stored {
                Some(column) if column.is_valid(row) => u64::try_from(column.value(row)).ok(),
                _ => index29(lon, lat),
            };
            if let (Some(index), Ok(row)) = (index, u32::try_from(row)) {
                let vector = at.to_vector();
                places.index.push(index);
                places.vector.push([vector.x, vector.y, vector.z]);
                places.row.push(row);
            }
        };
        match self {
            Self::Index => return internal_err!("a row without an index in a table whose index is known to be exact"),
            Self::LonLat { lon, lat } => {
                let (lon, lat) = (numbers(lon, batch)?, numbers(lat, batch)?);
                let (lon, lat) = (lon.as_primitive::<Float64Type>(), lat.as_primitive::<Float64Type>());
                for row in 0..rows {
                    if lon.is_valid(row) && lat.is_valid(row) {
                        place(row, lon.value(row), lat.value(row));
                    }
                }
            }
            Self::Point(point) => {
                let points = point.evaluate(batch)?.into_array(rows)?;
                let Some(points) = points.as_fixed_size_list_opt().filter(|list| list.value_length() == 2) else {
                    return internal_err!("a position must be a POINT, got {}", points.data_type());
                };
                let items = cast(points.values(), &DataType::Float64)?;
                let items = items.as_primitive::<Float64Type>();
                for row in 0..rows {
                    let at = 2 * (row + points.offset_in_values());
                    if points.is_valid(row) && items.is_valid(at) && items.is_valid(at + 1) {
                        place(row, items.value(at), items.value(at + 1));
                    }
                }
            }
        }
        Ok(places)
    }
}

/// Where a fixed-size list starts in its own child array: its slices already cut the child.
trait OffsetInValues {
    fn offset_in_values(&self) -> usize;
}
impl OffsetInValues for datafusion::arrow::array::FixedSizeListArray {
    fn offset_in_values(&self) -> usize {
        usize::try_from(self.value_offset(0)).unwrap_or(0) / 2
    }
}

impl Places {
    fn reserve(&mut self, rows: usize) {
        self.index.reserve(rows);
        self.vector.reserve(rows);
        self.row.reserve(rows);
    }

    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    /// Forgets the rows whose index lies outside `ranges`.
    pub(crate) fn confine(&mut self, ranges: &CellRanges) {
        let mut kept = 0;
        for place in 0..self.len() {
            if ranges.contains(self.index[place]) {
                self.index[kept] = self.index[place];
                self.vector[kept] = self.vector[place];
                self.row[kept] = self.row[place];
                kept += 1;
            }
        }
        self.index.truncate(kept);
        self.vector.truncate(kept);
        self.row.truncate(kept);
    }
}

fn numbers(expr: &Arc<dyn PhysicalExpr>, batch: &RecordBatch) -> Result<ArrayRef> {
    let array = expr.evaluate(batch)?.into_array(batch.num_rows())?;
    match array.data_type() {
        DataType::Float64 => Ok(array),
        _ => Ok(cast(&array, &DataType::Float64)?),
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LonLat { lon, lat } => write!(f, "[{lon}, {lat}]"),
            Self::Point(point) => write!(f, "[{point}]"),
            Self::Index => f.write_str("[index]"),
        }
    }
}
