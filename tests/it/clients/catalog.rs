//! The catalogue as clients look at it: psql's backslash commands, information_schema, comments.

use super::Server;

/// What psql shows, and words that must be in it.
const SHOWN: &[(&str, &[&str])] = &[
    (
        "\\d",
        &[
            "public | gaia_bright | table | dreyer",
            "public | hipparcos   | table | dreyer",
        ],
    ),
    ("\\dt", &["public | hipparcos   | table | dreyer"]),
    ("\\dt+", &["public | hipparcos   | table | dreyer | permanent   | hats"]),
    ("\\d+", &["public | hipparcos"]),
    (
        "\\d hipparcos",
        &[
            "Table \"public.hipparcos\"",
            " hip         | integer          |",
            " ra          | double precision |",
        ],
    ),
    (
        "\\d+ hipparcos",
        &["Right ascension", "[deg]", "(pos.eq.ra;meta.main)", "Storage"],
    ),
    ("\\d HIPPARCOS", &["Table \"public.hipparcos\""]),
    ("\\d gaia*", &["Table \"public.gaia_bright\"", "source_id"]),
    ("\\d nowhere", &["Did not find any relation named \"nowhere\"."]),
    ("\\dS pg_class", &["View \"pg_catalog.pg_class\"", "relname"]),
    ("\\l", &["dreyer | dreyer | UTF8"]),
    ("\\l+", &["pg_default"]),
    ("\\dn", &["public | dreyer"]),
    ("\\dn+", &["catalogues directly under a root"]),
    ("\\du", &["dreyer"]),
    (
        "\\df",
        &[
            "distance",
            "lon1 double precision, lat1 double precision, lon2 double precision, lat2 double precision",
        ],
    ),
    ("\\df+ q3c_join", &["q3c_join", "boolean", "immutable"]),
    ("\\dfS abs", &["pg_catalog | abs"]),
    (
        "\\conninfo",
        &["You are connected to database \"dreyer\" as user \"dreyer\""],
    ),
    ("\\sv pg_tables", &["CREATE OR REPLACE VIEW pg_catalog.pg_tables AS"]),
    ("SHOW TABLES;", &["hipparcos"]),
    ("\\gdesc", &[]),
];

#[tokio::test(flavor = "multi_thread")]
async fn psql_shows_what_is_there() {
    let server = Server::start().await;
    for (command, words) in SHOWN {
        let said = server.psql(&[], &format!("{command}\n")).await;
        assert!(!said.contains("ERROR"), "{command}\n{said}");
        for word in *words {
            assert!(said.contains(word), "{command} does not say {word:?}\n{said}");
        }
    }
}

/// Backslash commands about things that do not exist here: they find nothing, and do not fail.
#[tokio::test(flavor = "multi_thread")]
async fn psql_finds_nothing_without_failing() {
    let server = Server::start().await;
    let commands = [
        "\\dv",
        "\\di",
        "\\ds",
        "\\dm",
        "\\dE",
        "\\dT",
        "\\dTS",
        "\\da",
        "\\daS",
        "\\db",
        "\\db+",
        "\\dp",
        "\\z",
        "\\dx",
        "\\dc",
        "\\dC",
        "\\dD",
        "\\dO",
        "\\do",
        "\\dRp",
        "\\dRs",
        "\\des",
        "\\det",
        "\\deu",
        "\\dew",
        "\\dF",
        "\\dFd",
        "\\dFp",
        "\\dFt",
        "\\dX",
        "\\dy",
        "\\dP",
        "\\dA",
        "\\dAc",
        "\\dAf",
        "\\dAo",
        "\\dAp",
        "\\ddp",
        "\\drds",
        "\\dl",
        "\\dconfig",
        "\\dg+",
        "\\dt *.*",
        "\\d pg_attribute",
    ];
    for command in commands {
        let said = server.psql(&[], &format!("{command}\n")).await;
        assert!(!said.contains("ERROR"), "{command}\n{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn catalogue_and_information_schema_agree() {
    let server = Server::start().await;
    let script = "SELECT table_schema, table_name, table_type FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 2;\n\
        SELECT column_name, data_type, is_nullable FROM information_schema.columns WHERE table_name = 'hipparcos' AND ordinal_position <= 3 ORDER BY ordinal_position;\n\
        SELECT count(*) = (SELECT count(*) FROM pg_attribute a JOIN pg_class c ON a.attrelid = c.oid WHERE c.relname = 'hipparcos') FROM information_schema.columns WHERE table_name = 'hipparcos';\n\
        SELECT 'hipparcos'::regclass::oid = oid, oid::regclass, oid::regclass::text FROM pg_class WHERE relname = 'hipparcos';\n\
        SELECT d.description FROM pg_description d JOIN pg_attribute a ON d.objoid = a.attrelid AND d.objsubid = a.attnum WHERE a.attrelid = 'public.hipparcos'::regclass AND a.attname = 'ra';\n\
        SELECT t.typname, t.typlen, t.typarray::regtype, t.typreceive FROM pg_type t WHERE t.oid = 'float8'::regtype;\n\
        SELECT current_user, current_schema, current_database(), current_setting('server_version_num')::int / 10000, pg_backend_pid() > 0;\n\
        SELECT count(*) FROM pg_stat_activity WHERE pid = pg_backend_pid() AND state = 'active';\n\
        SELECT 'nowhere'::regclass;\n";
    let said = server.psql(&["-A", "-t"], script).await;
    let expected = "public|gaia_bright|BASE TABLE\npublic|hipparcos|BASE TABLE\n\
        _healpix_29|bigint|NO\nhip|integer|YES\nra|double precision|YES\nt\nt|hipparcos|hipparcos\n\
        Right ascension, ICRS, at ref_epoch [deg] (pos.eq.ra;meta.main)\n\
        float8|8|double precision[]|float8recv\ndreyer|public|dreyer|15|t\n1\n";
    assert!(said.starts_with(expected), "{said}");
    assert!(said.contains("ERROR:  relation \"nowhere\" does not exist"), "{said}");
}
