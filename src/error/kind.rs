//! The classes of fault and their SQLSTATEs (PostgreSQL's appendix A).

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $sqlstate:literal,)*) => {
        /// The class of a fault.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorKind {
            $($(#[$doc])* $kind,)*
        }

        impl ErrorKind {
            /// Every class.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// The five characters that PostgreSQL clients know the class by.
            pub const fn sqlstate(self) -> &'static str {
                match self {
                    $(Self::$kind => $sqlstate,)*
                }
            }
        }
    };
}

kinds! {
    /// Whoever was to read the rows went away.
    Closed = "08006",
    /// A value of the right type that the operation cannot take.
    Data = "22000",
    /// A number too large for its type.
    OutOfRange = "22003",
    /// Text that spells no date or time.
    InvalidDatetime = "22007",
    /// A LIMIT below zero.
    InvalidLimit = "2201W",
    /// Division by zero.
    DivisionByZero = "22012",
    /// An argument outside its domain: a radius of 3600 degrees, say.
    InvalidParameter = "22023",
    /// Text that does not spell a value of the type asked for.
    InvalidText = "22P02",
    /// Rows of a copy that are not in the format they are said to be in.
    BadCopy = "22P04",
    /// NULL where there must be a value.
    NotNull = "23502",
    /// A message that breaks the protocol of a front door.
    ProtocolViolation = "08P01",
    /// Bytes that are not UTF-8.
    InvalidEncoding = "22021",
    /// Bytes that do not spell a value of the type asked for.
    InvalidBinary = "22P03",
    /// A statement after an error, before the transaction block has ended.
    FailedTransaction = "25P02",
    /// What needs a transaction block, outside one.
    NoTransaction = "25P01",
    /// A transaction block in which nothing happened for too long.
    IdleTransaction = "25P03",
    /// BEGIN inside a transaction block.
    ActiveTransaction = "25001",
    /// A user who may not come in.
    InvalidAuthorization = "28000",
    /// A wrong password, or a user who does not exist.
    InvalidPassword = "28P01",
    /// No portal or cursor of that name.
    UndefinedPortal = "34000",
    /// A cursor of that name exists already.
    DuplicateCursor = "42P03",
    /// A cursor that is declared to be two things at once.
    InvalidCursor = "42P11",
    /// What a cursor or another object cannot do in the state it is in.
    WrongState = "55000",
    /// No savepoint of that name.
    UndefinedSavepoint = "3B001",
    /// A prepared statement of that name exists already.
    DuplicateStatement = "42P05",
    /// A parameter whose type cannot be told.
    IndeterminateType = "42P18",
    /// A setting that is not for users to change.
    CannotChange = "55P02",
    /// A session in which nothing happened for too long.
    IdleSession = "57P05",
    /// The server is shutting down.
    Shutdown = "57P01",
    /// A subquery that was to give one row gave more.
    Cardinality = "21000",
    /// A write, or the naming of a location, where only reads are allowed.
    ReadOnly = "25006",
    /// What the statement read or wrote was changed by somebody else meanwhile; it can be run again.
    Conflict = "40001",
    /// No prepared statement of that name.
    UndefinedStatement = "26000",
    /// What lies outside the roots, or what a store does not let us do.
    Denied = "42501",
    /// No catalogue of that name.
    UndefinedCatalog = "3D000",
    /// No schema of that name.
    UndefinedSchema = "3F000",
    /// The text is not a statement of the language.
    Syntax = "42601",
    /// A statement that parses and cannot be planned, for a reason without a class of its own.
    Invalid = "42000",
    /// A name that more than one column answers to.
    AmbiguousColumn = "42702",
    /// No column of that name.
    UndefinedColumn = "42703",
    /// No setting or other object of that name.
    UndefinedObject = "42704",
    /// Two columns of one name where names must differ.
    DuplicateColumn = "42701",
    /// Two tables of one name in FROM.
    DuplicateAlias = "42712",
    /// A column neither grouped by nor aggregated.
    Grouping = "42803",
    /// Types that do not fit together.
    DatatypeMismatch = "42804",
    /// No function or operator of that name for these types.
    UndefinedFunction = "42883",
    /// No table of that name.
    UndefinedTable = "42P01",
    /// An object of that name exists, and is of another kind than the statement is for.
    WrongObjectType = "42809",
    /// A role of that name exists already.
    DuplicateObject = "42710",
    /// A table of that name exists already.
    DuplicateTable = "42P07",
    /// A worker was lost while it had a part in the query, or there is none.
    WorkerLost = "58000",
    /// The engine does not do this.
    NotSupported = "0A000",
    /// Spill space used up.
    DiskFull = "53100",
    /// Memory used up.
    OutOfMemory = "53200",
    /// As many connections as are allowed.
    TooManyConnections = "53300",
    /// As many queries as are allowed run or wait.
    TooManyQueries = "53400",
    /// A limit of the configuration was reached.
    LimitExceeded = "54000",
    /// The user, a deadline or a shutdown stopped the statement.
    Cancelled = "57014",
    /// A file could not be read or written.
    Io = "58030",
    /// The configuration is wrong.
    Configuration = "F0000",
    /// A fault of the program.
    Internal = "XX000",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlstates_are_five_characters_and_differ() {
        let mut states: Vec<_> = ErrorKind::ALL.iter().map(|kind| kind.sqlstate()).collect();
        assert!(states.iter().all(|state| state.len() == 5));
        states.sort_unstable();
        states.dedup();
        assert_eq!(states.len(), ErrorKind::ALL.len());
    }
}
