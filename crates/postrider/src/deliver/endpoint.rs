//! Where a webhook's batches go, and the head that goes before them.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use uuid::{Uuid, uuid};

use super::PutError;
use super::body::gzip;
use crate::auth::{self, AccessToken, Signer};
use crate::http::{Body, HeaderLines, Method, Policy, Request, Slice, Target};
use crate::time::Now;
use crate::webhook::{Auth, OAuth2, Webhook};

/// The batch id of every test POST.
pub(crate) const TEST_BATCH: Uuid = uuid!("77c2b630-d712-11e4-9642-efc2723b99c1");

/// Where one revision of a webhook sends to. A batch goes where it was formed for, so this outlives
/// its revision while such batches are open.
#[derive(Debug)]
pub(crate) struct Endpoint {
    url: String,
    target: Arc<Target>,
    headers: HeaderLines,
    gzip: bool,
    signer: Signer,
    tokens: Option<TokenSource>,
}

/// Where a webhook's OAuth 2 tokens are fetched.
#[derive(Debug)]
struct TokenSource {
    target: Arc<Target>,
    headers: HeaderLines,
    body: Slice,
    /// Differs where anything of the request does.
    number: u64,
}

impl TokenSource {
    fn of(oauth: &OAuth2, policy: &Policy) -> Result<TokenSource, PutError> {
        let target = Target::parse(&oauth.url, policy).map_err(PutError::TokenUrl)?;
        let (kind, body) = oauth.request();
        let mut headers = HeaderLines::new();
        headers.push("Content-Type", kind)?;
        headers.push("Accept", "application/json")?;
        let mut hasher = DefaultHasher::new();
        (&oauth.url, kind, &body).hash(&mut hasher);
        Ok(TokenSource {
            target: Arc::new(target),
            headers,
            body: Slice::owned(body),
            number: hasher.finish(),
        })
    }
}

impl Endpoint {
    /// Checks target and headers, and writes out what is the same for every batch.
    pub(crate) fn of(webhook: &Webhook, policy: &Policy) -> Result<Endpoint, PutError> {
        let mut target = Target::parse(&webhook.target, policy)?;
        if let Some(certificate) = &webhook.client_certificate {
            target = target.with_identity(certificate.identity()?);
        }
        let mut headers = HeaderLines::new();
        headers.push("Content-Type", "application/json")?;
        if let Some(token) = &webhook.token {
            headers.push("X-MessageSystems-Webhook-Token", token.expose())?;
        }
        if let Auth::Basic { username, password } = &webhook.auth {
            let pair = BASE64.encode(format!("{username}:{}", password.expose()));
            headers.push("Authorization", &format!("Basic {pair}"))?;
        }
        let tokens = match &webhook.auth {
            Auth::OAuth2(oauth) => Some(TokenSource::of(oauth, policy)?),
            Auth::None | Auth::Basic { .. } => None,
        };
        for header in &webhook.custom_headers {
            headers.push(&header.name, header.value.expose())?;
        }
        let mut signer = Signer::default();
        for key in &webhook.signing_keys {
            signer.add(key.key()?, key.retires_ms);
        }
        if webhook.gzip {
            headers.push("Content-Encoding", "gzip")?;
        }
        Ok(Endpoint {
            url: webhook.target.clone(),
            target: Arc::new(target),
            headers,
            gzip: webhook.gzip,
            signer,
            tokens,
        })
    }

    /// What tells one source of tokens from another; `None` where no token is needed.
    pub(crate) fn token_source(&self) -> Option<u64> {
        self.tokens.as_ref().map(|source| source.number)
    }

    /// The request for a token, to be over within `timeout`.
    pub(crate) fn token_request(&self, now: Now, timeout: Duration) -> Option<Request> {
        let source = self.tokens.as_ref()?;
        Some(Request {
            target: source.target.clone(),
            method: Method::Post,
            headers: source.headers.clone(),
            body: source.body.clone().into(),
            deadline: now.mono.after(timeout),
            answer_kept: usize::MAX,
            unproven: true,
        })
    }

    /// Whether it sends to the same place as `other`, whatever its credentials.
    pub(crate) fn same_target(&self, other: &Endpoint) -> bool {
        self.url == other.url
    }

    /// Which of a webhook's revisions, the last of them the one in force, send to another place than it.
    pub(crate) fn elsewhere(revisions: &[(u32, Arc<Endpoint>)]) -> Vec<u32> {
        let Some((_, newest)) = revisions.last() else {
            return Vec::new();
        };
        let other = revisions.iter().filter(|(_, own)| !own.same_target(newest));
        other.map(|(revision, _)| *revision).collect()
    }

    /// One attempt's POST of a batch, to be over within `timeout`. Signed as of `now`. Of the answer
    /// only the head is wanted.
    pub(crate) fn request(
        &self,
        batch: Uuid,
        body: Body,
        token: Option<&AccessToken>,
        now: Now,
        timeout: Duration,
    ) -> Request {
        let mut headers = self.headers.clone();
        let id = batch.hyphenated().to_string();
        let mut push = |name: &str, value: &str| {
            let pushed = headers.push(name, value);
            debug_assert!(pushed.is_ok(), "{name} is made of what headers can carry");
        };
        push("X-MessageSystems-Batch-ID", &id);
        if let (Some(token), Some(_)) = (token, &self.tokens) {
            push("Authorization", &format!("Bearer {}", token.text));
        }
        let seconds = now.unix_ms / 1000;
        let pieces = body.slices().iter().map(Slice::as_bytes);
        if let Some(signatures) = self.signer.sign(&id, seconds, pieces, now.unix_ms) {
            push(auth::ID, &id);
            push(auth::TIMESTAMP, &seconds.to_string());
            push(auth::SIGNATURE, &signatures);
        }
        Request {
            target: self.target.clone(),
            method: Method::Post,
            headers,
            body: if self.gzip { gzip(&body) } else { body },
            deadline: now.mono.after(timeout),
            answer_kept: 0,
            unproven: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Verifier;
    use crate::time::Instant;
    use crate::webhook::{ClientCertificate, Secret, SigningKey, WebhookSpec};
    use std::io::Read as _;

    const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const NOW: Now = Now {
        mono: Instant(1),
        unix_ms: 1_614_265_330_000,
    };

    fn endpoint(spec: WebhookSpec) -> Endpoint {
        let webhook = spec.into_webhook(Uuid::nil(), 0);
        Endpoint::of(&webhook, &Policy::default()).expect("an endpoint")
    }

    fn spec() -> WebhookSpec {
        WebhookSpec::new("test", "https://example.com/", [])
    }

    #[test]
    fn a_compressed_body_is_signed_as_it_was_before() {
        let endpoint = endpoint(WebhookSpec {
            gzip: true,
            signing_keys: vec![SigningKey::given(KEY).expect("a key")],
            ..spec()
        });
        let mut body = Body::new();
        let mut json = Vec::new();
        for part in [b"[".to_vec(), vec![b'1'; 100_000], b"]".to_vec()] {
            json.extend_from_slice(&part);
            body.push(Slice::owned(part));
        }
        let timeout = Duration::from_secs(1);
        let post = || endpoint.request(TEST_BATCH, body.clone(), None, NOW, timeout);
        let bytes = |post: &Request| -> Vec<u8> {
            let slices = post.body.slices().iter();
            slices.flat_map(|slice| slice.as_bytes().to_vec()).collect()
        };
        let (first, again) = (post(), post());
        assert_eq!(bytes(&first), bytes(&again), "a retry has the same bytes");
        assert!(bytes(&first).len() < 1000);
        let mut unpacked = Vec::new();
        let packed = bytes(&first);
        let mut decoder = flate2::read::GzDecoder::new(&*packed).take(1 << 20);
        decoder.read_to_end(&mut unpacked).expect("gzip");
        assert_eq!(unpacked, json);

        let head = String::from_utf8(first.headers.as_bytes().to_vec()).expect("text");
        assert!(head.contains("Content-Encoding: gzip\r\n"), "{head}");
        let header = |name: &str| {
            let line = head
                .lines()
                .find_map(|line| line.strip_prefix(&format!("{name}: ")));
            line.expect("the header").to_owned()
        };
        let verifier = Verifier::parse(KEY).expect("a key");
        let (id, time) = (header(auth::ID), header(auth::TIMESTAMP));
        let signature = header(auth::SIGNATURE);
        let verified = verifier.verify(&id, &time, &signature, &json, NOW.unix_ms);
        assert_eq!(verified, Ok(()));
    }

    #[test]
    fn a_client_certificate_goes_with_the_target_and_makes_it_no_other_target() {
        let made = rcgen::generate_simple_self_signed(["client".to_owned()]).expect("made");
        let own = ClientCertificate {
            certificate: made.cert.pem(),
            key: Secret::new(made.signing_key.serialize_pem()),
        };
        let identity = own.identity().expect("an identity");
        let with = endpoint(WebhookSpec {
            client_certificate: Some(own),
            ..spec()
        });
        let without = endpoint(spec());
        assert_eq!(with.target.identity(), Some(&identity));
        assert_eq!(without.target.identity(), None);
        assert!(with.same_target(&without));
    }
}
