//! What a worker must know of the session whose query it runs: the settings that bear on execution. They travel as one
//! header beside each plan; the engine's own mechanism knows only some of them.

use std::collections::BTreeMap;

use datafusion::common::{DataFusionError, Result};
use datafusion::config::ConfigOptions;
use http::{HeaderMap, HeaderName, HeaderValue};

/// The header.
const SETTINGS: HeaderName = HeaderName::from_static("dreyer-settings");

/// Settings that bear on execution, by prefix.
const TRAVEL: &[&str] = &["datafusion.execution.", "dreyer."];

/// The settings that are not those of `usual`, as headers.
pub(super) fn pack(options: &ConfigOptions, usual: &ConfigOptions) -> Result<HeaderMap> {
    let usual = known(usual);
    let changed: BTreeMap<String, String> = known(options)
        .into_iter()
        .filter(|(key, value)| usual.get(key) != Some(value))
        .collect();
    let mut headers = HeaderMap::new();
    if !changed.is_empty() {
        let text = serde_json::to_string(&changed).map_err(|error| DataFusionError::External(Box::new(error)))?;
        let value = HeaderValue::from_bytes(text.as_bytes()).map_err(|_| {
            DataFusionError::Configuration("a setting holds a character that cannot be sent".to_owned())
        })?;
        headers.insert(SETTINGS, value);
    }
    Ok(headers)
}

/// Makes them the settings of `options`.
pub(super) fn unpack(headers: &HeaderMap, options: &mut ConfigOptions) -> Result<()> {
    let Some(value) = headers.get(SETTINGS) else {
        return Ok(());
    };
    let changed: BTreeMap<String, String> =
        serde_json::from_slice(value.as_bytes()).map_err(|error| DataFusionError::External(Box::new(error)))?;
    for (key, value) in changed {
        if TRAVEL.iter().any(|prefix| key.starts_with(prefix)) {
            options.set(&key, &value)?;
        }
    }
    Ok(())
}

fn known(options: &ConfigOptions) -> BTreeMap<String, String> {
    let entries = options.entries().into_iter();
    let travelling = entries.filter(|entry| TRAVEL.iter().any(|prefix| entry.key.starts_with(prefix)));
    travelling.filter_map(|entry| Some((entry.key, entry.value?))).collect()
}

#[cfg(test)]
mod tests {
    use dreyer_sky::tiling::SkyOptions;

    use super::*;

    fn options() -> ConfigOptions {
        let mut options = ConfigOptions::new();
        options.extensions.insert(SkyOptions::default());
        options
    }

    #[test]
    fn what_was_set_arrives_and_nothing_else() {
        let (usual, mut ours, mut theirs) = (options(), options(), options());
        ours.set("datafusion.execution.batch_size", "77").unwrap();
        ours.set("datafusion.execution.time_zone", "+02:00").unwrap();
        ours.set("dreyer.crossmatch_unit_rows", "1234").unwrap();
        ours.set("datafusion.optimizer.max_passes", "9").unwrap();
        unpack(&pack(&ours, &usual).unwrap(), &mut theirs).unwrap();
        assert_eq!(theirs.execution.batch_size.get(), 77);
        assert_eq!(theirs.execution.time_zone.as_deref(), Some("+02:00"));
        assert_eq!(
            theirs.extensions.get::<SkyOptions>().unwrap().crossmatch_unit_rows,
            1234
        );
        assert_eq!(theirs.optimizer.max_passes, usual.optimizer.max_passes);
        assert!(pack(&options(), &usual).unwrap().is_empty());
    }

    #[test]
    fn what_does_not_bear_on_execution_is_not_taken() {
        let mut headers = HeaderMap::new();
        headers.insert(
            SETTINGS,
            HeaderValue::from_static(r#"{"datafusion.optimizer.max_passes":"9"}"#),
        );
        let mut theirs = options();
        unpack(&headers, &mut theirs).unwrap();
        assert_ne!(theirs.optimizer.max_passes, 9);
    }
}
