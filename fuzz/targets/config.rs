//! Configuration: TOML text, and `key = value` line by line; an error changes nothing.

#![no_main]

use libfuzzer_sys::fuzz_target;
use postrider::config::{Config, TABLE};

fuzz_target!(|text: &str| {
    let mut config = Config::default();
    if let Err(e) = config.set_toml(text) {
        assert_eq!(config, Config::default(), "{e}");
    }
    let mut config = Config::default();
    for line in text.lines() {
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        let (key, before) = (key.trim(), config.clone());
        match config.set(key, value.trim()) {
            Ok(()) => assert!(TABLE.iter().any(|k| k.name == key)),
            Err(e) => {
                assert_eq!(config, before);
                assert!(!e.to_string().is_empty());
            }
        }
    }
});
