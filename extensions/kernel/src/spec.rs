//! The rows of a function table: everything there is to say about a SQL function, as data.
//!
//! Registration, signatures, NULL rules, error texts, `SHOW FUNCTIONS`, the reference page and the tests are all read
//! off these rows. Nothing here runs: [`crate::TableFunction`] does.

use datafusion::arrow::array::ArrayRef;
use datafusion::logical_expr::Volatility;

use crate::{Call, Fault, Kind};

/// What computes a result: all rows of a batch at once. The array has `call.rows()` rows of the promised kind.
pub type Kernel = fn(&Call<'_>) -> Result<ArrayRef, Fault>;

/// One SQL function.
#[derive(Debug)]
pub struct FnSpec {
    /// The name in SQL, lower case.
    pub name: &'static str,
    /// Other names for exactly the same function.
    pub aliases: &'static [&'static str],
    /// The heading it stands under in the reference.
    pub family: &'static str,
    /// What it means to a planner that looks for it in predicates, if anything.
    pub role: Option<&'static str>,
    /// Whether it may be computed at planning time.
    pub volatility: Volatility,
    /// The forms it can be called in; on equal terms the first one wins.
    pub overloads: &'static [Overload],
    /// One or two sentences: what it gives.
    pub summary: &'static str,
    /// Edge cases and choices worth knowing; may be empty.
    pub notes: &'static str,
    /// The standard, paper or system that defines it.
    pub reference: &'static str,
    /// Calls with their results; each is run by a test.
    pub examples: &'static [Example],
}

impl FnSpec {
    /// An immutable function without aliases, role, notes or examples, to be filled in with `..FnSpec::new(..)`.
    #[must_use]
    pub const fn new(name: &'static str, family: &'static str, overloads: &'static [Overload]) -> Self {
        Self {
            name,
            aliases: &[],
            family,
            role: None,
            volatility: Volatility::Immutable,
            overloads,
            summary: "",
            notes: "",
            reference: "",
            examples: &[],
        }
    }

    /// The name as errors and headings print it: ADQL's own words in capitals, prefixed names as they are.
    #[must_use]
    pub fn title(&self) -> String {
        if self.name.contains('_') {
            self.name.to_owned()
        } else {
            self.name.to_uppercase()
        }
    }
}

/// One form in which a function can be called.
#[derive(Debug)]
pub struct Overload {
    /// The arguments in order.
    pub args: &'static [Arg],
    /// Arguments that may follow, as a group, any number of times.
    pub rest: &'static [Arg],
    /// What comes out.
    pub returns: Returns,
    /// What computes it.
    pub kernel: Kernel,
}

impl Overload {
    /// The form with exactly these arguments.
    #[must_use]
    pub const fn new(args: &'static [Arg], returns: Returns, kernel: Kernel) -> Self {
        Self {
            args,
            rest: &[],
            returns,
            kernel,
        }
    }

    /// Lets a group of further arguments follow, any number of times.
    #[must_use]
    pub const fn followed_by(self, rest: &'static [Arg]) -> Self {
        Self { rest, ..self }
    }

    /// The argument at `at`, from 0.
    #[must_use]
    pub fn arg(&self, at: usize) -> Option<&'static Arg> {
        self.args.get(at).or_else(|| {
            let beyond = at.checked_sub(self.args.len())?;
            self.rest.get(beyond.checked_rem(self.rest.len())?)
        })
    }

    /// Whether the form can have `count` arguments.
    #[must_use]
    pub fn takes(&self, count: usize) -> bool {
        match count.checked_sub(self.args.len()) {
            Some(0) => true,
            Some(more) => more.checked_rem(self.rest.len()) == Some(0),
            None => false,
        }
    }
}

/// One argument of an overload.
#[derive(Debug, Clone, Copy)]
pub struct Arg {
    /// Its name in documentation and errors.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// Its unit in VOUnits spelling.
    pub unit: Option<&'static str>,
    /// Which numbers it takes.
    pub domain: Domain,
    /// What NULL means here. `None`: NULL makes the result NULL and the kernel never sees that row.
    pub null: Option<&'static str>,
    /// What to tell somebody who gave a number outside the domain.
    pub hint: Option<&'static str>,
}

impl Arg {
    /// An argument of `kind` without unit, limits or meaning of NULL.
    #[must_use]
    pub const fn new(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            unit: None,
            domain: Domain::Any,
            null: None,
            hint: None,
        }
    }

    /// States the unit (VOUnits).
    #[must_use]
    pub const fn unit(self, unit: &'static str) -> Self {
        Self {
            unit: Some(unit),
            ..self
        }
    }

    /// Refuses NaN and the infinities.
    #[must_use]
    pub const fn finite(self) -> Self {
        Self {
            domain: Domain::Finite,
            ..self
        }
    }

    /// Refuses numbers outside `[low, high]`, and NaN.
    #[must_use]
    pub const fn within(self, low: f64, high: f64) -> Self {
        Self {
            domain: Domain::Within { low, high },
            ..self
        }
    }

    /// Hands NULL to the kernel; `meaning` completes "NULL: ...".
    #[must_use]
    pub const fn nullable(self, meaning: &'static str) -> Self {
        Self {
            null: Some(meaning),
            ..self
        }
    }

    /// Adds a hint to the error about a number outside the domain.
    #[must_use]
    pub const fn hint(self, hint: &'static str) -> Self {
        Self {
            hint: Some(hint),
            ..self
        }
    }

    /// The unit as a sentence says it.
    pub(crate) fn unit_words(&self) -> String {
        match self.unit {
            None => String::new(),
            Some("deg") => " degrees".to_owned(),
            Some(unit) => format!(" {unit}"),
        }
    }
}

/// Which numbers an argument takes. A constant outside is an error; a row's value outside makes that row NULL.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Domain {
    /// All, NaN too.
    Any,
    /// All but NaN and the infinities.
    Finite,
    /// A closed interval.
    Within {
        /// The least number taken.
        low: f64,
        /// The greatest number taken.
        high: f64,
    },
}

impl Domain {
    /// Whether `value` may be handed to the kernel.
    #[must_use]
    pub fn admits(self, value: f64) -> bool {
        match self {
            Self::Any => true,
            Self::Finite => value.is_finite(),
            Self::Within { low, high } => low <= value && value <= high,
        }
    }
}

/// The result of an overload and what its column says of itself.
#[derive(Debug, Clone, Copy)]
pub struct Returns {
    /// What comes out; never [`Kind::Either`].
    pub kind: Kind,
    /// Its unit in VOUnits spelling, kept as field metadata `unit`.
    pub unit: Option<&'static str>,
    /// Its Unified Content Descriptor, kept as field metadata `ucd`.
    pub ucd: Option<&'static str>,
    /// Its DALI extended type, kept as field metadata `xtype`.
    pub xtype: Option<&'static str>,
}

impl Returns {
    /// A result of `kind` that says nothing more of itself.
    #[must_use]
    pub const fn new(kind: Kind) -> Self {
        Self {
            kind,
            unit: None,
            ucd: None,
            xtype: None,
        }
    }

    /// States the unit (VOUnits).
    #[must_use]
    pub const fn unit(self, unit: &'static str) -> Self {
        Self {
            unit: Some(unit),
            ..self
        }
    }

    /// States the Unified Content Descriptor.
    #[must_use]
    pub const fn ucd(self, ucd: &'static str) -> Self {
        Self { ucd: Some(ucd), ..self }
    }

    /// States the DALI extended type.
    #[must_use]
    pub const fn xtype(self, xtype: &'static str) -> Self {
        Self {
            xtype: Some(xtype),
            ..self
        }
    }
}

/// A call and its result: documentation that is run.
#[derive(Debug, Clone, Copy)]
pub struct Example {
    /// An expression, as it would stand after `SELECT`.
    pub sql: &'static str,
    /// The result as text. A number holds to as many decimals as are printed here.
    pub result: &'static str,
}

impl Example {
    /// The call `sql` gives `result`.
    #[must_use]
    pub const fn new(sql: &'static str, result: &'static str) -> Self {
        Self { sql, result }
    }
}
