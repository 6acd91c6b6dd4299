//! Operators that can be used, one row for each pair of types: comparisons of every type that has an order, arithmetic of
//! numbers and times, patterns and joining of texts.

use pgwire::api::Type;

use super::oid::{Kind, Oids};
use super::typenames::TYPES;

/// One operator.
pub(super) struct Operator {
    pub(super) oid: u32,
    pub(super) name: &'static str,
    pub(super) left: u32,
    pub(super) right: u32,
    pub(super) result: u32,
    /// The operators that say the same with their sides exchanged, and the opposite.
    pub(super) commutator: &'static str,
    pub(super) negator: &'static str,
    pub(super) about: &'static str,
}

/// Comparisons, with the same from the other side, the opposite, and what they say.
const COMPARISONS: &[(&str, &str, &str, &str)] = &[
    ("=", "=", "<>", "equal"),
    ("<>", "<>", "=", "not equal"),
    ("<", ">", ">=", "less than"),
    ("<=", ">=", ">", "less than or equal"),
    (">", "<", "<=", "greater than"),
    (">=", "<=", "<", "greater than or equal"),
];

const PATTERNS: &[(&str, &str, &str)] = &[
    ("~~", "!~~", "matches LIKE expression"),
    ("!~~", "~~", "does not match LIKE expression"),
    ("~~*", "!~~*", "matches LIKE expression, case-insensitive"),
    ("!~~*", "~~*", "does not match LIKE expression, case-insensitive"),
    ("~", "!~", "matches regular expression"),
    ("!~", "~", "does not match regular expression"),
    ("~*", "!~*", "matches regular expression, case-insensitive"),
    ("!~*", "~*", "does not match regular expression, case-insensitive"),
];

const ARITHMETIC: &[(&str, &str)] = &[
    ("+", "add"),
    ("-", "subtract"),
    ("*", "multiply"),
    ("/", "divide"),
    ("%", "modulus"),
];

const NUMBERS: &[Type] = &[
    Type::INT2,
    Type::INT4,
    Type::INT8,
    Type::FLOAT4,
    Type::FLOAT8,
    Type::NUMERIC,
];

/// Sums and differences of times.
const TIMES: &[(&str, Type, Type, Type, &str)] = &[
    ("+", Type::TIMESTAMP, Type::INTERVAL, Type::TIMESTAMP, "plus"),
    ("-", Type::TIMESTAMP, Type::INTERVAL, Type::TIMESTAMP, "minus"),
    ("-", Type::TIMESTAMP, Type::TIMESTAMP, Type::INTERVAL, "subtract"),
    ("+", Type::TIMESTAMPTZ, Type::INTERVAL, Type::TIMESTAMPTZ, "plus"),
    ("-", Type::TIMESTAMPTZ, Type::INTERVAL, Type::TIMESTAMPTZ, "minus"),
    ("-", Type::TIMESTAMPTZ, Type::TIMESTAMPTZ, Type::INTERVAL, "subtract"),
    ("+", Type::INTERVAL, Type::INTERVAL, Type::INTERVAL, "add"),
    ("-", Type::INTERVAL, Type::INTERVAL, Type::INTERVAL, "subtract"),
];

/// All operators.
pub(super) fn all() -> Vec<Operator> {
    let mut oids = Oids::default();
    let mut operators = Vec::new();
    let mut add = |name: &'static str, [left, right, result]: [&Type; 3], commutator, negator, about| {
        operators.push(Operator {
            oid: oids.of(Kind::Operator, &[name, left.name(), right.name()]),
            name,
            left: left.oid(),
            right: right.oid(),
            result: result.oid(),
            commutator,
            negator,
            about,
        });
    };
    // Of the scalar types those with values: no pseudo-types, vectors or documents.
    let ordered = TYPES
        .iter()
        .filter(|row| !"PAUXZ".contains(row.category) && ![Type::INET, Type::BPCHAR].contains(&row.kind));
    for row in ordered {
        for &(name, commutator, negator, about) in COMPARISONS {
            add(name, [&row.kind, &row.kind, &Type::BOOL], commutator, negator, about);
        }
    }
    for kind in NUMBERS {
        for &(name, about) in ARITHMETIC {
            add(
                name,
                [kind, kind, kind],
                if name == "+" || name == "*" { name } else { "" },
                "",
                about,
            );
        }
    }
    for (name, left, right, result, about) in TIMES {
        add(name, [left, right, result], "", "", about);
    }
    for &(name, negator, about) in PATTERNS {
        add(name, [&Type::TEXT, &Type::TEXT, &Type::BOOL], "", negator, about);
    }
    add("||", [&Type::TEXT, &Type::TEXT, &Type::TEXT], "", "", "concatenate");
    operators
}

/// The number of the operator of that name between the same types; 0 for none.
pub(super) fn sibling(operators: &[Operator], of: &Operator, name: &str) -> u32 {
    let same = |other: &&Operator| other.name == name && other.left == of.left && other.right == of.right;
    operators.iter().find(same).map_or(0, |other| other.oid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_operator_refers_to_is_there() {
        let operators = all();
        for operator in &operators {
            for name in [operator.commutator, operator.negator]
                .into_iter()
                .filter(|name| !name.is_empty())
            {
                assert_ne!(
                    sibling(&operators, operator, name),
                    0,
                    "{} {}",
                    operator.name,
                    operator.left
                );
            }
        }
    }
}
