//! One NaN for all in arrays, and one zero.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, GenericListArray, OffsetSizeTrait, PrimitiveArray, RecordBatch, StructArray,
};
use datafusion::arrow::datatypes::{ArrowPrimitiveType, DataType, Float32Type, Float64Type};
use datafusion::common::Result;

/// The batch with every NaN the same and every zero positive; the batch itself where they are.
///
/// # Errors
/// None that is known of: columns keep their types and lengths.
pub fn of_batch(batch: RecordBatch) -> Result<RecordBatch> {
    let mended: Vec<Option<ArrayRef>> = batch.columns().iter().map(of_array).collect();
    if mended.iter().all(Option::is_none) {
        return Ok(batch);
    }
    let columns = mended.into_iter().zip(batch.columns());
    let columns = columns.map(|(mended, column)| mended.unwrap_or_else(|| Arc::clone(column)));
    Ok(RecordBatch::try_new(batch.schema(), columns.collect())?)
}

/// The array with every NaN the same and every zero positive; `None` where they are. Lists and structures are looked into.
pub fn of_array(array: &ArrayRef) -> Option<ArrayRef> {
    match array.data_type() {
        DataType::Float32 => numbers::<Float32Type>(
            array,
            |value| value.is_nan() | (value.to_bits() == (-0.0_f32).to_bits()),
            // The sum of both zeros is the positive one.
            |value| if value.is_nan() { f32::NAN } else { value + 0.0 },
            |value| value.to_bits().into(),
        ),
        DataType::Float64 => numbers::<Float64Type>(
            array,
            |value| value.is_nan() | (value.to_bits() == (-0.0_f64).to_bits()),
            |value| if value.is_nan() { f64::NAN } else { value + 0.0 },
            f64::to_bits,
        ),
        DataType::List(_) => list::<i32>(array),
        DataType::LargeList(_) => list::<i64>(array),
        DataType::Struct(_) => structure(array),
        _ => None,
    }
}

/// Values that are looked at together.
const CHUNK: usize = 1024;

fn numbers<T: ArrowPrimitiveType>(
    array: &ArrayRef,
    is_odd: impl Fn(T::Native) -> bool,
    mended: impl Fn(T::Native) -> T::Native,
    bits: impl Fn(T::Native) -> u64,
) -> Option<ArrayRef> {
    let numbers: &PrimitiveArray<T> = array.as_primitive();
    // Without branches, so that it is done many at a time; which kinds of NaN there are costs more than whether there is one.
    let others = numbers.values().chunks(CHUNK).any(|values| {
        let some = values.iter().fold(false, |some, value| some | is_odd(*value));
        let other = |value: T::Native| bits(value) ^ bits(mended(value));
        some && values.iter().fold(0, |others, value| others | other(*value)) != 0
    });
    others.then(|| {
        let mended: PrimitiveArray<T> = numbers.unary(mended);
        Arc::new(mended) as ArrayRef
    })
}

fn list<O: OffsetSizeTrait>(array: &ArrayRef) -> Option<ArrayRef> {
    let list: &GenericListArray<O> = array.as_list();
    let values = of_array(list.values())?;
    let (field, offsets, _, nulls) = list.clone().into_parts();
    Some(Arc::new(GenericListArray::<O>::new(field, offsets, values, nulls)))
}

fn structure(array: &ArrayRef) -> Option<ArrayRef> {
    let rows = array.as_struct();
    let mended: Vec<Option<ArrayRef>> = rows.columns().iter().map(of_array).collect();
    if mended.iter().all(Option::is_none) {
        return None;
    }
    let columns = mended.into_iter().zip(rows.columns());
    let columns = columns.map(|(mended, column)| mended.unwrap_or_else(|| Arc::clone(column)));
    Some(Arc::new(StructArray::new(
        rows.fields().clone(),
        columns.collect(),
        rows.nulls().cloned(),
    )))
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Float32Array, Float64Array, ListArray};

    use super::*;

    fn other_nans() -> [f64; 3] {
        [
            -f64::NAN,
            f64::from_bits(f64::NAN.to_bits() | 1),
            -f64::from_bits(0x7FF0_0000_0000_0001),
        ]
    }

    #[test]
    fn every_nan_and_zero_become_the_same_and_numbers_stay() {
        let [a, b, c] = other_nans();
        let given: ArrayRef = Arc::new(Float64Array::from(vec![
            Some(a),
            Some(-0.0),
            None,
            Some(b),
            Some(c),
            Some(-5.5),
        ]));
        let mended = of_array(&given).unwrap();
        let bits: Vec<_> = mended
            .as_primitive::<Float64Type>()
            .iter()
            .map(|x| x.map(f64::to_bits))
            .collect();
        let nan = Some(f64::NAN.to_bits());
        assert_eq!(
            bits,
            [nan, Some(0.0_f64.to_bits()), None, nan, nan, Some((-5.5_f64).to_bits())]
        );
        assert!(of_array(&mended).is_none(), "nothing is left to mend");
        let single: ArrayRef = Arc::new(Float32Array::from(vec![1.0, -f32::NAN, -0.0]));
        let single = of_array(&single).unwrap();
        let bits: Vec<u32> = single
            .as_primitive::<Float32Type>()
            .values()
            .iter()
            .map(|x| x.to_bits())
            .collect();
        assert_eq!(bits, [1.0_f32, f32::NAN, 0.0].map(f32::to_bits));
    }

    #[test]
    fn numbers_within_lists_are_found() {
        let lists = vec![Some(vec![Some(1.0), Some(-f64::NAN)]), None, Some(vec![None])];
        let lists: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(lists));
        let batch = RecordBatch::try_from_iter([("curve", Arc::clone(&lists))]).unwrap();
        let mended = of_batch(batch.clone()).unwrap();
        let first = mended.column(0).as_list::<i32>().value(0);
        assert_eq!(
            first.as_primitive::<Float64Type>().value(1).to_bits(),
            f64::NAN.to_bits()
        );
        assert_eq!((mended.schema(), mended.column(0).null_count()), (batch.schema(), 1));
    }
}
