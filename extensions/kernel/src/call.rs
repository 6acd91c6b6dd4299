//! One call of one kernel: its arguments as typed columns, and the loops that make results of them.
//!
//! The rule about bad input lives here. A [`Fault`] of a row's value makes that row NULL: a scan of a billion rows must
//! not die of one. A fault of a constant is a mistake in the query, and is an error.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanBuilder, FixedSizeListBuilder, Float64Builder, Int32Builder, Int64Builder, ListBuilder,
    StringBuilder,
};
use datafusion::arrow::buffer::NullBuffer;

use crate::column::{Booleans, Bounds, Column, Integers, Lists, Numbers, Texts, Values};
use crate::error::Reading;
use crate::kind::item;
use crate::{Fault, Kind};

/// The arguments of a kernel for one batch.
#[derive(Debug)]
pub struct Call<'a> {
    pub(crate) columns: &'a [Column],
    pub(crate) rows: usize,
    pub(crate) nulls: Option<NullBuffer>,
    pub(crate) strict: bool,
}

impl Call<'_> {
    /// How many rows the result must have: 1 if all arguments are constant.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many arguments there are.
    #[must_use]
    pub fn arguments(&self) -> usize {
        self.columns.len()
    }

    /// Whether the result of `row` is NULL whatever the kernel thinks.
    #[must_use]
    pub fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// The concrete kind in which the argument at `at` arrived: the member meant, if it was declared as [`Kind::Either`].
    ///
    /// # Errors
    /// There is no argument `at`.
    pub fn kind(&self, at: usize) -> Result<Kind, Fault> {
        Ok(self.column(at)?.kind)
    }

    /// Whether all rows have the same value in the argument at `at`.
    #[must_use]
    pub fn is_constant(&self, at: usize) -> bool {
        self.columns.get(at).is_some_and(|column| column.constant)
    }

    fn column(&self, at: usize) -> Result<&Column, Fault> {
        self.columns
            .get(at)
            .ok_or_else(|| Fault::call(format!("has no argument {}", at + 1)))
    }

    /// The [`Kind::Number`] argument at `at`.
    ///
    /// # Errors
    /// The argument was declared to be something else.
    pub fn number(&self, at: usize) -> Result<Numbers<'_>, Fault> {
        let column = self.column(at)?;
        match &column.values {
            Values::Numbers(values) => Ok(Numbers {
                values: values.values(),
                nulls: column.nulls.as_ref(),
                step: column.step(),
            }),
            _ => Err(mismatch(at, "number")),
        }
    }

    /// The first `N` arguments, all of [`Kind::Number`].
    ///
    /// # Errors
    /// One of them was declared to be something else.
    pub fn numbers<const N: usize>(&self) -> Result<[Numbers<'_>; N], Fault> {
        let mut numbers = [Numbers {
            values: &[],
            nulls: None,
            step: 0,
        }; N];
        for (at, slot) in numbers.iter_mut().enumerate() {
            *slot = self.number(at)?;
        }
        Ok(numbers)
    }

    /// The [`Kind::Integer`] argument at `at`.
    ///
    /// # Errors
    /// The argument was declared to be something else.
    pub fn integer(&self, at: usize) -> Result<Integers<'_, i32>, Fault> {
        let column = self.column(at)?;
        match &column.values {
            Values::Integers(values) => Ok(Integers {
                values: values.values(),
                step: column.step(),
            }),
            _ => Err(mismatch(at, "32-bit integer")),
        }
    }

    /// The [`Kind::BigInt`] argument at `at`.
    ///
    /// # Errors
    /// The argument was declared to be something else.
    pub fn bigint(&self, at: usize) -> Result<Integers<'_, i64>, Fault> {
        let column = self.column(at)?;
        match &column.values {
            Values::BigInts(values) => Ok(Integers {
                values: values.values(),
                step: column.step(),
            }),
            _ => Err(mismatch(at, "64-bit integer")),
        }
    }

    /// The [`Kind::Text`] argument at `at`.
    ///
    /// # Errors
    /// The argument was declared to be something else.
    pub fn text(&self, at: usize) -> Result<Texts<'_>, Fault> {
        let column = self.column(at)?;
        match &column.values {
            Values::Text(values) => Ok(Texts {
                values,
                step: column.step(),
            }),
            _ => Err(mismatch(at, "text")),
        }
    }

    /// The [`Kind::Boolean`] argument at `at`.
    ///
    /// # Errors
    /// The argument was declared to be something else.
    pub fn boolean(&self, at: usize) -> Result<Booleans<'_>, Fault> {
        let column = self.column(at)?;
        match &column.values {
            Values::Booleans(values) => Ok(Booleans {
                values,
                step: column.step(),
            }),
            _ => Err(mismatch(at, "truth value")),
        }
    }

    /// The [`Kind::Tuple`] or [`Kind::Series`] argument at `at`.
    ///
    /// # Errors
    /// The argument was declared to be something else.
    pub fn list(&self, at: usize) -> Result<Lists<'_>, Fault> {
        let column = self.column(at)?;
        let step = column.step();
        match &column.values {
            Values::Tuple(len, values) => Ok(Lists {
                values: values.values(),
                bounds: Bounds::Every(*len),
                step,
            }),
            Values::Series(offsets, values) => Ok(Lists {
                values: values.values(),
                bounds: Bounds::Offsets(offsets),
                step,
            }),
            _ => Err(mismatch(at, "list of numbers")),
        }
    }

    /// What `make` builds from the argument at `at`: once if that is constant, else row by row when asked.
    ///
    /// # Errors
    /// The argument is constant and `make` finds fault with it.
    pub fn prepare<'a, T>(
        &self,
        at: usize,
        make: impl Fn(usize) -> Result<T, Fault> + 'a,
    ) -> Result<Prepared<'a, T>, Fault> {
        if !self.is_constant(at) {
            return Ok(Prepared::Each(Box::new(make)));
        }
        // A NULL constant has no value to build from; every row that could ask for it is NULL.
        if self.column(at)?.is_null(0) {
            return Ok(Prepared::Once(Err(Fault::argument(at, "is NULL"))));
        }
        match make(0) {
            Err(fault) if self.is_fatal(&fault) => Err(fault),
            result => Ok(Prepared::Once(result)),
        }
    }

    fn is_fatal(&self, fault: &Fault) -> bool {
        self.strict
            && fault.reading != Reading::Silent
            && match fault.argument {
                Some(at) => self.is_constant(at),
                None => self.columns.iter().all(|column| column.constant),
            }
    }

    fn fill<T>(&self, value: impl Fn(usize) -> Result<T, Fault>, mut push: impl FnMut(Option<T>)) -> Result<(), Fault> {
        for row in 0..self.rows {
            if self.is_null(row) {
                push(None);
                continue;
            }
            match value(row) {
                Ok(value) => push(Some(value)),
                Err(fault) if self.is_fatal(&fault) => return Err(fault),
                Err(_) => push(None),
            }
        }
        Ok(())
    }

    /// A [`Kind::Number`] result.
    ///
    /// # Errors
    /// `value` finds fault with a constant.
    pub fn fill_numbers(&self, value: impl Fn(usize) -> Result<f64, Fault>) -> Result<ArrayRef, Fault> {
        let mut builder = Float64Builder::with_capacity(self.rows);
        self.fill(value, |value| builder.append_option(value))?;
        Ok(Arc::new(builder.finish()))
    }

    /// A [`Kind::Integer`] result.
    ///
    /// # Errors
    /// `value` finds fault with a constant.
    pub fn fill_integers(&self, value: impl Fn(usize) -> Result<i32, Fault>) -> Result<ArrayRef, Fault> {
        let mut builder = Int32Builder::with_capacity(self.rows);
        self.fill(value, |value| builder.append_option(value))?;
        Ok(Arc::new(builder.finish()))
    }

    /// A [`Kind::BigInt`] result.
    ///
    /// # Errors
    /// `value` finds fault with a constant.
    pub fn fill_bigints(&self, value: impl Fn(usize) -> Result<i64, Fault>) -> Result<ArrayRef, Fault> {
        let mut builder = Int64Builder::with_capacity(self.rows);
        self.fill(value, |value| builder.append_option(value))?;
        Ok(Arc::new(builder.finish()))
    }

    /// A [`Kind::Boolean`] result.
    ///
    /// # Errors
    /// `value` finds fault with a constant.
    pub fn fill_booleans(&self, value: impl Fn(usize) -> Result<bool, Fault>) -> Result<ArrayRef, Fault> {
        let mut builder = BooleanBuilder::with_capacity(self.rows);
        self.fill(value, |value| builder.append_option(value))?;
        Ok(Arc::new(builder.finish()))
    }

    /// A [`Kind::Text`] result.
    ///
    /// # Errors
    /// `value` finds fault with a constant.
    pub fn fill_texts<S: AsRef<str>>(&self, value: impl Fn(usize) -> Result<S, Fault>) -> Result<ArrayRef, Fault> {
        let mut builder = StringBuilder::new();
        self.fill(value, |value| builder.append_option(value))?;
        Ok(Arc::new(builder.finish()))
    }

    /// A [`Kind::Tuple`] result of `N` numbers.
    ///
    /// # Errors
    /// `value` finds fault with a constant.
    pub fn fill_tuples<const N: usize>(
        &self,
        value: impl Fn(usize) -> Result<[f64; N], Fault>,
    ) -> Result<ArrayRef, Fault> {
        let size = i32::try_from(N).unwrap_or(i32::MAX);
        let items = Float64Builder::with_capacity(self.rows * N);
        let mut builder = FixedSizeListBuilder::new(items, size).with_field(item());
        self.fill(value, |value| {
            builder.values().append_slice(&value.unwrap_or([0.0; N]));
            builder.append(value.is_some());
        })?;
        Ok(Arc::new(builder.finish()))
    }

    /// A [`Kind::Series`] result.
    ///
    /// # Errors
    /// `value` finds fault with a constant.
    pub fn fill_series(&self, value: impl Fn(usize) -> Result<Vec<f64>, Fault>) -> Result<ArrayRef, Fault> {
        let mut builder = ListBuilder::new(Float64Builder::new()).with_field(item());
        self.fill(value, |value| {
            builder.values().append_slice(value.as_deref().unwrap_or(&[]));
            builder.append(value.is_some());
        })?;
        Ok(Arc::new(builder.finish()))
    }
}

fn mismatch(at: usize, wanted: &str) -> Fault {
    Fault::argument(at, format!("was not declared to be a {wanted}"))
}

/// Something built from an argument by [`Call::prepare`].
pub enum Prepared<'a, T> {
    /// Built once, for all rows.
    Once(Result<T, Fault>),
    /// To be built for each row.
    Each(Make<'a, T>),
}

/// What builds a thing for a row.
pub type Make<'a, T> = Box<dyn Fn(usize) -> Result<T, Fault> + 'a>;

impl<T> Prepared<'_, T> {
    /// What `ask` says of the thing that stands for `row`.
    ///
    /// # Errors
    /// The thing could not be built, or `ask` fails.
    pub fn ask<R>(&self, row: usize, ask: impl FnOnce(&T) -> Result<R, Fault>) -> Result<R, Fault> {
        match self {
            Self::Once(Ok(thing)) => ask(thing),
            Self::Once(Err(fault)) => Err(fault.clone()),
            Self::Each(make) => ask(&make(row)?),
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Prepared<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Once(thing) => f.debug_tuple("Once").field(thing).finish(),
            Self::Each(_) => f.write_str("Each(..)"),
        }
    }
}
