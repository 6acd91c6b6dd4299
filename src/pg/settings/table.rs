//! The table of settings. Many do nothing here and are taken because clients set them; what each does is what
//! PostgreSQL 15 documents, as far as it concerns a server that only reads.

use super::value;

/// The PostgreSQL whose grammar, catalogue and habits clients may expect.
pub(in crate::pg) const SERVER_VERSION: &str = concat!("15.0 (dreyer ", env!("CARGO_PKG_VERSION"), ")");

/// The same as a number.
const SERVER_VERSION_NUM: &str = "150000";

/// One setting.
pub(super) struct Setting {
    pub(super) name: &'static str,
    pub(super) default: &'static str,
    /// Whether clients are told its value unasked.
    pub(super) reported: bool,
    /// Whether SET may touch it.
    pub(super) changeable: bool,
    /// The form in which a value is kept; `None` refuses it.
    pub(super) check: fn(&str) -> Option<String>,
    /// The values there are, for the hint; empty where that goes without saying.
    pub(super) accepts: &'static str,
    pub(super) description: &'static str,
}

const fn row(
    name: &'static str,
    default: &'static str,
    check: fn(&str) -> Option<String>,
    description: &'static str,
) -> Setting {
    Setting {
        name,
        default,
        reported: false,
        changeable: true,
        check,
        accepts: "",
        description,
    }
}

/// A row that only the server sets.
const fn fixed(name: &'static str, value: &'static str, description: &'static str) -> Setting {
    Setting {
        changeable: false,
        ..row(name, value, value::any, description)
    }
}

impl Setting {
    const fn reported(self) -> Self {
        Self { reported: true, ..self }
    }

    const fn accepts(self, accepts: &'static str) -> Self {
        Self { accepts, ..self }
    }
}

/// The setting of that name, upper and lower case alike.
pub(super) fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|row| row.name.eq_ignore_ascii_case(name))
}

const ISOLATION: &str = "serializable, repeatable read, read committed, read uncommitted";

/// All settings, by name.
pub(super) const SETTINGS: &[Setting] = &[
    row(
        "application_name",
        "",
        value::any,
        "Name of the application, for logs and statistics.",
    )
    .reported(),
    row(
        "backslash_quote",
        "safe_encoding",
        value::any,
        "Whether \\' is allowed in string literals.",
    ),
    row("bytea_output", "hex", value::bytea_output, "Output format of bytea.").accepts("hex"),
    row(
        "check_function_bodies",
        "on",
        value::boolean,
        "Whether function bodies are checked.",
    ),
    row(
        "client_encoding",
        "UTF8",
        value::encoding,
        "Character set of the client.",
    )
    .reported()
    .accepts("UTF8"),
    row(
        "client_min_messages",
        "notice",
        value::message_level,
        "Least severity of messages that are sent.",
    ),
    row(
        "DateStyle",
        "ISO, MDY",
        value::date_style,
        "Display format of dates and times.",
    )
    .reported()
    .accepts("ISO, with MDY, DMY or YMD"),
    fixed("default_table_access_method", "hats", "How tables are kept."),
    row(
        "default_tablespace",
        "",
        value::any,
        "No effect: tables lie where their schema does.",
    ),
    row(
        "default_transaction_deferrable",
        "off",
        value::boolean,
        "Default deferrable status of transactions.",
    ),
    row(
        "default_transaction_isolation",
        "read committed",
        value::isolation,
        "Default isolation level.",
    )
    .accepts(ISOLATION),
    row(
        "default_transaction_read_only",
        "off",
        value::boolean,
        "Default read-only status of transactions.",
    )
    .reported(),
    row("enable_hashjoin", "on", value::boolean, "No effect."),
    row("enable_mergejoin", "on", value::boolean, "No effect."),
    row("enable_nestloop", "on", value::boolean, "No effect."),
    row("enable_seqscan", "on", value::boolean, "No effect."),
    row(
        "escape_string_warning",
        "on",
        value::boolean,
        "Whether backslashes in ordinary literals are warned of.",
    ),
    row(
        "extra_float_digits",
        "1",
        value::float_digits,
        "Digits of floats: above 0 as many as it takes.",
    )
    .accepts("whole numbers from -15 to 3"),
    row("geqo", "on", value::boolean, "No effect."),
    row(
        "dreyer.progress",
        "off",
        value::boolean,
        "Whether notices say every 5 seconds how far a statement has come.",
    ),
    row(
        "idle_in_transaction_session_timeout",
        "0",
        value::duration,
        "Longest time that a transaction block may stand idle.",
    ),
    row(
        "idle_session_timeout",
        "0",
        value::duration,
        "Longest time that a session may stand idle outside a transaction block.",
    ),
    fixed("in_hot_standby", "off", "Whether the server is a standby.").reported(),
    fixed(
        "integer_datetimes",
        "on",
        "Whether times are kept as whole microseconds.",
    )
    .reported(),
    row(
        "IntervalStyle",
        "postgres",
        value::interval_style,
        "Display format of intervals.",
    )
    .reported()
    .accepts("postgres"),
    fixed("is_superuser", "off", "Whether the user may do everything.").reported(),
    row("jit", "off", value::boolean, "No effect."),
    fixed("lc_collate", "C.UTF-8", "Collation order."),
    fixed("lc_ctype", "C.UTF-8", "Classification of characters."),
    row("lc_messages", "C.UTF-8", value::any, "Language of messages."),
    row("lc_monetary", "C.UTF-8", value::any, "Format of amounts of money."),
    row("lc_numeric", "C.UTF-8", value::any, "Format of numbers."),
    row("lc_time", "C.UTF-8", value::any, "Format of dates."),
    row("lock_timeout", "0", value::duration, "No effect: nothing locks."),
    fixed(
        "max_identifier_length",
        "63",
        "Longest identifier that PostgreSQL keeps.",
    ),
    fixed("max_index_keys", "32", "Most columns in an index of PostgreSQL."),
    row("row_security", "on", value::boolean, "No effect."),
    row(
        "search_path",
        "\"$user\", public",
        value::any,
        "Schemas that names without a schema are looked up in.",
    ),
    fixed("server_encoding", "UTF8", "Character set of the server.").reported(),
    fixed("server_version", SERVER_VERSION, "Version of the server.").reported(),
    fixed(
        "server_version_num",
        SERVER_VERSION_NUM,
        "Version of the server as a number.",
    ),
    fixed("session_authorization", "", "The user of the session.").reported(),
    row(
        "standard_conforming_strings",
        "on",
        value::only_on,
        "Whether backslashes in ordinary literals are plain.",
    )
    .reported()
    .accepts("on"),
    row(
        "statement_timeout",
        "0",
        value::duration,
        "Longest time a statement may run, the sending of its rows included.",
    ),
    row("synchronous_commit", "on", value::any, "No effect."),
    row(
        "TimeZone",
        "UTC",
        value::time_zone,
        "Zone in which times with a zone are shown.",
    )
    .reported()
    .accepts("names of the zone database such as Europe/Berlin, and hours east of Greenwich"),
    row(
        "transaction_deferrable",
        "off",
        value::boolean,
        "Deferrable status of the transaction.",
    ),
    row(
        "transaction_isolation",
        "read committed",
        value::isolation,
        "Isolation level of the transaction.",
    )
    .accepts(ISOLATION),
    row(
        "transaction_read_only",
        "off",
        value::boolean,
        "Read-only status of the transaction.",
    ),
    row(
        "work_mem",
        "4MB",
        value::any,
        "No effect: see limits.memory_bytes of the configuration.",
    ),
    row("xmloption", "content", value::any, "No effect."),
];
