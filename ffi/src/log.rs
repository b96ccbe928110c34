//! What the engine has to say, on its way to the host.

use std::ffi::{c_char, c_void};

use crate::config::Config;
use crate::error::{POSTRIDER_OK, Status};
use crate::guard::guard;

/// A log level: something is wrong and needs somebody.
pub const POSTRIDER_LOG_ERROR: u32 = 1;
/// A log level: something went wrong and Postrider copes.
pub const POSTRIDER_LOG_WARNING: u32 = 2;
/// A log level: worth a line in the mail log.
pub const POSTRIDER_LOG_INFO: u32 = 3;

/// Takes one message: a POSTRIDER_LOG_… and `length` bytes of UTF-8, without a line end, good for
/// the call alone.
pub type LogFn =
    Option<unsafe extern "C" fn(user: *mut c_void, level: u32, text: *const c_char, length: usize)>;

/// Has engines opened with this configuration pass what they have to say to `log`, with `user` as
/// its first argument.
///
/// It is called from the engine's threads and from threads that call Postrider, several at a time,
/// while `postrider_open()` runs and until `postrider_close()` returns; it must not call Postrider.
/// `log` NULL: silence, the default.
///
/// # Safety
///
/// `config` NULL or live; `log` and `user` good from any thread as long as an engine opened with
/// them is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn postrider_set_logger(
    config: *mut Config,
    log: LogFn,
    user: *mut c_void,
) -> Status {
    guard(|| {
        // SAFETY: as the caller vouches.
        let config = unsafe { Config::check_mut(config)? };
        config.logger = log.is_some().then_some(Logger { log, user });
        Ok(POSTRIDER_OK)
    })
}

/// A host's callback.
#[cfg_attr(
    not(feature = "engine"),
    expect(dead_code, reason = "only an engine has something to say")
)]
#[derive(Clone, Copy)]
pub(crate) struct Logger {
    log: LogFn,
    user: *mut c_void,
}

// SAFETY: `postrider_set_logger` has the host vouch that callback and pointer are good from any
// thread.
unsafe impl Send for Logger {}
// SAFETY: as above, several at a time.
unsafe impl Sync for Logger {}

impl Logger {
    /// Passes a message on.
    #[cfg(feature = "engine")]
    pub(crate) fn say(&self, level: u32, text: &str) {
        if let Some(log) = self.log {
            // SAFETY: as vouched for when the logger was set; the text outlives the call.
            unsafe { log(self.user, level, text.as_ptr().cast(), text.len()) }
        }
    }
}
