//! Settings: string key, string value, from the table that also feeds the configuration file.

use std::ffi::c_char;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Failure, POSTRIDER_E_HANDLE, POSTRIDER_E_NULL, POSTRIDER_OK, Status};
use crate::guard::{guard, guard_or};
use crate::inner::Settings;
use crate::log::Logger;
use crate::text;

/// "postconf": a live configuration.
const LIVE: u64 = u64::from_le_bytes(*b"postconf");

/// Settings for `postrider_open()`. Opaque; used by one thread at a time.
pub struct Config {
    magic: AtomicU64,
    pub(crate) settings: Settings,
    pub(crate) logger: Option<Logger>,
}

impl Config {
    /// What the host passed, if it is one of ours; NULL is `None`.
    ///
    /// # Safety
    ///
    /// `config` is NULL or live for `'a`.
    pub(crate) unsafe fn check<'a>(config: *const Config) -> Result<Option<&'a Config>, Failure> {
        // SAFETY: as the caller vouches.
        match unsafe { config.as_ref() } {
            Some(c) if c.magic.load(Ordering::Relaxed) != LIVE => Err(stranger()),
            config => Ok(config),
        }
    }

    /// As [`Config::check`], to change it.
    ///
    /// # Safety
    ///
    /// As [`Config::check`], and nobody else uses it.
    pub(crate) unsafe fn check_mut<'a>(config: *mut Config) -> Result<&'a mut Config, Failure> {
        // SAFETY: as the caller vouches.
        match unsafe { config.as_mut() } {
            None => Err(Failure::new(POSTRIDER_E_NULL, "config is NULL")),
            Some(c) if c.magic.load(Ordering::Relaxed) != LIVE => Err(stranger()),
            Some(c) => Ok(c),
        }
    }
}

fn stranger() -> Failure {
    Failure::new(
        POSTRIDER_E_HANDLE,
        "not a configuration that postrider_config_new() gave",
    )
}

/// A configuration with the default of every key; NULL only where the library is
/// libpostrider-client, which has no use for one.
#[unsafe(no_mangle)]
pub extern "C" fn postrider_config_new() -> *mut Config {
    guard_or(ptr::null_mut(), || {
        let settings = Settings::new()?;
        Ok(Box::into_raw(Box::new(Config {
            magic: AtomicU64::new(LIVE),
            settings,
            logger: None,
        })))
    })
}

/// Sets one key, such as `batch.max_events` to `1000`. All keys: docs/configuration.md.
///
/// POSTRIDER_E_CONFIG names the key, the value and what is allowed; the configuration is as before.
///
/// # Safety
///
/// `config` NULL or live, `key` and `value` NULL or C strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn postrider_config_set(
    config: *mut Config,
    key: *const c_char,
    value: *const c_char,
) -> Status {
    guard(|| {
        // SAFETY: as the caller vouches.
        let (config, key, value) = unsafe {
            (
                Config::check_mut(config)?,
                text::utf8(key, "key")?,
                text::utf8(value, "value")?,
            )
        };
        config.settings.set(key, value)
    })
}

/// Sets every key that a TOML file has, as the `postrider` command reads it. If one is refused,
/// none is set.
///
/// # Safety
///
/// `config` NULL or live, `path` NULL or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn postrider_config_load(config: *mut Config, path: *const c_char) -> Status {
    guard(|| {
        // SAFETY: as the caller vouches.
        let (config, path) = unsafe { (Config::check_mut(config)?, text::path(path, "path")?) };
        config.settings.load(path)
    })
}

/// Frees a configuration; engines opened with it keep their settings. NULL is a no-op.
///
/// # Safety
///
/// `config` NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn postrider_config_free(config: *mut Config) {
    guard(|| {
        if config.is_null() {
            return Ok(POSTRIDER_OK);
        }
        // SAFETY: not NULL, live as the caller vouches.
        unsafe { Config::check_mut(config)? }
            .magic
            .store(0, Ordering::Relaxed);
        // SAFETY: it carried the magic word, so it came from `postrider_config_new` and was not
        // freed.
        drop(unsafe { Box::from_raw(config) });
        Ok(POSTRIDER_OK)
    });
}
