//! The parameters of a search, in the contract's three dialects.

use super::subaccounts;
use crate::auth::View;
use crate::failure::Failure;
use crate::operation::{Call, Param};
use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};
use postrider::event::TypeId;
use postrider::search::{Filter, Match, Query};
use std::ops::Range;

const DAY_MS: u64 = 24 * 3600 * 1000;
const MOST_PER_PAGE: usize = 10_000;

/// What one search call takes.
pub(super) struct Dialect {
    /// Which types it finds where none are named.
    pub(super) categories: &'static [&'static str],
    /// Whether times without a zone are in the call's `timezone`, and are told in it.
    local: bool,
    lists: &'static [List],
    pub(super) docs: &'static [Param],
}

/// A parameter that holds values for fields.
struct List {
    name: &'static str,
    fields: &'static [&'static str],
    how: Match,
}

const fn list(name: &'static str, fields: &'static [&'static str], how: Match) -> List {
    List { name, fields, how }
}

const CATEGORIES: &[&str] = &[
    "message_event",
    "track_event",
    "gen_event",
    "unsubscribe_event",
];

pub(super) const MESSAGE: Dialect = Dialect {
    categories: CATEGORIES,
    local: false,
    lists: &[
        list("event_ids", &["event_id"], Match::Whole),
        list("recipients", &["rcpt_to", "raw_rcpt_to"], Match::Whole),
        list("from_addresses", &["friendly_from"], Match::Whole),
        list("bounce_classes", &["bounce_class"], Match::Whole),
        list("sending_ips", &["sending_ip"], Match::Whole),
        list("messages", &["message_id"], Match::Whole),
        list("transmissions", &["transmission_id"], Match::Whole),
        list("ab_test_versions", &["ab_test_version"], Match::Whole),
        list(
            "recipient_domains",
            &["recipient_domain", "rcpt_to"],
            Match::Domain,
        ),
        list(
            "sending_domains",
            &["sending_domain", "friendly_from"],
            Match::Domain,
        ),
        list("subjects", &["subject"], Match::Words),
        list("reasons", &["reason"], Match::Words),
        list("campaigns", &["campaign_id"], Match::Words),
        list("templates", &["template_id"], Match::Words),
        list("ip_pools", &["ip_pool"], Match::Words),
        list("mailbox_providers", &["mailbox_provider"], Match::Words),
        list(
            "mailbox_provider_regions",
            &["mailbox_provider_region"],
            Match::Words,
        ),
        list("ab_tests", &["ab_test_id"], Match::Words),
    ],
    docs: &[
        FROM,
        TO,
        CURSOR,
        PER_PAGE,
        DELIMITER,
        EVENTS,
        SUBACCOUNTS,
        whole("event_ids"),
        whole("recipients"),
        whole("from_addresses"),
        whole("bounce_classes"),
        whole("sending_ips"),
        whole("messages"),
        whole("transmissions"),
        whole("ab_test_versions"),
        words("recipient_domains"),
        words("sending_domains"),
        words("subjects"),
        words("reasons"),
        words("campaigns"),
        words("templates"),
        words("ip_pools"),
        words("mailbox_providers"),
        words("mailbox_provider_regions"),
        words("ab_tests"),
    ],
};

pub(super) const INGEST: Dialect = Dialect {
    categories: &["ingest_event"],
    local: false,
    lists: &[
        list("event_ids", &["event_id"], Match::Whole),
        list("batch_ids", &["batch_id"], Match::Whole),
        list("error_types", &["error_type"], Match::Whole),
        list("retryable", &["retryable"], Match::Whole),
    ],
    docs: &[
        FROM,
        TO,
        CURSOR,
        PER_PAGE,
        DELIMITER,
        EVENTS,
        SUBACCOUNTS,
        whole("event_ids"),
        whole("batch_ids"),
        whole("error_types"),
        whole("retryable"),
    ],
};

pub(super) const OLD: Dialect = Dialect {
    categories: CATEGORIES,
    local: true,
    lists: &[
        list("bounce_classes", &["bounce_class"], Match::Whole),
        list("campaign_ids", &["campaign_id"], Match::Whole),
        list("friendly_froms", &["friendly_from"], Match::Whole),
        list("message_ids", &["message_id"], Match::Whole),
        list("reason", &["reason", "raw_reason"], Match::Pattern),
        list("recipients", &["rcpt_to", "raw_rcpt_to"], Match::Whole),
        list("template_ids", &["template_id"], Match::Whole),
        list("ab_test_ids", &["ab_test_id"], Match::Whole),
        list("transmission_ids", &["transmission_id"], Match::Whole),
    ],
    docs: &[
        FROM,
        TO,
        PAGE,
        PER_PAGE,
        DELIMITER,
        TIMEZONE,
        EVENTS,
        SUBACCOUNTS,
        whole("bounce_classes"),
        whole("campaign_ids"),
        whole("friendly_froms"),
        whole("message_ids"),
        REASON,
        whole("recipients"),
        whole("template_ids"),
        whole("ab_test_ids"),
        whole("transmission_ids"),
    ],
};

const TEXT: &str = r#"{"type": "string"}"#;

const fn param(name: &'static str, schema: &'static str, about: &'static str) -> Param {
    Param {
        name,
        schema,
        about,
    }
}

const fn whole(name: &'static str) -> Param {
    param(name, TEXT, "Values, any of which the field must be")
}

const fn words(name: &'static str) -> Param {
    param(
        name,
        TEXT,
        "Values, of any of which the field must have all words",
    )
}

const FROM: Param = param(
    "from",
    TEXT,
    "Events of this time or later; by default of the last 24 hours",
);
const TO: Param = param("to", TEXT, "Events before this time; by default up to now");
const CURSOR: Param = param(
    "cursor",
    TEXT,
    "`initial`, or where the page before says to go on",
);
const DELIMITER: Param = param(
    "delimiter",
    r#"{"type": "string", "default": ","}"#,
    "What separates values",
);
const EVENTS: Param = param("events", TEXT, "Names of event types");
const SUBACCOUNTS: Param = param(
    "subaccounts",
    TEXT,
    "Numbers of subaccounts; 0 is the primary account",
);
const TIMEZONE: Param = param(
    "timezone",
    r#"{"type": "string", "default": "UTC"}"#,
    "IANA name of the zone of `from`, `to` and `timestamp`",
);
const REASON: Param = param("reason", TEXT, "A pattern for the reason; `%` is any text");
const PAGE: Param = param(
    "page",
    r#"{"type": "integer", "minimum": 1, "maximum": 1000000, "default": 1}"#,
    "Which page",
);
const PER_PAGE: Param = param(
    "per_page",
    r#"{"type": "integer", "minimum": 1, "maximum": 10000, "default": 1000}"#,
    "The most events of a page",
);

/// What a call asks for.
pub(super) struct Asked {
    pub(super) times_ms: Range<u64>,
    types: Vec<TypeId>,
    subaccounts: Option<Vec<u32>>,
    filters: Vec<Filter>,
    pub(super) per_page: usize,
    pub(super) page: u64,
}

impl Asked {
    pub(super) fn read(call: &Call<'_>, dialect: &Dialect) -> Result<Asked, Failure> {
        let query = &call.query;
        let zone = match dialect.local {
            true => query.timezone()?,
            false => TimeZone::UTC,
        };
        let now = call.backend.now_ms();
        let time = |name: &'static str, default: u64| match query.get(name) {
            None | Some("") => Ok(default),
            Some(text) => time(text, &zone).ok_or_else(|| Failure::Parameter {
                name,
                reason: "must be a time such as 2026-03-01T09:30:00Z".into(),
            }),
        };
        let delimiter = query.get("delimiter").filter(|d| !d.is_empty());
        let delimiter = delimiter.unwrap_or(",");
        let values = |name: &str| {
            let given = query.get(name).filter(|text| !text.is_empty())?;
            let values = given.split(delimiter).map(|v| v.trim().to_owned());
            Some(values.filter(|v| !v.is_empty()).collect::<Vec<String>>())
        };
        if values("ab_test_versions").is_some() && values("ab_tests").is_none() {
            return Err(Failure::Parameter {
                name: "ab_test_versions",
                reason: "needs ab_tests".into(),
            });
        }
        let filters = dialect.lists.iter().filter_map(|list| {
            let values = values(list.name)?;
            Some(Filter::new(list.fields, list.how, values))
        });
        Ok(Asked {
            times_ms: time("from", now.saturating_sub(DAY_MS))?..time("to", now + 1)?,
            types: types(call, dialect, values("events"))?,
            subaccounts: values("subaccounts").map(numbers).transpose()?,
            filters: filters.collect(),
            per_page: query.number("per_page", 1000, MOST_PER_PAGE)?,
            page: query.number("page", 1, 1_000_000)? as u64,
        })
    }

    /// The query, but for where it begins and ends.
    pub(super) fn query(self, view: View) -> Query {
        Query {
            times_ms: self.times_ms,
            types: self.types,
            subaccounts: subaccounts(self.subaccounts, view),
            filters: self.filters,
            below: u64::MAX,
            skip: 0,
            limit: self.per_page,
            count: false,
        }
    }
}

/// The types that are named, or those of the dialect's categories.
fn types(
    call: &Call<'_>,
    dialect: &Dialect,
    named: Option<Vec<String>>,
) -> Result<Vec<TypeId>, Failure> {
    let known = call.backend.event_types();
    let Some(named) = named else {
        let of_dialect = known
            .iter()
            .filter(|ty| dialect.categories.contains(&&*ty.category));
        return Ok(of_dialect.map(|ty| ty.id).collect());
    };
    let one = |name: &String| {
        let found = known.iter().find(|ty| ty.name == *name);
        found.map(|ty| ty.id).ok_or_else(|| Failure::Parameter {
            name: "events",
            reason: format!("names {name:?}, which is not an event type"),
        })
    };
    named.iter().map(one).collect()
}

fn numbers(texts: Vec<String>) -> Result<Vec<u32>, Failure> {
    let one = |text: String| {
        text.parse().map_err(|_| Failure::Parameter {
            name: "subaccounts",
            reason: format!("names {text:?}, which is not the number of a subaccount"),
        })
    };
    texts.into_iter().map(one).collect()
}

/// A time in Unix milliseconds: with a zone of its own, or in `zone`. Before 1970 is 1970.
fn time(text: &str, zone: &TimeZone) -> Option<u64> {
    let own = text.parse::<Timestamp>();
    let at = match own {
        Ok(at) => at,
        Err(_) => {
            let local = text.parse::<civil::DateTime>().ok()?;
            local.to_zoned(zone.clone()).ok()?.timestamp()
        }
    };
    Some(u64::try_from(at.as_millisecond()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_with_and_without_a_zone() {
        let new_york = TimeZone::get("America/New_York").unwrap();
        let at = 1_700_000_000_000;
        for (text, zone) in [
            ("2023-11-14T22:13:20Z", &new_york),
            ("2023-11-14T22:13:20.000Z", &new_york),
            ("2023-11-14T17:13:20-05:00", &TimeZone::UTC),
            ("2023-11-14T17:13:20", &new_york),
            ("2023-11-14T22:13:20", &TimeZone::UTC),
        ] {
            assert_eq!(time(text, zone), Some(at), "{text}");
        }
        assert_eq!(time("2023-11-14T17:13", &new_york), Some(at - 20_000));
        assert_eq!(time("1960-01-01T00:00:00Z", &new_york), Some(0));
        for bad in ["yesterday", "2023-13-01T00:00", "1700000000"] {
            assert_eq!(time(bad, &TimeZone::UTC), None, "{bad}");
        }
    }
}
