//! The REST API as a call.
//!
//! A request may wait on the network (making a webhook tests its target), so each runs on a thread
//! of its own, and the caller waits for that thread, or polls. What outlives its deadline ends by
//! itself, after its own network timeout.

use std::ffi::{c_char, c_void};
use std::time::Duration;

use crate::buffer::Buffer;
use crate::error::{
    Failure, POSTRIDER_E_ARGUMENT, POSTRIDER_E_HANDLE, POSTRIDER_E_NULL, POSTRIDER_E_TIMEOUT,
    POSTRIDER_OK, POSTRIDER_OK_PENDING, Status,
};
use crate::field::bytes;
use crate::guard::guard;
use crate::handle::Handle;
use crate::inner::{Answer, Call, Question};
use crate::sized::{self, Sized_};
use crate::text;

/// A flag: the host itself asks, with all grants and no key. Without it the request's headers carry
/// a key, as `Authorization: KEY`.
pub const POSTRIDER_API_ALL_GRANTS: u32 = 1;

/// A request to the REST API.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct ApiRequest {
    /// `sizeof(postrider_api_request)`.
    pub size: usize,
    /// Such as `POST`.
    pub method: *const c_char,
    /// Path and query, such as `/api/v1/webhooks?timezone=UTC`.
    pub path: *const c_char,
    /// Lines of `Name: value`, each closed by a line end; NULL for none.
    pub headers: *const c_char,
    /// The body; NULL for none.
    pub body: *const c_void,
    /// Bytes of `body`.
    pub body_length: usize,
    /// POSTRIDER_API_….
    pub flags: u32,
    /// How long `postrider_api()` waits; 0 for as long as it takes, which the engine's own network
    /// timeouts bound.
    pub timeout_ms: u32,
}

// SAFETY: repr(C), starts with its size, pointers and integers only, no padding.
unsafe impl Sized_ for ApiRequest {
    const NAME: &str = "postrider_api_request";
}

/// A request on its way. Opaque; used by one thread at a time.
pub struct ApiCall {
    magic: u64,
    call: Call,
}

/// "postcall": a live call.
const LIVE: u64 = u64::from_le_bytes(*b"postcall");

/// Asks the REST API and waits for the answer, at most the request's `timeout_ms`.
///
/// POSTRIDER_OK means that there is an answer: look at `http_status`, which is 200 where the
/// request was granted. `body` gets its JSON; free it with `postrider_free()`. After
/// POSTRIDER_E_TIMEOUT the request may still take effect. Any thread.
///
/// # Safety
///
/// `handle` NULL or from this library, `request` NULL or a struct of the size it starts with, its
/// pointers good; `http_status` and `body` NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn postrider_api(
    handle: *mut Handle,
    request: *const ApiRequest,
    http_status: *mut u32,
    body: *mut Buffer,
) -> Status {
    Handle::with(handle, |inner| {
        check_out(http_status, body)?;
        // SAFETY: as the caller vouches.
        let (question, timeout) = unsafe { question(request)? };
        let mut call = inner.ask(question)?;
        match call.wait(timeout)? {
            // SAFETY: as the caller vouches.
            Some(answer) => unsafe { give(answer, http_status, body) },
            None => {
                let text = "no answer before the deadline; the request may still take effect";
                Err(Failure::new(POSTRIDER_E_TIMEOUT, text))
            }
        }
    })
}

/// Sends a request and returns at once; `postrider_api_poll()` has the answer,
/// `postrider_api_free()` ends it. Any thread.
///
/// # Safety
///
/// As `postrider_api()`; `out` NULL or writable. What the request points to is copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn postrider_api_start(
    handle: *mut Handle,
    request: *const ApiRequest,
    out: *mut *mut ApiCall,
) -> Status {
    Handle::with(handle, |inner| {
        if out.is_null() {
            return Err(Failure::new(
                POSTRIDER_E_NULL,
                "out, where the call goes, is NULL",
            ));
        }
        // SAFETY: as the caller vouches.
        let (question, _) = unsafe { question(request)? };
        let call = inner.ask(question)?;
        // SAFETY: not NULL, and writable as the caller vouches.
        unsafe { out.write(Box::into_raw(Box::new(ApiCall { magic: LIVE, call }))) };
        Ok(POSTRIDER_OK)
    })
}

/// Fetches the answer of a request, waiting for it up to `timeout_ms`; 0 only looks.
///
/// POSTRIDER_OK_PENDING: not yet. POSTRIDER_OK: as `postrider_api()`; an answer is given once.
///
/// # Safety
///
/// `call` NULL or live; `http_status` and `body` NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn postrider_api_poll(
    call: *mut ApiCall,
    timeout_ms: u32,
    http_status: *mut u32,
    body: *mut Buffer,
) -> Status {
    guard(|| {
        check_out(http_status, body)?;
        // SAFETY: as the caller vouches.
        let call = unsafe { check(call)? };
        match call
            .call
            .wait(Some(Duration::from_millis(timeout_ms.into())))?
        {
            // SAFETY: as the caller vouches.
            Some(answer) => unsafe { give(answer, http_status, body) },
            None => Ok(POSTRIDER_OK_PENDING),
        }
    })
}

/// Frees a request, answered or not; it is not taken back. NULL is a no-op.
///
/// # Safety
///
/// `call` NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn postrider_api_free(call: *mut ApiCall) {
    guard(|| {
        if call.is_null() {
            return Ok(POSTRIDER_OK);
        }
        // SAFETY: not NULL, live as the caller vouches.
        unsafe { check(call)? }.magic = 0;
        // SAFETY: it carried the magic word, so it came from `postrider_api_start` and was not
        // freed.
        drop(unsafe { Box::from_raw(call) });
        Ok(POSTRIDER_OK)
    });
}

unsafe fn check<'a>(call: *mut ApiCall) -> Result<&'a mut ApiCall, Failure> {
    // SAFETY: as the callers' callers vouch.
    match unsafe { call.as_mut() } {
        None => Err(Failure::new(POSTRIDER_E_NULL, "call is NULL")),
        Some(call) if call.magic != LIVE => Err(Failure::new(
            POSTRIDER_E_HANDLE,
            "not a call that postrider_api_start() gave",
        )),
        Some(call) => Ok(call),
    }
}

fn check_out(http_status: *mut u32, body: *mut Buffer) -> Result<(), Failure> {
    match (http_status.is_null(), body.is_null()) {
        (true, _) => Err(Failure::new(POSTRIDER_E_NULL, "http_status is NULL")),
        (_, true) => Err(Failure::new(
            POSTRIDER_E_NULL,
            "body, where the answer goes, is NULL",
        )),
        _ => Ok(()),
    }
}

/// # Safety
///
/// Both are writable.
unsafe fn give(
    answer: Answer,
    http_status: *mut u32,
    body: *mut Buffer,
) -> Result<Status, Failure> {
    // SAFETY: as the caller vouches.
    unsafe {
        Buffer::give(body, "body", answer.body)?;
        http_status.write(answer.status);
    }
    Ok(POSTRIDER_OK)
}

/// Copies a request; also its timeout.
unsafe fn question(request: *const ApiRequest) -> Result<(Question, Option<Duration>), Failure> {
    // SAFETY: as the callers' callers vouch.
    let request = unsafe { sized::read(request)? };
    if request.flags & !POSTRIDER_API_ALL_GRANTS != 0 {
        let text = format_args!(
            "flags {:#x}: only POSTRIDER_API_ALL_GRANTS is known",
            request.flags
        );
        return Err(Failure::new(POSTRIDER_E_ARGUMENT, text));
    }
    // SAFETY: as the callers' callers vouch.
    let (method, path, body) = unsafe {
        let method = text::utf8(request.method, "request.method")?;
        let path = text::utf8(request.path, "request.path")?;
        let body = bytes(request.body, request.body_length)
            .ok_or_else(|| Failure::new(POSTRIDER_E_NULL, "request.body is NULL, with a length"))?;
        (method, path, body)
    };
    let headers = match request.headers.is_null() {
        true => "",
        // SAFETY: as the callers' callers vouch.
        false => unsafe { text::utf8(request.headers, "request.headers")? },
    };
    let timeout =
        (request.timeout_ms != 0).then(|| Duration::from_millis(request.timeout_ms.into()));
    let question = Question {
        method: method.to_owned(),
        path: path.to_owned(),
        headers: parse_headers(headers)?,
        body: body.to_vec(),
        all_grants: request.flags & POSTRIDER_API_ALL_GRANTS != 0,
    };
    Ok((question, timeout))
}

fn parse_headers(lines: &str) -> Result<Vec<(String, String)>, Failure> {
    let lines = lines.lines().filter(|line| !line.is_empty());
    let header = |line: &str| match line.split_once(':') {
        Some((name, value)) => Ok((name.trim().to_owned(), value.trim().to_owned())),
        None => {
            let text = format_args!("request.headers: `{line}` is not `Name: value`");
            Err(Failure::new(POSTRIDER_E_ARGUMENT, text))
        }
    };
    lines.map(header).collect()
}
