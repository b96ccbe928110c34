//! One instance of a filter: with `turn`, the only place that calls foreign code.

use super::batch::Batch;
use super::error::Problem;
use super::host::HostSide;
use super::load::Hooks;
use super::sheet::Outcome;
use super::turn::Turn;
use crate::time::UnixMillis;
use postrider_filter::abi::{self, Status};
use std::ffi::{c_char, c_void};
use std::sync::Arc;

/// The longest text that `create` may refuse with.
const MAX_REFUSAL: usize = 512;

/// One instance. Dropping it calls `destroy`; one that is lost is never dropped.
pub(super) struct Instance {
    hooks: Hooks,
    raw: *mut c_void,
    pub(super) host: Arc<HostSide>,
    turn: Box<Turn>,
}

// SAFETY: the contract lets any thread call an instance, one at a time; who does is in `call`'s contract.
unsafe impl Send for Instance {}
// SAFETY: as above.
unsafe impl Sync for Instance {}

impl Instance {
    /// Calls `create`.
    ///
    /// # Safety
    /// `hooks` are those of a checked filter.
    pub(super) unsafe fn create(
        hooks: Hooks,
        host: HostSide,
        config: &str,
    ) -> Result<Instance, Problem> {
        let host = Arc::new(host);
        let mut text = [0_u8; MAX_REFUSAL];
        let mut error = abi::Buffer {
            text: text.as_mut_ptr().cast::<c_char>(),
            size: text.len(),
            length: 0,
        };
        let mut raw = std::ptr::null_mut();
        // SAFETY: as the header says; all is good for the call, the host's table until `destroy`.
        let status = unsafe {
            (hooks.create)(
                host.as_raw(),
                config.as_ptr().cast(),
                config.len(),
                &raw mut raw,
                &raw mut error,
            )
        };
        let length = error.length.min(MAX_REFUSAL);
        match (status, raw.is_null()) {
            (abi::OK, false) => Ok(Instance {
                hooks,
                raw,
                turn: Box::new(Turn::new(host.clone())),
                host,
            }),
            (abi::FAILED, _) if length > 0 => {
                let why = String::from_utf8_lossy(&text[..length]);
                Err(Problem::Refused(why.into_owned()))
            }
            (abi::FAILED, _) => Err(Problem::Refused("without a reason".into())),
            (status, null) => Err(Problem::Create {
                status,
                null: null && status == abi::OK,
            }),
        }
    }

    /// Calls `process` with the events `picked` from a batch; [`apply`](Self::apply) then does what it asked for.
    ///
    /// # Safety
    /// One call at a time, and none after one that did not return; the batch outlives the call.
    pub(super) unsafe fn call(&self, batch: &Batch, picked: &[u32], now_ms: UnixMillis) -> Status {
        // SAFETY: as the caller says; the hook was checked, the instance lives.
        unsafe {
            self.turn.give(batch, picked, now_ms, |raw| {
                (self.hooks.process)(self.raw, raw)
            })
        }
    }

    /// Does to the batch what the last call asked for.
    ///
    /// # Safety
    /// Between two calls, with what the last one was given.
    pub(super) unsafe fn apply(&self, batch: &mut Batch, picked: &[u32]) -> Outcome {
        // SAFETY: as the caller says.
        unsafe { self.turn.apply(batch, picked) }
    }

    /// Lets a call that does not return do no more, and the instance live for ever.
    pub(super) fn lose(self: &Arc<Self>) {
        self.turn.revoke();
        std::mem::forget(self.clone());
    }

    /// Calls out of turn since the last look.
    pub(super) fn take_late(&self) -> u64 {
        self.turn.take_late()
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // SAFETY: created by this filter, and nobody is in a call: such a one holds a share of this.
        unsafe { (self.hooks.destroy)(self.raw) }
    }
}
