//! The configuration file: TOML whose tables are the parts of the dotted keys.

use super::{Config, ConfigError};

impl Config {
    /// Sets every key that the TOML `text` names; on an error none of them.
    pub fn set_toml(&mut self, text: &str) -> Result<(), ConfigError> {
        let _ = text;
        todo!()
    }
}
