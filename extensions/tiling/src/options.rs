//! Session options of the astronomical extensions: `SET dreyer.NAME = VALUE`.

use std::any::Any;
use std::fmt;
use std::str::FromStr;

use datafusion::common::config::{ConfigEntry, ConfigExtension, ConfigField, ExtensionOptions, Visit};
use datafusion::common::config_namespace;
use datafusion::error::{DataFusionError, Result};

config_namespace! {
    /// Options read by the astronomical extensions of a session.
    pub struct SkyOptions {
        /// Whose meaning a word has where the two languages differ (`LOG`, say): `postgres` or `adql`.
        pub dialect: Dialect, default = Dialect::Postgres

        /// Where queries run: `auto` (large ones on the workers, if there are any), `local` or `distributed`.
        pub compute: Compute, default = Compute::Auto

        /// Which cross-match strategy to use: `auto`, `aligned`, `indexed`, `retiled` or `nested_loop`.
        pub crossmatch_strategy: CrossMatchStrategy, default = CrossMatchStrategy::Auto

        /// Rows of both sides that one unit of an aligned cross-match should hold; bounds its memory.
        pub crossmatch_unit_rows: usize, default = 500_000

        /// Largest radius, in degrees, that is matched tile by tile; wider ones index one side whole.
        pub crossmatch_aligned_max_radius_deg: f64, default = 1.0

        /// Which tables' HEALPix indexes are taken to be exactly those of their coordinates, so that a cross-match may
        /// decide by them: `recorded` (those whose properties say so), `all`, or `none`.
        pub crossmatch_index_trust: IndexTrust, default = IndexTrust::Recorded

        /// Most rows of one side for which the other is read only around them, page by page.
        pub crossmatch_pruned_max_rows: usize, default = 20_000

        /// A cross-match that has more pairs than this to compare or to find tells the user so.
        pub crossmatch_notice_pairs: usize, default = 1_000_000_000

        /// Most sky ranges that a region becomes when it prunes row groups and pages.
        pub max_sky_ranges: usize, default = 32

        /// Most keys that a query or a join looks up in an index; more are read from the table. 0: use no index.
        pub index_max_keys: usize, default = 10_000

        /// Most bytes that each partition of a scan reads ahead of a remote store; 0: none.
        pub read_ahead_bytes: usize, default = 16 * 1024 * 1024
    }
}

impl ConfigExtension for SkyOptions {
    const PREFIX: &'static str = "dreyer";
}

impl ExtensionOptions for SkyOptions {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn cloned(&self) -> Box<dyn ExtensionOptions> {
        Box::new(self.clone())
    }

    fn set(&mut self, key: &str, value: &str) -> Result<()> {
        ConfigField::set(self, key, value)
    }

    /// By their full names, under which `SHOW` looks for them.
    fn entries(&self) -> Vec<ConfigEntry> {
        let mut entries = Entries(Vec::new());
        self.visit(&mut entries, Self::PREFIX, "");
        entries.0
    }
}

struct Entries(Vec<ConfigEntry>);

impl Visit for Entries {
    fn some<V: fmt::Display>(&mut self, key: &str, value: V, description: &'static str) {
        self.0.push(ConfigEntry {
            key: key.to_owned(),
            value: Some(value.to_string()),
            description,
        });
    }

    fn none(&mut self, key: &str, description: &'static str) {
        self.0.push(ConfigEntry {
            key: key.to_owned(),
            value: None,
            description,
        });
    }
}

/// A setting whose value is one of a few words.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $setting:literal, { $($(#[$of:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub enum $name {
            $($(#[$of])* $variant,)+
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$variant => $word,)+
                })
            }
        }

        impl FromStr for $name {
            type Err = DataFusionError;

            fn from_str(word: &str) -> Result<Self> {
                match word.to_ascii_lowercase().as_str() {
                    $($word => Ok(Self::$variant),)+
                    other => Err(unknown_word($setting, &[$($word),+], other)),
                }
            }
        }

        impl ConfigField for $name {
            fn visit<V: Visit>(&self, v: &mut V, key: &str, description: &'static str) {
                v.some(key, self, description);
            }

            fn set(&mut self, _key: &str, value: &str) -> Result<()> {
                *self = value.parse()?;
                Ok(())
            }
        }
    };
}

fn unknown_word(setting: &str, words: &[&str], got: &str) -> DataFusionError {
    let (last, before) = words.split_last().unwrap_or((&"", &[]));
    let before = before.join(", ");
    DataFusionError::Configuration(format!("{setting} must be {before} or {last}, got '{got}'"))
}

words! {
    /// Which language gives a word its meaning where PostgreSQL and ADQL differ. Both share one grammar.
    Dialect, "dreyer.dialect", {
        /// `LOG(x)` is the decimal logarithm.
        #[default]
        Postgres = "postgres",
        /// `LOG(x)` is the natural logarithm.
        Adql = "adql",
    }
}

words! {
    /// Where queries run.
    Compute, "dreyer.compute", {
        /// Large ones on the workers, if there are any; all others in the process that has the client.
        #[default]
        Auto = "auto",
        /// In the process that has the client.
        Local = "local",
        /// On the workers wherever that is possible; without a worker, an error.
        Distributed = "distributed",
    }
}

words! {
    /// Which tables' HEALPix indexes are taken to be exactly those of their coordinates.
    IndexTrust, "dreyer.crossmatch_index_trust", {
        /// Those whose catalogue says so, having computed every one of them.
        #[default]
        Recorded = "recorded",
        /// All of sorted tables with coordinates in double precision: whoever sets this vouches for them.
        All = "all",
        /// None.
        Nothing = "none",
    }
}

words! {
    /// How a cross-match is to be executed. Every strategy returns the same rows.
    CrossMatchStrategy, "dreyer.crossmatch_strategy", {
        /// The first of the others that applies, in the order below.
        #[default]
        Auto = "auto",
        /// Tile by tile, both sides read in sky order.
        Aligned = "aligned",
        /// One side in memory, sorted on the sky; the other streams past it.
        Indexed = "indexed",
        /// Both sides dealt into buckets of the sky on disk, for sides that do not fit into memory.
        Retiled = "retiled",
        /// Every pair is tested: always right, and slow.
        NestedLoop = "nested_loop",
    }
}
