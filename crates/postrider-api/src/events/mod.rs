//! Searching the events: the Events API, and the older Message Events API. Both read the log.

mod cursor;
mod docs;
mod params;
mod record;

use crate::auth::View;
use crate::failure::Failure;
use crate::message::Response;
use crate::operation::{Answer, Call, Doc, Operation, Param};
use cursor::Cursor;
use jiff::tz::TimeZone;
use params::{Asked, Dialect};
use postrider::search::{Page, Query};
use postrider::store::Grant;
use serde_json::{Value, json};

const VIEW: Option<Grant> = Some(Grant::MessageEventsView);
const MESSAGE: &str = "/api/v1/events/message";
const INGEST: &str = "/api/v1/events/ingest";
const OLD: &str = "/api/v1/message-events";

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation {
        method: "GET",
        path: MESSAGE,
        grant: VIEW,
        handle: |call| by_cursor(call, &params::MESSAGE, MESSAGE),
        doc: doc(
            "searchMessageEvents",
            "Events of messages, newest first",
            params::MESSAGE.docs,
        ),
    },
    Operation {
        method: "GET",
        path: "/api/v1/events/message/documentation",
        grant: None,
        handle: |call| docs::documentation(call, &params::MESSAGE),
        doc: docs::doc(
            "messageEventsDocumentation",
            "The event types and their fields",
            &[],
        ),
    },
    Operation {
        method: "GET",
        path: "/api/v1/events/message/samples",
        grant: None,
        handle: |call| docs::samples(call, &params::MESSAGE),
        doc: docs::doc(
            "messageEventsSamples",
            "A sample of each event type",
            docs::EVENTS,
        ),
    },
    Operation {
        method: "GET",
        path: INGEST,
        grant: VIEW,
        handle: |call| by_cursor(call, &params::INGEST, INGEST),
        doc: doc(
            "searchIngestEvents",
            "What became of ingested batches",
            params::INGEST.docs,
        ),
    },
    Operation {
        method: "GET",
        path: "/api/v1/events/ingest/documentation",
        grant: None,
        handle: |call| docs::documentation(call, &params::INGEST),
        doc: docs::doc(
            "ingestEventsDocumentation",
            "The event types and their fields",
            &[],
        ),
    },
    Operation {
        method: "GET",
        path: "/api/v1/events/ingest/samples",
        grant: None,
        handle: |call| docs::samples(call, &params::INGEST),
        doc: docs::doc(
            "ingestEventsSamples",
            "A sample of each event type",
            docs::EVENTS,
        ),
    },
    Operation {
        method: "GET",
        path: OLD,
        grant: VIEW,
        handle: by_page,
        doc: doc(
            "searchEventsByPage",
            "The same by page numbers: deprecated",
            params::OLD.docs,
        ),
    },
    Operation {
        method: "GET",
        path: "/api/v1/message-events/events/documentation",
        grant: None,
        handle: docs::by_category,
        doc: docs::doc("oldEventsDocumentation", "The event types by category", &[]),
    },
    Operation {
        method: "GET",
        path: "/api/v1/message-events/events/samples",
        grant: None,
        handle: |call| docs::samples(call, &params::OLD),
        doc: docs::doc(
            "oldEventsSamples",
            "A sample of each event type",
            docs::EVENTS,
        ),
    },
];

const fn doc(id: &'static str, summary: &'static str, query: &'static [Param]) -> Doc {
    Doc {
        id,
        summary,
        extension: false,
        query,
        body: None,
        answer: (200, Some("Found")),
    }
}

/// `GET …/events/message` and `…/events/ingest`: where a page ended, its cursor goes on.
fn by_cursor(call: &Call<'_>, dialect: &Dialect, path: &str) -> Answer {
    let asked = Asked::read(call, dialect)?;
    let per_page = asked.per_page;
    let cursor = match call.query.get("cursor") {
        None | Some("" | "initial") => None,
        Some(text) => Some(Cursor::parse(text).ok_or_else(|| Failure::Parameter {
            name: "cursor",
            reason: "must be initial, or one that an answer gave".into(),
        })?),
    };
    let query = Query {
        times_ms: cursor
            .as_ref()
            .map_or(asked.times_ms.clone(), |c| c.times_ms()),
        below: cursor.as_ref().map_or(u64::MAX, |c| c.below),
        count: cursor.is_none(),
        skip: 0,
        limit: per_page,
        ..asked.query(call.who.view(call.request)?)
    };
    let page = call.backend.search(&query)?;
    // Counted once, with the first page.
    let (total, exact) = match &cursor {
        Some(cursor) => (cursor.total, cursor.exact),
        None => (page.found, page.complete),
    };
    let mut links = json!({});
    if page.more {
        let next = Cursor {
            from: query.times_ms.start,
            to: query.times_ms.end,
            below: page.next_below,
            total,
            exact,
        };
        links["next"] = link(call, path, "cursor", &next.text()).into();
    }
    let records = page.hits.iter().map(|hit| record::of(hit, None));
    Ok(found(records.collect(), total, exact, links))
}

/// `GET /api/v1/message-events`: pages by number, which stay what they are where `to` lies in the past.
fn by_page(call: &Call<'_>) -> Answer {
    let asked = Asked::read(call, &params::OLD)?;
    let (page, per_page) = (asked.page, asked.per_page as u64);
    let zone = call.query.timezone()?;
    let query = Query {
        times_ms: asked.times_ms.clone(),
        below: u64::MAX,
        count: true,
        skip: (page - 1).saturating_mul(per_page),
        limit: asked.per_page,
        ..asked.query(call.who.view(call.request)?)
    };
    let result = call.backend.search(&query)?;
    let links = page_links(call, page, per_page, &result);
    let zone: Option<&TimeZone> = Some(&zone);
    let records = result.hits.iter().map(|hit| record::of(hit, zone));
    Ok(found(
        records.collect(),
        result.found,
        result.complete,
        links,
    ))
}

/// None where one page has it all; the last page is only known where the total is.
fn page_links(call: &Call<'_>, page: u64, per_page: u64, result: &Page) -> Value {
    let mut links = Vec::new();
    let mut add = |rel: &str, page: u64| {
        let href = link(call, OLD, "page", &page.to_string());
        links.push(json!({"href": href, "rel": rel}));
    };
    if page > 1 {
        add("first", 1);
        add("previous", page - 1);
    }
    if result.more {
        add("next", page + 1);
    }
    if result.complete && (page > 1 || result.more) {
        add("last", result.found.div_ceil(per_page).max(1));
    }
    links.into()
}

fn found(records: Vec<Value>, total: u64, exact: bool, links: Value) -> Response {
    let mut body = json!({"results": records, "total_count": total, "links": links});
    if !exact {
        body["total_count_exact"] = false.into();
    }
    Response::json(200, &body)
}

/// The same call with one parameter replaced.
fn link(call: &Call<'_>, path: &str, name: &str, value: &str) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (n, v) in call.query.pairs().filter(|(n, _)| *n != name) {
        query.append_pair(n, v);
    }
    query.append_pair(name, value);
    format!("{path}?{}", query.finish())
}

/// The subaccounts of a query: those asked for, and no others than the caller's.
fn subaccounts(asked: Option<Vec<u32>>, view: View) -> Option<Vec<u32>> {
    match (asked, view.subaccount()) {
        (Some(asked), Some(own)) => Some(asked.into_iter().filter(|n| *n == own).collect()),
        (None, Some(own)) => Some(vec![own]),
        (asked, None) => asked,
    }
}
