//! OAuth 2 access tokens: what the token endpoint's answer says (RFC 6749 §5).

use std::time::Duration;

use serde_json::Value;
use thiserror::Error;

/// Most bytes of a token; heads are bounded where it is sent to.
const MAX_TOKEN: usize = 8192;

/// A token that is shorter-lived is used this long all the same: it was good when it came.
const LEAST: Duration = Duration::from_secs(5);

/// A bearer token (RFC 6750). `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// Its text.
    pub text: String,
    /// How long it is good; `None` when the endpoint does not say: until a receiver refuses it.
    pub lifetime: Option<Duration>,
}

impl std::fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AccessToken({:?})", self.lifetime)
    }
}

/// Why an answer gives no token. Never quotes what might be one.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenFault {
    /// Not a 2xx.
    #[error("the token endpoint answered {status}{}", .error.as_deref().map(|e| format!(": {e}")).unwrap_or_default())]
    Status {
        /// Its status.
        status: u16,
        /// The `error` of RFC 6749 §5.2, where there is one.
        error: Option<String>,
    },
    /// Not the JSON of RFC 6749 §5.1.
    #[error("the token endpoint's answer {0}")]
    Answer(&'static str),
}

/// Reads a token endpoint's answer.
pub fn read_token(status: u16, body: &[u8]) -> Result<AccessToken, TokenFault> {
    let answer = serde_json::from_slice::<Value>(body);
    if !(200..=299).contains(&status) {
        let error = answer
            .ok()
            .and_then(|answer| Some(answer.get("error")?.as_str()?.to_owned()));
        // The names that RFC 6749 §5.2 allows are short and plain; another text is not repeated.
        let plain = |e: &String| e.len() <= 64 && e.bytes().all(|b| b.is_ascii_graphic());
        let error = error.filter(plain);
        return Err(TokenFault::Status { status, error });
    }
    let answer = answer.map_err(|_| TokenFault::Answer("is not JSON"))?;
    let text = answer.get("access_token").and_then(Value::as_str);
    let text = text.ok_or(TokenFault::Answer("has no access_token"))?;
    // RFC 6750 §2.1: b64token, which no header can be broken by.
    let fine = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b);
    if text.is_empty() || text.len() > MAX_TOKEN || !text.bytes().all(fine) {
        return Err(TokenFault::Answer(
            "has an access_token that no header can carry",
        ));
    }
    match answer.get("token_type").map(Value::as_str) {
        None => {}
        Some(Some(kind)) if kind.eq_ignore_ascii_case("bearer") => {}
        Some(_) => return Err(TokenFault::Answer("has a token_type other than Bearer")),
    }
    // Seconds; some servers send them as text.
    let seconds = match answer.get("expires_in") {
        Some(Value::Number(n)) => n.as_f64(),
        Some(Value::String(text)) => text.parse().ok(),
        _ => None,
    };
    let lifetime = seconds.and_then(|s: f64| Duration::try_from_secs_f64(s.max(0.0)).ok());
    Ok(AccessToken {
        text: text.to_owned(),
        lifetime: lifetime.map(|lifetime| lifetime.max(LEAST)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<AccessToken, TokenFault> {
        read_token(200, body.as_bytes())
    }

    #[test]
    fn a_token_and_how_long_it_is_good_are_read() {
        let token = |lifetime: Option<u64>| AccessToken {
            text: "a.b-c_~+/=".into(),
            lifetime: lifetime.map(Duration::from_secs),
        };
        for (more, lifetime) in [
            ("", None),
            (
                r#", "token_type": "bearer", "expires_in": 3600"#,
                Some(3600),
            ),
            (
                r#", "token_type": "Bearer", "expires_in": "3600""#,
                Some(3600),
            ),
            (r#", "expires_in": 0, "scope": "x""#, Some(5)),
            (r#", "expires_in": -7"#, Some(5)),
            (r#", "expires_in": null"#, None),
            (r#", "expires_in": 1e300"#, None),
        ] {
            let body = format!(r#"{{"access_token": "a.b-c_~+/="{more}}}"#);
            assert_eq!(read(&body), Ok(token(lifetime)), "{body}");
        }
    }

    #[test]
    fn an_answer_without_a_token_says_why_and_quotes_no_secret() {
        for (body, said) in [
            (
                "<html>hush</html>",
                "the token endpoint's answer is not JSON",
            ),
            (
                r#"{"token": "hush"}"#,
                "the token endpoint's answer has no access_token",
            ),
            (
                r#"{"access_token": "hush\r\nX-Evil: 1"}"#,
                "the token endpoint's answer has an access_token that no header can carry",
            ),
            (
                r#"{"access_token": "hush", "token_type": "mac"}"#,
                "the token endpoint's answer has a token_type other than Bearer",
            ),
        ] {
            assert_eq!(read(body).unwrap_err().to_string(), said);
        }
        let refused = |body: &str| read_token(401, body.as_bytes()).unwrap_err().to_string();
        let named = refused(r#"{"error": "invalid_client", "error_description": "hush"}"#);
        assert_eq!(named, "the token endpoint answered 401: invalid_client");
        assert_eq!(
            refused(r#"{"error": "no such\nthing"}"#),
            "the token endpoint answered 401"
        );
        assert_eq!(refused("hush"), "the token endpoint answered 401");
        assert!(!format!("{:?}", read(r#"{"access_token": "hush"}"#)).contains("hush"));
    }
}
