//! Who asks, and what they may do.

use crate::failure::Failure;
use crate::message::{Caller, Request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use postrider::store::{Grant, Grants, Store};
use postrider::webhook::{Subaccounts, Webhook};
use std::fmt;

/// The header that names the subaccount a call is for.
const SUBACCOUNT: &str = "x-msys-subaccount";

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) name: Name,
    pub(crate) grants: Grants,
    /// The one subaccount that it may act for; `None`: any.
    pub(crate) bound_to: Option<u32>,
}

/// What to call whoever asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    /// Nobody in particular.
    Nobody,
    /// The host, or who may open its admin socket.
    Host,
    /// Who may open the ingest socket.
    Ingest,
    /// The key with this id.
    Key(String),
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Name::Nobody => f.write_str("nobody"),
            Name::Host => f.write_str("host"),
            Name::Ingest => f.write_str("ingest socket"),
            Name::Key(id) => write!(f, "key {id}"),
        }
    }
}

/// What a call is about: everything, or one subaccount (0: the primary account).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct View(Option<u32>);

impl Identity {
    fn unbound(name: Name, grants: Grants) -> Identity {
        Identity {
            name,
            grants,
            bound_to: None,
        }
    }

    /// Whoever asks for what needs no grant.
    pub(crate) fn nobody() -> Identity {
        Identity::unbound(Name::Nobody, Grants::default())
    }

    pub(crate) fn of(
        request: &Request,
        caller: Caller,
        store: &Store,
    ) -> Result<Identity, Failure> {
        match caller {
            Caller::Host => return Ok(Identity::unbound(Name::Host, Grants::all())),
            Caller::Ingest => {
                let grants = [Grant::IngestEvents].into_iter().collect();
                return Ok(Identity::unbound(Name::Ingest, grants));
            }
            Caller::Key => {}
        }
        let presented = request.header("authorization").and_then(key_text);
        let presented = presented.ok_or(Failure::Unauthorized)?;
        let key = store
            .authenticate(&presented)?
            .ok_or(Failure::Unauthorized)?;
        Ok(Identity {
            name: Name::Key(key.id),
            grants: key.grants,
            bound_to: key.subaccount,
        })
    }

    /// Refuses where it lacks `grant`.
    pub(crate) fn check(&self, grant: Grant) -> Result<(), Failure> {
        match self.grants.contains(grant) {
            true => Ok(()),
            false => Err(Failure::NotGranted(grant)),
        }
    }

    /// Refuses whoever has a key, whatever its grants; `why` is to be read after "Forbidden:".
    pub(crate) fn host_only(&self, why: &'static str) -> Result<(), Failure> {
        match self.name {
            Name::Host => Ok(()),
            Name::Nobody | Name::Ingest | Name::Key(_) => Err(Failure::HostOnly(why)),
        }
    }

    /// What the request is about, by its header and by what the key is bound to.
    pub(crate) fn view(&self, request: &Request) -> Result<View, Failure> {
        let asked = match request.header(SUBACCOUNT) {
            None => None,
            Some(text) => Some(subaccount(text).ok_or(Failure::BadSubaccount)?),
        };
        match (self.bound_to, asked) {
            (Some(own), Some(other)) if own != other => Err(Failure::OtherSubaccount(own)),
            (own, asked) => Ok(View(own.or(asked))),
        }
    }
}

impl View {
    /// The one subaccount; `None`: all.
    pub(crate) fn subaccount(self) -> Option<u32> {
        self.0
    }

    /// The scope of a webhook created in it.
    pub(crate) fn scope(self) -> Subaccounts {
        match self.0 {
            None => Subaccounts::default(),
            Some(0) => Subaccounts::Primary,
            Some(n) => Subaccounts::One(n),
        }
    }

    /// Whether a webhook is to be seen in it.
    pub(crate) fn shows(self, webhook: &Webhook) -> bool {
        self.0.is_none() || webhook.scope == self.scope()
    }
}

/// A signed 32-bit number that is not negative.
fn subaccount(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let n = digits.then(|| text.parse().ok())?;
    n.filter(|n| i32::try_from(*n).is_ok())
}

/// The key in an `Authorization` header: its raw text, or the user name of HTTP Basic (RFC 7617)
/// with an empty password.
fn key_text(value: &str) -> Option<String> {
    let Some((scheme, encoded)) = value.split_once(' ') else {
        return Some(value.to_owned());
    };
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    match decoded.split_once(':') {
        Some((key, "")) => Some(key.to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_raw_or_as_basic_user() {
        let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
        assert_eq!(key_text("abc").as_deref(), Some("abc"));
        assert_eq!(key_text(&basic("abc:")).as_deref(), Some("abc"));
        assert_eq!(
            key_text(&basic("abc:").replace("Basic", "basic")).as_deref(),
            Some("abc")
        );
        assert_eq!(key_text(&basic("abc:password")), None);
        assert_eq!(key_text(&basic("abc")), None);
        assert_eq!(key_text("Basic ???"), None);
        assert_eq!(key_text("Bearer abc"), None);
    }

    #[test]
    fn a_subaccount_is_a_number() {
        assert_eq!(subaccount("0"), Some(0));
        assert_eq!(subaccount("2147483647"), Some(i32::MAX as u32));
        for bad in ["", "-1", "+1", "1.0", "2147483648", "master"] {
            assert_eq!(subaccount(bad), None, "{bad}");
        }
    }
}
