//! From a path to what it names.

use uuid::Uuid;

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route<'a> {
    Webhooks,
    Webhook(Uuid),
    Validate(Uuid),
    BatchStatus(Uuid),
    Documentation,
    Samples,
    Keys,
    Key(&'a str),
    Health,
}

impl<'a> Route<'a> {
    /// `None`: nothing has that path. One trailing slash is taken, as the tutorials send it.
    pub(crate) fn of(path: &'a str) -> Option<Route<'a>> {
        let path = path.strip_suffix('/').unwrap_or(path);
        if path == "/healthz" {
            return Some(Route::Health);
        }
        let segments: Vec<&str> = path.strip_prefix("/api/v1/")?.split('/').collect();
        Some(match segments[..] {
            ["webhooks"] => Route::Webhooks,
            ["webhooks", "events", "documentation"] => Route::Documentation,
            ["webhooks", "events", "samples"] => Route::Samples,
            ["webhooks", id] => Route::Webhook(webhook_id(id)?),
            ["webhooks", id, "validate"] => Route::Validate(webhook_id(id)?),
            ["webhooks", id, "batch-status"] => Route::BatchStatus(webhook_id(id)?),
            ["keys"] => Route::Keys,
            ["keys", id] => Route::Key(id),
            _ => return None,
        })
    }

    /// The methods that it takes, as the `Allow` header lists them.
    pub(crate) fn methods(self) -> &'static str {
        match self {
            Route::Webhooks | Route::Keys => "GET, HEAD, POST",
            Route::Webhook(_) => "GET, HEAD, PUT, DELETE",
            Route::Validate(_) => "POST",
            Route::Key(_) => "DELETE",
            Route::BatchStatus(_) | Route::Documentation | Route::Samples | Route::Health => {
                "GET, HEAD"
            }
        }
    }
}

/// Only the hyphenated form: one webhook, one path.
fn webhook_id(text: &str) -> Option<Uuid> {
    (text.len() == 36).then(|| Uuid::try_parse(text).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_exact_but_for_one_trailing_slash() {
        let id = "12affc24-f183-11e3-9234-3c15c2c818c2";
        let uuid = Uuid::parse_str(id).unwrap();
        for (path, route) in [
            ("/api/v1/webhooks", Some(Route::Webhooks)),
            ("/api/v1/webhooks/", Some(Route::Webhooks)),
            ("/api/v1/webhooks//", None),
            ("/api/v1/Webhooks", None),
            ("/v1/webhooks", None),
            ("/api/v1", None),
            ("/", None),
            ("", None),
            (
                "/api/v1/webhooks/events/documentation",
                Some(Route::Documentation),
            ),
            ("/api/v1/webhooks/events/samples/", Some(Route::Samples)),
            ("/api/v1/webhooks/events", None),
            (
                &format!("/api/v1/webhooks/{id}"),
                Some(Route::Webhook(uuid)),
            ),
            (&format!("/api/v1/webhooks/{{{id}}}"), None),
            (&format!("/api/v1/webhooks/{}", id.replace('-', "")), None),
            (
                &format!("/api/v1/webhooks/{id}/validate"),
                Some(Route::Validate(uuid)),
            ),
            (
                &format!("/api/v1/webhooks/{id}/batch-status/"),
                Some(Route::BatchStatus(uuid)),
            ),
            (
                "/api/v1/keys/0123456789abcdef",
                Some(Route::Key("0123456789abcdef")),
            ),
            ("/healthz", Some(Route::Health)),
        ] {
            assert_eq!(Route::of(path), route, "{path}");
        }
    }
}
