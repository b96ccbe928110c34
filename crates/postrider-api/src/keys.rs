//! API keys: an extension of the contract, which has them made in its web pages.

use crate::auth::Identity;
use crate::failure::Failure;
use crate::message::Response;
use crate::operation::{Answer, Body, Call, Doc, Operation};
use crate::view;
use crate::webhooks::json_body;
use postrider::store::{ApiKey, Grant, Grants, NewKey};
use serde_json::Value;

/// Bytes of a label.
const MAX_LABEL: usize = 255;

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation {
        method: "GET",
        path: "/api/v1/keys",
        grant: Some(Grant::Keys),
        handle: list,
        doc: Doc {
            id: "listKeys",
            summary: "All API keys, without their text",
            extension: true,
            query: &[],
            body: None,
            answer: (200, Some("Keys")),
        },
    },
    Operation {
        method: "POST",
        path: "/api/v1/keys",
        grant: Some(Grant::Keys),
        handle: create,
        doc: Doc {
            id: "createKey",
            summary: "Make an API key; its text is shown in this answer alone",
            extension: true,
            query: &[],
            body: Body::json(true, "NewKey"),
            answer: (200, Some("CreatedKey")),
        },
    },
    Operation {
        method: "DELETE",
        path: "/api/v1/keys/{key}",
        grant: Some(Grant::Keys),
        handle: revoke,
        doc: Doc {
            id: "revokeKey",
            summary: "Revoke an API key",
            extension: true,
            query: &[],
            body: None,
            answer: (204, None),
        },
    },
];

/// Answers with the key's text: the only time that it is shown.
fn create(call: &Call<'_>) -> Answer {
    let who = &call.who;
    let mut new = new_key(&json_body(call.request)?)?;
    // No one can make a key that may do more than their own.
    if let Some(grant) = new.grants.iter().find(|g| !who.grants.contains(*g)) {
        return Err(Failure::MoreThanOwn(grant));
    }
    if let Some(own) = who.bound_to {
        if new.subaccount.is_some_and(|n| n != own) {
            return Err(Failure::OtherSubaccount(own));
        }
        new.subaccount = Some(own);
    }
    let (key, text) = call
        .backend
        .store()
        .create_key(new, call.backend.now_ms())?;
    let mut results = view::key(&key);
    results["key"] = text.expose().into();
    Ok(Response::results(results))
}

fn list(call: &Call<'_>) -> Answer {
    let mut keys = call.backend.store().keys()?;
    keys.retain(|key| is_shown(key, &call.who));
    Ok(Response::results(
        keys.iter().map(view::key).collect::<Vec<_>>(),
    ))
}

fn revoke(call: &Call<'_>) -> Answer {
    let (store, id) = (call.backend.store(), call.parameter);
    let shown = store
        .keys()?
        .iter()
        .any(|key| key.id == id && is_shown(key, &call.who));
    if !shown || !store.revoke_key(id)? {
        return Err(Failure::NoSuchKey);
    }
    Ok(Response::no_content())
}

fn is_shown(key: &ApiKey, who: &Identity) -> bool {
    who.bound_to.is_none() || key.subaccount == who.bound_to
}

fn new_key(body: &Value) -> Result<NewKey, Failure> {
    let Some(fields) = body.as_object() else {
        return Err(invalid("request body", "must be a JSON object"));
    };
    let (mut new, mut grants) = (NewKey::default(), None);
    for (field, value) in fields {
        match field.as_str() {
            "label" => new.label = label(value)?,
            "grants" => grants = Some(self::grants(value)?),
            "subaccount_id" => new.subaccount = Some(subaccount(value)?),
            _ => return Err(invalid(field, "is not a field of a key")),
        }
    }
    new.grants = grants.ok_or(Failure::Missing { field: "grants" })?;
    Ok(new)
}

fn label(value: &Value) -> Result<String, Failure> {
    let label = value
        .as_str()
        .filter(|l| l.len() <= MAX_LABEL && !l.chars().any(char::is_control));
    let label = label.map(str::to_owned);
    label.ok_or_else(|| {
        invalid(
            "label",
            "must be at most 255 bytes of text without control characters",
        )
    })
}

fn grants(value: &Value) -> Result<Grants, Failure> {
    let names = Grant::ALL.map(Grant::name).join(", ");
    let error = || invalid("grants", &format!("must be a non-empty array of {names}"));
    let list = value
        .as_array()
        .filter(|l| !l.is_empty())
        .ok_or_else(error)?;
    let grant = |item: &Value| {
        let known = item.as_str().and_then(Grant::by_name);
        known.ok_or_else(|| {
            let item: String = item.to_string().chars().take(50).collect();
            invalid("grants", &format!("holds {item}, which is none of {names}"))
        })
    };
    list.iter().map(grant).collect()
}

fn subaccount(value: &Value) -> Result<u32, Failure> {
    let n = value.as_u64().and_then(|n| i32::try_from(n).ok());
    n.map(|n| n as u32).ok_or_else(|| {
        invalid(
            "subaccount_id",
            "must be 0 for the primary account, or a subaccount",
        )
    })
}

fn invalid(field: &str, reason: &str) -> Failure {
    Failure::Field {
        field: field.into(),
        reason: reason.into(),
    }
}
