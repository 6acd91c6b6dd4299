//! The words that ADQL 2.1 keeps for itself: as names they need double quotes.

use sqlparser::ast::Ident;

use super::query::Check;
use crate::Error;

/// The reserved words of SQL-92 and of ADQL 2.1, in order.
const RESERVED: &[&str] = &[
    "ABS", "ABSOLUTE", "ACOS", "ACTION", "ADD", "ALL", "ALLOCATE", "ALTER", "AND", "ANY", "ARE", "AREA", "AS", "ASC", "ASIN",
    "ASSERTION", "AT", "ATAN", "ATAN2", "AUTHORIZATION", "AVG", "BEGIN", "BETWEEN", "BIGINT", "BIT", "BIT_LENGTH", "BOTH", "BOX",
    "BY", "CASCADE", "CASCADED", "CASE", "CAST", "CATALOG", "CEILING", "CENTROID", "CHAR", "CHARACTER", "CHARACTER_LENGTH",
    "CHAR_LENGTH", "CHECK", "CIRCLE", "CLOSE", "COALESCE", "COLLATE", "COLLATION", "COLUMN", "COMMIT", "CONNECT", "CONNECTION",
    "CONSTRAINT", "CONSTRAINTS", "CONTAINS", "CONTINUE", "CONVERT", "COORD1", "COORD2", "COORDSYS", "CORRESPONDING", "COS", "COT",
    "COUNT", "CREATE", "CROSS", "CURRENT", "CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "CURRENT_USER", "CURSOR", "DATE",
    "DAY", "DEALLOCATE", "DECIMAL", "DECLARE", "DEFAULT", "DEFERRABLE", "DEFERRED", "DEGREES", "DELETE", "DESC", "DESCRIBE",
    "DESCRIPTOR", "DIAGNOSTICS", "DISCONNECT", "DISTANCE", "DISTINCT", "DOMAIN", "DOUBLE", "DROP", "ELSE", "END", "ESCAPE", "EXCEPT",
    "EXCEPTION", "EXEC", "EXECUTE", "EXISTS", "EXP", "EXTERNAL", "EXTRACT", "FALSE", "FETCH", "FIRST", "FLOAT", "FLOOR", "FOR",
    "FOREIGN", "FOUND", "FROM", "FULL", "GET", "GLOBAL", "GO", "GOTO", "GRANT", "GROUP", "HAVING", "HOUR", "IDENTITY", "ILIKE",
    "IMMEDIATE", "IN", "INDICATOR", "INITIALLY", "INNER", "INPUT", "INSENSITIVE", "INSERT", "INT", "INTEGER", "INTERSECT",
    "INTERSECTS", "INTERVAL", "INTO", "IN_UNIT", "IS", "ISOLATION", "JOIN", "KEY", "LANGUAGE", "LAST", "LEADING", "LEFT", "LEVEL",
    "LIKE", "LOCAL", "LOG", "LOG10", "LOWER", "MATCH", "MAX", "MIN", "MINUTE", "MOD", "MODULE", "MONTH", "NAMES", "NATIONAL",
    "NATURAL", "NCHAR", "NEXT", "NO", "NOT", "NULL", "NULLIF", "NUMERIC", "OCTET_LENGTH", "OF", "OFFSET", "ON", "ONLY", "OPEN",
    "OPTION", "OR", "ORDER", "OUTER", "OUTPUT", "OVERLAPS", "PAD", "PARTIAL", "PI", "POINT", "POLYGON", "POSITION", "POWER",
    "PRECISION", "PREPARE", "PRESERVE", "PRIMARY", "PRIOR", "PRIVILEGES", "PROCEDURE", "PUBLIC", "RADIANS", "RAND", "READ", "REAL",
    "REFERENCES", "REGION", "RELATIVE", "RESTRICT", "REVOKE", "RIGHT", "ROLLBACK", "ROUND", "ROWS", "SCHEMA", "SCROLL", "SECOND",
    "SECTION", "SELECT", "SESSION", "SESSION_USER", "SET", "SIN", "SIZE", "SMALLINT", "SOME", "SPACE", "SQL", "SQLCODE", "SQLERROR",
    "SQLSTATE", "SQRT", "SUBSTRING", "SUM", "SYSTEM_USER", "TABLE", "TAN", "TEMPORARY", "THEN", "TIME", "TIMESTAMP",
    "TIMEZONE_HOUR", "TIMEZONE_MINUTE", "TO", "TOP", "TRAILING", "TRANSACTION", "TRANSLATE", "TRANSLATION", "TRIM", "TRUE",
    "TRUNCATE", "UNION", "UNIQUE", "UNKNOWN", "UPDATE", "UPPER", "USAGE", "USER", "USING", "VALUE", "VALUES", "VARCHAR", "VARYING",
    "VIEW", "WHEN", "WHENEVER", "WHERE", "WITH", "WORK", "WRITE", "YEAR", "ZONE",
];

/// Is this word reserved, in any case?
pub(crate) fn is_reserved(word: &str) -> bool {
    RESERVED.binary_search(&word.to_ascii_uppercase().as_str()).is_ok()
}

/// Demands that an unquoted name is no reserved word.
pub(super) fn name(ident: &Ident, what: &str) -> Check {
    if ident.quote_style.is_some() || !is_reserved(&ident.value) {
        return Ok(());
    }
    let word = &ident.value;
    Err(Error::breaks_adql(
        format!("{} is a reserved word of ADQL", word.to_uppercase()),
        ident.span,
        format!("write \"{word}\" if it names a {what}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order() {
        assert!(RESERVED.is_sorted());
        assert!(is_reserved("size") && is_reserved("Distance") && !is_reserved("ra") && !is_reserved("limit"));
    }
}
