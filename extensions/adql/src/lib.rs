//! The ADQL-flavoured SQL dialect: parse, validate, lower
