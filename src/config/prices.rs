//! What the `[prices]` part of a configuration says: what reading and computing cost in money.
//!
//! ```toml
//! [prices]
//! currency = "USD"
//! core_hour = 0.04375       # a machine of 8 cores for 0.35 an hour
//! thousand_gets = 0.0004
//! gigabyte_read = 0.09
//! ```

use serde::Deserialize;

use crate::{Error, ErrorKind, Result};

/// Prices. All are 0 unless they are given; then nothing is said of money.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PriceConfig {
    /// What the prices are in; it is only shown. Default `USD`.
    pub currency: String,

    /// Of one core for one hour of work.
    pub core_hour: f64,

    /// Of 1,000 requests to a store over the network.
    pub thousand_gets: f64,

    /// Of 10^9 bytes read from a store over the network.
    pub gigabyte_read: f64,

    /// Stored bytes that one core reads and works through in a second: what the work of a query is estimated by. Default
    /// 50,000,000.
    pub core_bytes_s: f64,
}

impl Default for PriceConfig {
    fn default() -> Self {
        Self {
            currency: "USD".to_owned(),
            core_hour: 0.0,
            thousand_gets: 0.0,
            gigabyte_read: 0.0,
            core_bytes_s: 50e6,
        }
    }
}

impl PriceConfig {
    /// Whether there is a price at all.
    pub(crate) fn are_known(&self) -> bool {
        [self.core_hour, self.thousand_gets, self.gigabyte_read]
            .iter()
            .any(|price| *price > 0.0)
    }

    /// Checks that the numbers make sense.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`], naming the key.
    pub(crate) fn check(&self) -> Result<()> {
        let prices = [
            ("core_hour", self.core_hour),
            ("thousand_gets", self.thousand_gets),
            ("gigabyte_read", self.gigabyte_read),
        ];
        for (key, price) in prices {
            if !(0.0..=1e9).contains(&price) {
                let message = format!("prices.{key} must lie in [0, 1e9], got {price}");
                return Err(Error::new(ErrorKind::Configuration, message));
            }
        }
        if !(1.0..=1e12).contains(&self.core_bytes_s) {
            let message = format!("prices.core_bytes_s must lie in [1, 1e12], got {}", self.core_bytes_s);
            return Err(Error::new(ErrorKind::Configuration, message));
        }
        if self.currency.is_empty() || self.currency.len() > 8 || self.currency.contains(char::is_whitespace) {
            let message = "prices.currency must be a word of at most 8 bytes";
            return Err(Error::new(ErrorKind::Configuration, message));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::Config;

    #[test]
    fn prices_that_make_no_sense_are_refused_by_name() {
        for (text, key) in [
            ("core_hour = -1", "prices.core_hour"),
            ("thousand_gets = nan", "prices.thousand_gets"),
            ("core_bytes_s = 0", "prices.core_bytes_s"),
            ("currency = ''", "prices.currency"),
        ] {
            let error = Config::parse(&format!("[prices]\n{text}\n")).unwrap_err();
            assert!(error.message.contains(key), "{text}: {}", error.message);
        }
        assert!(!Config::default().prices.are_known());
    }
}
